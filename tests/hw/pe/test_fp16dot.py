import numpy as np
import pytest
from pe_bench import Bench, bits, block_of

from gemmsmith.pe.fp16dot import Fp16DotElement
from gemmsmith.schemes import Axis, Fp16Dot
from gemmsmith_sim.golden import Encoded, for_scheme
from oracle import operands


def encoded(scheme, axis, codes):
    codes = np.asarray(codes, np.uint16)
    return Encoded(scheme, axis, codes.shape, {"codes": codes})


def run_and_compare(products, *, share, idle=0.0, out="fp32", **options):
    """Runs (activation codes (1, K), weight codes (share, K)) as blocks back to back."""
    scheme = Fp16Dot(out=out)
    pe, golden = Fp16DotElement(scheme=scheme, **options), for_scheme(scheme)
    pairs = [(encoded(scheme, Axis.ROW, a), encoded(scheme, Axis.COLUMN, w)) for a, w in products]
    run = Bench(pe, share=share, mode=0, idle=idle, seed=share).run([block_of(pe, golden, a, w, 0) for a, w in pairs])
    for (a, w), outputs in zip(pairs, run.outputs, strict=True):
        assert [outputs] == bits(golden.matmul(a, w))
    return run


@pytest.mark.parametrize("stages", [3, 4, 5, 6, 8])
def test_random_blocks(stages):
    rng = np.random.default_rng(stages)
    share, out = 1 + stages % 3, ("fp32", "fp16")[stages % 2]
    run_and_compare([(operands.fp16_codes((1, k), rng), operands.fp16_codes((share, k), rng)) for k in (1, 4, 50, 301)],
                    share=share, idle=0.3 * (stages % 2), out=out, stages=stages)


def test_lanes_of_very_different_size():
    """Every difference of exponents; zeros beside the largest numbers must not hide small products."""
    codes = [[e << 10 | 0x155, big, 0, 0x8001] for e in range(31) for big in (0x3D55, 0x0000, 0xFBFF)]
    a = np.array([[code for group in codes for code in group]])
    w = np.array([np.tile(group, len(codes)) for group in ([0x3EAA, 0xBC01, 0x7BFF, 0x3C00],
                                                           [0x0001, 0x3C00, 0xFBFF, 0x7BFF])])
    single = [(a[:, k:k + 4], w[:, k:k + 4]) for k in range(0, a.shape[1], 4)]
    run_and_compare([(a, w), *single], share=2)


def test_cancellation_leaves_small_sums():
    """What is taken back leaves exactly what was below it: the accumulator rounds nothing."""
    big, one, least = 0x7BFF, 0x3C00, 0x0001
    a = np.array([[least, 0, 0, 0, big, big, big, big, big, big, big, big, 0, least, 0, 0]])
    w = np.array([[least, 0, 0, 0, big, big, one, big, big ^ 0x8000, big ^ 0x8000, one ^ 0x8000, big ^ 0x8000,
                   0, 0x8003, 0, 0]])
    run = run_and_compare([(a, w), (a[:, :12], w[:, :12])], share=1)
    assert [outputs[0] for outputs in run.outputs] == bits(np.float32([-(2.0**-47), 2.0**-48]))


def test_the_largest_sum_is_exact():
    """Products of one sign in the longest sum there may be, carries from half to half with every beat."""
    k = 1024
    a, w = np.full((1, k), 0xFBFF), np.full((2, k), 0x7BFF)
    w[1] |= 0x8000
    run_and_compare([(a, w)], share=2)


def test_beats_follow_each_other_without_a_gap():
    pe = Fp16DotElement(scheme=Fp16Dot())
    assert pe.schedule(groups=9, mode=0, share=2).block == 9
    assert pe.macs_per_cycle(0) == 4


def test_stages_are_checked():
    with pytest.raises(ValueError, match="stages must be one of 3, 4, 5, 6, 8, not 7"):
        Fp16DotElement(scheme=Fp16Dot(), stages=7)
