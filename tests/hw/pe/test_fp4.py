import numpy as np
import pytest
from beat_bench import sums
from pe_bench import run_and_compare

from gemmsmith.pe import for_scheme as element_for
from gemmsmith.pe.fp4 import Fp4Element
from gemmsmith.schemes import Axis, Fp4
from gemmsmith_sim.golden import Encoded

MAGNITUDES = (0, 0.5, 1, 1.5, 2, 3, 4, 6)
STRUCTURES = [{"pipelined": 1}, {"pipelined": 0}, {"multiplier": 1}]


def number(code):
    return MAGNITUDES[code % 8] * (-1) ** (code // 8)


def encoded(scheme, axis, codes, scales):
    return Encoded(scheme, axis, codes.shape, {"codes": np.uint8(codes), "scales": np.float32(scales)})


@pytest.mark.parametrize(("lanes", "share", "idle", "out", "structure"), [
    (4, 2, 0.3, "fp16", STRUCTURES[0]), (1, 1, 0.0, "fp32", STRUCTURES[0]), (16, 2, 0.2, "fp32", STRUCTURES[0]),
    (4, 2, 0.3, "fp32", STRUCTURES[1]), (2, 1, 0.0, "fp16", STRUCTURES[2])])
def test_random_blocks(lanes, share, idle, out, structure):
    rng, scheme = np.random.default_rng(lanes), Fp4(out=out)
    pe, products = Fp4Element(scheme=scheme, lanes=lanes, **structure), []
    for k in (1, lanes, 70, 150):
        scales = 2.0 ** rng.uniform(-18, 2, share + 1)
        codes = rng.integers(0, 16, (share + 1, k))
        codes[0, k // 2:] = 15
        products.append((encoded(scheme, Axis.ROW, codes[:1], scales[:1]),
                         encoded(scheme, Axis.COLUMN, codes[1:], scales[1:])))
    run_and_compare(pe, products, share=share, idle=idle, seed=lanes)


def lacking(words, pe):
    """What the sums of the core lack: a one for each negative digit, of 1, 3 and 8."""
    if not pe.ternary:
        return 0
    digits = {0: "000", 1: "100", 2: "-10", 3: "010", 4: "110", 6: "1-1", 8: "001", 12: "111"}
    total = 0
    for code in words:
        twice = int(2 * number(code))
        signs = digits[abs(twice)].translate(str.maketrans("1-", "-1")) if twice < 0 else digits[abs(twice)]
        total += sum(weight for sign, weight in zip(signs, (1, 3, 8), strict=True) if sign == "-")
    return total


@pytest.mark.parametrize("structure", STRUCTURES, ids=str)
@pytest.mark.parametrize("target", ["generic", "asic"])
def test_every_code_times_every_code(structure, target):
    pe = Fp4Element(scheme=Fp4(), lanes=1, **structure)
    pairs = [(x, y) for x in range(16) for y in range(16)]
    wanted = [int(4 * number(x) * number(y)) - lacking([y], pe) for x, y in pairs]
    assert sums(pe, pairs, target=target) == [total % 2**26 for total in wanted]


@pytest.mark.parametrize("structure", STRUCTURES, ids=str)
def test_full_words_of_four_lanes(structure):
    rng, pe = np.random.default_rng(16), Fp4Element(scheme=Fp4(), lanes=4, **structure)
    codes = rng.integers(0, 16, (200, 2, 4))
    codes[:4] = np.array([[7, 7], [7, 15], [15, 7], [15, 15]])[:, :, None]
    beats = [tuple(sum(int(code) << 4 * lane for lane, code in enumerate(word)) for word in beat) for beat in codes]
    wanted = [int(sum(4 * number(x) * number(y) for x, y in zip(a, w, strict=True))) - lacking(w, pe)
              for a, w in codes.tolist()]
    assert sums(pe, beats) == [total % 2**26 for total in wanted]


def test_description():
    pe = element_for(Fp4(), lanes=4)
    assert isinstance(pe, Fp4Element)
    assert (pe.group, pe.macs_per_cycle(0), pe.beats(0), pe.modes, pe.result_width) == (4, 4, 1, range(1), 26)
    assert {o.name: o.width for o in pe.operands} == {"a_codes": 16, "w_codes": 16, "a_scale": 32, "w_scale": 32}
    with pytest.raises(ValueError, match="lanes must be a power of two from 1 to 64, not 3"):
        Fp4Element(scheme=Fp4(), lanes=3)
