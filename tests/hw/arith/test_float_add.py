import numpy as np
import pytest
from float_oracle import NAN, assert_equal, fp32_code, fp32_value, pairs, random_fp32, vectors
from pipeline_bench import run_pipeline

from gemmsmith.arith.float_add import FloatAdd

INF, NEGATIVE_INF, NEGATIVE = 0x7F800000, 0xFF800000, 1 << 31


def check(a, b, *, stages):
    dut = FloatAdd(stages=stages)
    assert dut.latency == stages
    with np.errstate(all="ignore"):
        expected = fp32_code(fp32_value(a) + fp32_value(b))
    assert_equal(run_pipeline(dut, vectors(a=a, b=b), latency=stages), expected, a=a, b=b)


def corner_cases():
    """Powers of two, their neighbours, ties: all pairs of exponents up to 27 apart, at both ends of the range."""
    fractions = (0, 1, 2, 0x400000, 0x7FFFFE, 0x7FFFFF)
    codes = [0, *(e << 23 | f for e in (1, 2, 3, 24, 25, 26, 27, 253, 254) for f in fractions)]
    return pairs([*codes, *(code | NEGATIVE for code in codes[1:])])


def test_corner_cases():
    check(*corner_cases(), stages=7)


def random_pairs(rng, count):
    """Exponents close together, far apart, and nearly equal numbers of opposite signs."""
    near = random_fp32(rng, count, low=120, high=122), random_fp32(rng, count, low=119, high=122)
    far = random_fp32(rng, count, low=100), random_fp32(rng, count, low=100, high=160)
    small = random_fp32(rng, count, low=1, high=40)
    cancelling = small, small ^ NEGATIVE ^ rng.integers(0, 16, count)
    return (np.concatenate(parts) for parts in zip(near, far, cancelling, strict=True))


@pytest.mark.parametrize(("stages", "count"), [*((stages, 200) for stages in range(7)), (7, 3000)])
def test_random(stages, count):
    check(*random_pairs(np.random.default_rng(stages), count), stages=stages)


@pytest.mark.slow
def test_many():
    check(*random_pairs(np.random.default_rng(99), 30_000), stages=7)


def test_what_is_not_finite_stays():
    values = [0, 0x3F800000, 0xBF800000, 0x7F7FFFFF, 0x00800000, INF, NEGATIVE_INF, NAN]
    a, b = pairs(values)
    check(a, b, stages=0)
    check([INF, NEGATIVE_INF, INF], [NEGATIVE_INF, INF, INF], stages=0)


@pytest.mark.parametrize("stages", [-1, 8])
def test_stages_are_checked(stages):
    with pytest.raises(ValueError, match=f"stages must be one of 0, 1, 2, 3, 4, 5, 6, 7, not {stages}"):
        FloatAdd(stages=stages)
