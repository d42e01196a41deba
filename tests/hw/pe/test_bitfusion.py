import numpy as np
import pytest
from beat_bench import sums
from pe_bench import Bench, bits, block_of

from gemmsmith.pe import for_scheme as element_for
from gemmsmith.pe.bitfusion import BitFusionElement
from gemmsmith.schemes import Axis, BitFusion
from gemmsmith.schemes.bitfusion import PAIRS
from gemmsmith_sim.golden import Encoded, for_scheme


def encoded(scheme, axis, codes, scales):
    return Encoded(scheme, axis, codes.shape, {"codes": np.int8(codes), "scales": np.float32(scales)})


def random_codes(rng, shape, width):
    """Every code, the extremes over-represented."""
    low = -(1 << width - 1)
    return np.where(rng.random(shape) < 0.3, rng.choice([low, ~low], shape), rng.integers(low, -low, shape))


def run_and_compare(pe, products, *, share, idle=0.0):
    """Runs (activations, weights) pairs as blocks back to back; compares sums and outputs."""
    golden = for_scheme(pe.scheme)
    blocks = [block_of(pe, golden, a, w, pe.mode) for a, w in products]
    run = Bench(pe, share=share, mode=pe.mode, idle=idle, seed=len(products)).run(blocks)
    for (a, w), results, outputs in zip(products, run.results, run.outputs, strict=True):
        sums = w.arrays["codes"].astype(np.int64) @ a.arrays["codes"][0].astype(np.int64)
        assert results == [[int(s) & 0xFFFFFFFF for s in sums]]
        assert [outputs] == bits(golden.matmul(a, w))
    return run


@pytest.mark.parametrize(("a", "w"), PAIRS)
@pytest.mark.parametrize(("units", "share", "idle", "out", "pipelined"), [
    (1, 2, 0.3, "fp16", 1), (1, 1, 0.0, "fp32", 0)])
def test_random_blocks(a, w, units, share, idle, out, pipelined):
    rng, scheme = np.random.default_rng(a * w), BitFusion(a=a, w=w, out=out)
    products = []
    for k in (1, 45):
        scales = 2.0 ** rng.uniform(-18, 2, share + 1)
        products.append((encoded(scheme, Axis.ROW, random_codes(rng, (1, k), a), scales[:1]),
                         encoded(scheme, Axis.COLUMN, random_codes(rng, (share, k), w), scales[1:])))
    run_and_compare(BitFusionElement(scheme=scheme, units=units, pipelined=pipelined), products, share=share, idle=idle)


@pytest.mark.parametrize(("a", "w", "values"), [
    (2, 2, None), (4, 2, None), (4, 4, None), (8, 2, (-128, -127, -43, -1, 0, 1, 85, 127)),
    (8, 4, (-128, -43, -1, 0, 1, 85, 127)), (8, 8, (-128, -127, -86, -43, -1, 0, 1, 42, 85, 127)),
    pytest.param(8, 2, None, marks=pytest.mark.slow), pytest.param(8, 4, None, marks=pytest.mark.slow),
    pytest.param(8, 8, None, marks=pytest.mark.slow)])
@pytest.mark.parametrize("pipelined", [0, 1])
def test_every_activation_times_every_weight(a, w, values, pipelined):
    """In turn at each place of a unit's words, one product in each beat; some activations of 8 bits in this tier."""
    pe = BitFusionElement(scheme=BitFusion(a=a, w=w), units=1, pipelined=pipelined)
    lefts = values or range(-(1 << a - 1), 1 << a - 1)
    rights = range(-(1 << w - 1), 1 << w - 1) if values is None or w < 8 else values
    pairs = [(x, y) for x in lefts for y in rights]
    places = 64 // (a * w)
    beats = [((x % (1 << a)) << a * (n % places), (y % (1 << w)) << w * (n % places))
             for n, (x, y) in enumerate(pair for pair in pairs for _ in range(places))]
    assert sums(pe, beats) == [x * y & 0xFFFFFFFF for x, y in pairs for _ in range(places)]


@pytest.mark.parametrize(("a", "w", "target", "pipelined"), [
    *((a, w, "generic", 1) for a, w in PAIRS), (8, 8, "asic", 0),
    *(pytest.param(a, w, "asic", 0, marks=pytest.mark.slow) for a, w in PAIRS[:-1])])
def test_full_words_of_two_units(a, w, target, pipelined):
    """Every brick of every unit in use, at the ends of the range and at random."""
    rng = np.random.default_rng(a + w)
    pe, places = BitFusionElement(scheme=BitFusion(a=a, w=w), units=2, pipelined=pipelined), 64 // (a * w)
    x, y = (np.concatenate([random_codes(rng, (20, 2, places), width),
                            np.full((2, 2, places), -(1 << width - 1)), np.full((1, 2, places), (1 << width - 1) - 1)])
            for width in (a, w))
    y[-2] = ~y[-2]
    beats = [tuple(sum((int(code) % (1 << width)) << 32 * unit + width * place
                       for (unit, place), code in np.ndenumerate(beat)) for beat, width in ((left, a), (right, w)))
             for left, right in zip(x, y, strict=True)]
    assert sums(pe, beats, target=target) == [int(s) & 0xFFFFFFFF for s in (x * y).sum(axis=(1, 2))]


def test_blocks_follow_each_other_without_a_gap():
    scheme, share, rng = BitFusion(a=8, w=4), 2, np.random.default_rng(0)
    pe = BitFusionElement(scheme=scheme, units=1)
    products = [(encoded(scheme, Axis.ROW, random_codes(rng, (1, 16), 8), [1.0]),
                 encoded(scheme, Axis.COLUMN, random_codes(rng, (share, 16), 4), [1.0, 0.5])) for _ in range(3)]
    run = run_and_compare(pe, products, share=share)
    assert run.cycles == 3 * 8 == 3 * pe.schedule(groups=1, mode=pe.mode, share=share).block


def test_description():
    pe = element_for(BitFusion(a=4, w=2), units=4)
    assert isinstance(pe, BitFusionElement)
    assert (pe.group, pe.mode, pe.modes, pe.warmup) == (64, 1, range(6), 0)
    assert [pe.beats(mode) for mode in pe.modes] == [1, 2, 4, 4, 8, 16]
    assert [pe.macs_per_cycle(mode) for mode in pe.modes] == [64, 32, 16, 16, 8, 4]
    assert pe.key != BitFusionElement(scheme=BitFusion(a=4, w=2), units=4, pipelined=0).key
    assert {o.name: o.width for o in pe.operands} == {"a_codes": 128, "w_codes": 128, "a_scale": 32, "w_scale": 32}


@pytest.mark.parametrize(("options", "message"), [
    ({"units": 3}, "units must be a power of two from 1 to 64, not 3"),
    ({"pipelined": 2}, "pipelined must be 0 or 1, not 2")])
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        BitFusionElement(scheme=BitFusion(), **options)
