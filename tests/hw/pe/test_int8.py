import numpy as np
import pytest
from pe_bench import Bench, Block, bits, block_of

from gemmsmith.pe import for_scheme as element_for
from gemmsmith.pe.int8 import Int8Element
from gemmsmith.schemes import Axis, Int8
from gemmsmith_sim.golden import Encoded, for_scheme


def encoded(scheme, axis, codes, scales):
    return Encoded(scheme, axis, codes.shape, {"codes": codes, "scales": np.float32(scales)})


def random_codes(rng, shape):
    """INT8 codes, −128 included, extremes over-represented."""
    codes = rng.integers(-128, 128, shape)
    extreme = rng.choice([-128, -127, 127, 0], shape)
    return np.where(rng.random(shape) < 0.3, extreme, codes).astype(np.int8)


def run_and_compare(scheme, products, *, lanes, share, idle):
    """Runs (activations, weights) pairs as blocks back to back; compares sums and outputs."""
    pe, golden = Int8Element(scheme=scheme, lanes=lanes), for_scheme(scheme)
    blocks = [block_of(pe, golden, a, w, 0) for a, w in products]
    run = Bench(pe, share=share, mode=0, idle=idle, seed=len(products)).run(blocks)
    for (a, w), results, outputs in zip(products, run.results, run.outputs, strict=True):
        sums = w.arrays["codes"].astype(np.int64) @ a.arrays["codes"][0].astype(np.int64)
        assert results == [[int(s) & 0xFFFFFFFF for s in sums]]
        assert [outputs] == bits(golden.matmul(a, w))
    return run


@pytest.mark.parametrize("out", ["fp32", "fp16"])
@pytest.mark.parametrize(("lanes", "share", "idle"), [(1, 1, 0.0), (4, 2, 0.3), (16, 2, 0.2), (16, 3, 0.0)])
def test_random_blocks(out, lanes, share, idle):
    rng, scheme = np.random.default_rng(lanes), Int8(out=out)
    products = []
    for k in (1, lanes, 5 * lanes - 1, 70):
        scales = 2.0 ** rng.uniform(-18, 2, share + 1)
        products.append((encoded(scheme, Axis.ROW, random_codes(rng, (1, k)), scales[:1]),
                         encoded(scheme, Axis.COLUMN, random_codes(rng, (share, k)), scales[1:])))
    run_and_compare(scheme, products, lanes=lanes, share=share, idle=idle)


def test_sums_and_scales_at_their_limits():
    scheme, k = Int8(), 64
    low, high = np.full((1, k), -128, np.int8), np.full((1, k), 127, np.int8)
    tiny, huge = np.float32(2.0**-126), np.finfo(np.float32).max
    both = np.concatenate([low, high])
    products = [(encoded(scheme, Axis.ROW, codes, [s_a]), encoded(scheme, Axis.COLUMN, both, [s_w, s_w]))
                for codes in (low, high, np.zeros_like(low))
                for s_a, s_w in ((1.0, 1.0), (tiny, 0.5), (tiny, tiny), (huge, 1.0), (huge, tiny), (tiny, huge))]
    run = run_and_compare(scheme, products, lanes=16, share=2, idle=0.0)
    codes = {code for outputs in run.outputs for code in outputs}
    assert codes >= {0, 0x7F800000, 0xFF800000}  # flushed, and both overflows


@pytest.mark.slow
def test_sum_of_the_longest_k():
    pe = Int8Element(scheme=Int8(), lanes=64)
    beats = Int8.max_k // 64
    words = [int.from_bytes(b"\x80" * 64, "little")] * beats
    block = Block(row={"a_codes": words, "a_scale": [0x3F800000]}, beats=beats,
                  columns=[{"w_codes": words, "w_scale": [0x3F800000]}])
    run = Bench(pe, share=1, mode=0).run([block])
    assert run.results == [[[1 << 31]]]  # wraps, as only −128 · −128 can: encoders make codes of ±127
    assert 127 * 127 * Int8.max_k < 1 << 31


def test_blocks_follow_each_other_without_a_gap():
    pe = Int8Element(scheme=Int8(), lanes=4)
    share = 2
    beats = pe.result_interval(share)
    scheme, rng = Int8(), np.random.default_rng(0)
    products = [(encoded(scheme, Axis.ROW, random_codes(rng, (1, 4 * beats)), [1.0]),
                 encoded(scheme, Axis.COLUMN, random_codes(rng, (share, 4 * beats)), [1.0, 0.5])) for _ in range(3)]
    run = run_and_compare(scheme, products, lanes=4, share=share, idle=0.0)
    assert run.cycles == 3 * beats == 3 * pe.schedule(groups=beats, mode=0, share=share).block


def test_description():
    pe = element_for(Int8(), lanes=4)
    assert isinstance(pe, Int8Element)
    assert (pe.group, pe.macs_per_cycle(0), pe.beats(0), pe.mode, pe.warmup) == (4, 4, 1, 0, 0)
    assert pe.key == Int8Element(scheme=Int8(), lanes=4).key != Int8Element(scheme=Int8(), lanes=8).key
    assert pe.key != Int8Element(scheme=Int8(out="fp16"), lanes=4).key
    assert {o.name: o.width for o in pe.operands} == {"a_codes": 32, "w_codes": 32, "a_scale": 32, "w_scale": 32}


@pytest.mark.parametrize("lanes", [0, 3, 128, -1])
def test_lanes_are_checked(lanes):
    with pytest.raises(ValueError, match=f"lanes must be a power of two from 1 to 64, not {lanes}"):
        Int8Element(scheme=Int8(), lanes=lanes)
