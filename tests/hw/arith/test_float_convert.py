import numpy as np
import pytest
from float_oracle import assert_equal, fp32_value, random_fp32, round_exact, vectors
from pipeline_bench import run_pipeline

from gemmsmith.arith.float_convert import FloatToHalf, IntToFloat


def check_int(i, exponent, *, width, exponent_width=9, stages):
    dut = IntToFloat(width=width, exponent_width=exponent_width, stages=stages)
    assert dut.latency == stages
    expected = round_exact(np.ldexp(np.asarray(i, np.float64), exponent))
    got = run_pipeline(dut, vectors(i=i, exponent=exponent), latency=stages)
    assert_equal(got, expected, i=i, exponent=exponent)


@pytest.mark.parametrize("width", range(2, 10))
def test_every_narrow_integer(width):
    i = np.arange(-(1 << (width - 1)), 1 << (width - 1))
    exponents = np.array([0, -126 - width, -127, -126, -125, 121, 128 - width, 255, -256])
    check_int(np.repeat(i, len(exponents)), np.tile(exponents, len(i)), width=width, stages=3)


@pytest.mark.parametrize("width", [24, 25, 26, 27, 28, 32, 40])
def test_ties_of_wide_integers(width):
    """All that is near a power of two, or halfway between two FP32 numbers, of either sign."""
    near = [(1 << n) + d for n in range(width) for d in range(-4, 5)]
    halfway = [(kept << n) + (1 << n >> 1) + d for kept in (0x800000, 0x800001, 0xFFFFFE, 0xFFFFFF)
               for n in range(width - 24) for d in (-1, 0, 1)]
    i = np.array([sign * v for v in near + halfway for sign in (1, -1)])
    i = i[(i >= -(1 << (width - 1))) & (i < 1 << (width - 1))]
    check_int(i, np.zeros_like(i), width=width, stages=3)


@pytest.mark.parametrize("stages", range(6))
@pytest.mark.parametrize("width", [25, 32])
def test_random_integers(width, stages):
    rng, count = np.random.default_rng(width), 10_000 if (stages, width) == (5, 32) else 200
    i = rng.integers(-(1 << (width - 1)), 1 << (width - 1), count) >> rng.integers(0, width, count)
    check_int(i, rng.integers(-256, 256, count), width=width, stages=stages)


def check_half(codes, *, stages):
    dut = FloatToHalf(stages=stages)
    assert dut.latency == stages
    with np.errstate(over="ignore"):
        expected = fp32_value(codes).astype(np.float16).view(np.uint16)
    got = run_pipeline(dut, vectors(i=codes), latency=stages)
    assert_equal(got, np.where(expected & 0x7FFF == 0, 0, expected), i=codes)


def test_half_at_every_exponent():
    """Ties, and both sides of them, in all places a rounding of normal and subnormal numbers can have."""
    fractions = {f & 0x7FFFFF for n in range(24) for d in (-1, 0, 1) for f in ((1 << n) + d, (3 << n) + d,
                                                                               -(1 << n) + d)}
    codes = np.array([s << 31 | e << 23 | f for e in range(96, 148) for f in fractions for s in (0, 1)])
    check_half(np.concatenate([codes, [0, 0x7F800000, 0xFF800000, 0x7F7FFFFF, 0x00800000]]), stages=2)


@pytest.mark.parametrize("stages", range(3))
def test_half_of_random_numbers(stages):
    rng = np.random.default_rng(stages)
    check_half(random_fp32(rng, 15_000 if stages == 2 else 200, low=95, high=150), stages=stages)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="width must be at least 2, not 1"):
        IntToFloat(width=1, exponent_width=4)
    with pytest.raises(ValueError, match="exponent_width must be at least 1, not 0"):
        IntToFloat(width=8, exponent_width=0)
    with pytest.raises(ValueError, match="stages must be one of 0, 1, 2, 3, 4, 5, not 6"):
        IntToFloat(width=8, exponent_width=4, stages=6)
    with pytest.raises(ValueError, match="stages must be one of 0, 1, 2, not 3"):
        FloatToHalf(stages=3)
