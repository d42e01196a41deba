import numpy as np
import pytest
from float_oracle import assert_equal, fp16_value, fp32_value, round_exact, vectors
from pipeline_bench import run_pipeline

from gemmsmith.arith.float_scale import ScaleInteger
from gemmsmith.arith.tech import targeting

STAGES = (0, 1, 2, 3, 4, 6, 9)


def check(i, exponent, scale, *, width, stages=0):
    """Against two roundings of exact values: the integer's float has 24 bits, the scale 11."""
    i, exponent, scale = np.broadcast_arrays(i, exponent, scale)
    dut = ScaleInteger(width=width, exponent_width=6, stages=stages)
    assert dut.latency == stages
    number = fp32_value(round_exact(np.ldexp(i.astype(np.float64), exponent))).astype(np.float64)
    expected = round_exact(number * fp16_value(scale))
    got = run_pipeline(dut, vectors(i=i, exponent=exponent, scale=scale), latency=stages)
    assert_equal(got, expected, i=i, exponent=exponent, scale=scale)


def integers(rng, width, count):
    """Of every magnitude, with runs of ones and zeros."""
    runs = ((1 << rng.integers(0, width, count)) - 1) ^ ((1 << rng.integers(0, width, count)) - 1)
    i = np.where(rng.random(count) < 0.5, rng.integers(0, 1 << width - 1, count), runs & (1 << width - 1) - 1)
    i >>= rng.integers(0, width, count)
    return np.where(rng.random(count) < 0.5, i, -1 - i)


@pytest.mark.parametrize("stages", STAGES)
@pytest.mark.parametrize("width", [12, 26])
def test_random(width, stages):
    rng = np.random.default_rng(width)
    count = 3000 if stages == 3 else 200
    check(integers(rng, width, count), rng.integers(-32, 32, count), rng.integers(0, 1 << 15, count), width=width,
          stages=stages)


@pytest.mark.parametrize("width", [25, 26])
def test_ties_of_the_first_rounding(width):
    """Odd numbers of 25 bits, which FP32 cannot hold, where a place less or more would change the product."""
    near = [edge + sign * d for edge in (1 << 24, 3 << 23, (1 << 25) - 8) for d in range(8) for sign in (1, -1)]
    i = np.array([sign * v for v in near for sign in (1, -1) if v < 1 << width - 1])
    for scale in (0x3C00, 0x3C01, 0x3FFF, 0x3D55):
        check(i, 0, scale, width=width)


def test_narrow_integers_and_every_kind_of_scale():
    scales = np.array([0, 1, 2, 0x3FF, 0x400, 0x401, 0x3C00, 0x7BFF, 0x7C00, 0x7E01, 0x7FFF])
    check(np.repeat(np.arange(-8, 8), len(scales)), 3, np.tile(scales, 16), width=4)


def test_leaves_of_standard_cells():
    rng = np.random.default_rng(0)
    with targeting("asic"):
        check(integers(rng, 26, 300), rng.integers(-32, 32, 300), rng.integers(0, 1 << 15, 300), width=26, stages=2)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match=r"width must be 2\.\.26, not 27"):
        ScaleInteger(width=27, exponent_width=6)
    with pytest.raises(ValueError, match="exponent_width must be at least 1, not 0"):
        ScaleInteger(width=26, exponent_width=0)
    with pytest.raises(ValueError, match="stages must be one of 0, 1, 2, 3, 4, 6, 9, not 5"):
        ScaleInteger(width=26, exponent_width=6, stages=5)
