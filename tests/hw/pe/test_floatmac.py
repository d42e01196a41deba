import numpy as np
import pytest
from pe_bench import flags, run_and_compare

from gemmsmith.pe import for_scheme as element_for
from gemmsmith.schemes import Axis, FloatMac
from gemmsmith_sim.golden import Encoded

FORMATS = ["e4m3", "e5m2", "bf16"]
ONES = {"e4m3": 0x38, "e5m2": 0x3C, "bf16": 0x3F80}
SPECIAL = {"e4m3": (0x7F, 0xFF), "e5m2": (0x7C, 0xFC, 0x7D, 0xFF), "bf16": (0x7F80, 0xFF80, 0x7FC0, 0xFFFF)}
FINITE = {"e4m3": (0x7E, 0xFE, 0, 1), "e5m2": (0x7B, 0xFB, 0x80), "bf16": (0x7F7F, 0xFF7F, 1, 0x8000)}


def encoded(scheme, axis, codes):
    codes = np.asarray(codes).astype(np.uint16 if scheme.number.width > 8 else np.uint8)
    return Encoded(scheme, axis, codes.shape, {"codes": codes})


def blocks(scheme, products):
    return [(encoded(scheme, Axis.ROW, a), encoded(scheme, Axis.COLUMN, w)) for a, w in products]


def near_one(x, rng, shape):
    """Codes of like exponents, so that sums cancel and round."""
    spread = rng.integers(-3 << FloatMac(x=x).number.fraction_width, 3 << FloatMac(x=x).number.fraction_width, shape)
    return ONES[x] + spread | rng.integers(0, 2, shape) << FloatMac(x=x).number.width - 1


@pytest.mark.parametrize(("share", "idle", "out"), [(1, 0.0, "fp32"), (2, 0.3, "fp16")])
@pytest.mark.parametrize("x", FORMATS)
def test_random_blocks(x, share, idle, out):
    """Any codes, those that are no numbers and subnormals among them; and codes near 1."""
    rng, scheme = np.random.default_rng(share), FloatMac(x=x, out=out)
    top = 1 << scheme.number.width
    products = [(rng.integers(0, top, (1, k)), rng.integers(0, top, (share, k))) for k in (1, 2, 30)]
    products += [(near_one(x, rng, (1, k)), near_one(x, rng, (share, k))) for k in (60,)]
    run_and_compare(element_for(scheme), blocks(scheme, products), share=share, idle=idle, seed=share)


@pytest.mark.parametrize("x", ["e4m3", "e5m2"])
def test_every_code_times_every_kind_of_code(x):
    scheme, codes = FloatMac(x=x), np.arange(256)
    weights = np.array([ONES[x] ^ 0x81, 0x03])[:, None]
    run_and_compare(element_for(scheme), blocks(scheme, [([[a]], weights) for a in codes]), share=len(weights))


def test_sums_beyond_the_range_of_fp32():
    """Products that overflow and come back, that are too small alone and not together, and at the ends of the range."""
    scheme = FloatMac(x="bf16")
    huge, tiny, one, least = 0x7F00, 0x0100, 0x3F80, 0x0001  # 2¹²⁷, 2⁻¹²⁵, 1, 2⁻¹³³
    a = [[huge, huge, tiny, tiny, least, one]]
    w = [[huge, huge ^ 0x8000, tiny, tiny ^ 0x8000, least, 0], [one, one, 0, 0, 0, 0], [huge, 0, 0, 0, 0, one],
         [0, 0, one, 0x3F00, one, 0], [0, 0, one ^ 0x8000, 0x3F00, one, 0], [huge ^ 0x8000, 0, 0, 0, 0, 0],
         [0, 0, 0x3F00, 0, least, 0], [0, 0, 0, 0x3EFF, 0, 0]]
    run = run_and_compare(element_for(scheme), blocks(scheme, [(a, w)]), share=len(w))
    outputs = np.array(run.outputs[0], np.uint32).view(np.float32).tolist()
    assert outputs[:3] == [0.0, np.inf, np.inf]
    assert outputs[5:] == [-np.inf, 2.0**-126, 0.0]


@pytest.mark.parametrize("x", FORMATS)
def test_what_is_no_number_raises_the_flag(x):
    for edge, name in ((element_for(FloatMac(x=x)).row_edge(), "a_code"),
                       (element_for(FloatMac(x=x)).column_edge(), "w_code")):
        beats = [(code, 1) for code in (*SPECIAL[x], *FINITE[x])] + [(SPECIAL[x][0], 0)]
        assert flags(edge, name, beats) == [1] * len(SPECIAL[x]) + [0] * (len(FINITE[x]) + 1)


def test_description():
    assert [element_for(FloatMac(x=x)).operands[0].width for x in FORMATS] == [8, 8, 16]
    pe = element_for(FloatMac())
    assert (pe.group, pe.macs_per_cycle(0), pe.schedule(groups=9, mode=0, share=2).block) == (1, 1, 9)
