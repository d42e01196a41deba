import itertools

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from float_oracle import assert_equal, fp16_value, fp32_value, pairs, random_fp32, round_exact, vectors
from pipeline_bench import run_pipeline

from gemmsmith.arith.float_multiply import FloatMultiply, multiply_digits, recode_digits
from gemmsmith.arith.float_stages import Stages
from gemmsmith.arith.round import FP16, FP32, FloatShape

INF, NEGATIVE = 0x7F800000, 1 << 31
VALUES = {FP32: fp32_value, FP16: fp16_value}


def check(a, b, *, stages, a_shape=FP32, b_shape=FP32):
    dut = FloatMultiply(a_shape=a_shape, b_shape=b_shape, stages=stages)
    assert dut.latency == stages
    expected = round_exact(VALUES[a_shape](a).astype(np.float64) * VALUES[b_shape](b).astype(np.float64))
    assert_equal(run_pipeline(dut, vectors(a=a, b=b), latency=stages), expected, a=a, b=b)


def test_corner_cases():
    """Powers of two, ties and carries of the rounding; both sides of the smallest normal number and of the largest."""
    fractions = (0, 1, 3, 0x3504F3, 0x400000, 0x5A827A, 0x7FFFFE, 0x7FFFFF)
    codes = [0, *(e << 23 | f for e in (1, 63, 64, 126, 127, 190, 191, 254) for f in fractions)]
    check(*pairs([*codes, *(code | NEGATIVE for code in codes[1::7])]), stages=5)


def random_codes(rng, shape, count):
    return random_fp32(rng, count) if shape is FP32 else rng.integers(0, 1 << 16, count)


@pytest.mark.parametrize(("a_shape", "b_shape"), [(FP32, FP32), (FP32, FP16), (FP16, FP32), (FP16, FP16)])
@pytest.mark.parametrize("stages", range(6))
def test_random(a_shape, b_shape, stages):
    rng, count = np.random.default_rng(stages), 10_000 if stages == 5 and a_shape is FP32 else 200
    check(random_codes(rng, a_shape, count), random_codes(rng, b_shape, count),
          stages=stages, a_shape=a_shape, b_shape=b_shape)


@pytest.mark.slow
@pytest.mark.parametrize("b_shape", [FP32, FP16])
def test_many(b_shape):
    rng = np.random.default_rng(99)
    check(random_codes(rng, FP32, 60_000), random_codes(rng, b_shape, 60_000), stages=5, b_shape=b_shape)


@pytest.mark.parametrize("stages", [5, 6, 8])
def test_subnormals_and_saturation_of_half(stages):
    """Every exponent of FP16, with fractions of every length, against factors that make ties."""
    b = np.array([e << 10 | (1 << n) - 1 for e in range(32) for n in range(11)])
    a = np.array([1 << 23 | 1, 0x3F800001, 0x3FFFFFFF, 0xC0490FDB, 0x7F7FFFFF, 0])
    a, b = np.repeat(a, len(b)), np.tile(b, len(a))
    check(a, b, stages=stages, b_shape=FP16)


def test_infinities_and_zeros():
    cases = [(INF, 0x3F800000, INF), (INF, 0x00800000, INF), (INF | NEGATIVE, 0x3F800000, INF | NEGATIVE),
             (INF, NEGATIVE | 0x3F800000, INF | NEGATIVE), (INF, INF, INF), (INF, 0, 0), (0, INF, 0), (0, 0, 0),
             (0, NEGATIVE | 0x3F800000, 0)]
    got = run_pipeline(FloatMultiply(stages=0), [{"a": a, "b": b} for a, b, _ in cases], latency=0)
    assert got == [expected for *_, expected in cases]


class SignificandProduct(wiring.Component):
    def __init__(self, a_width, b_width):
        super().__init__({"a": In(a_width), "b": In(b_width), "o": Out(a_width + b_width)})

    def elaborate(self, platform):
        m = Module()
        (product,) = multiply_digits(Stages(m), self.a, recode_digits(self.b))
        m.d.comb += self.o.eq(product)
        return m


@pytest.mark.parametrize(("a_width", "b_width"), [(1, 1), (1, 4), (4, 1), (3, 5), (5, 4), (4, 6), (2, 8)])
def test_every_product_of_small_significands(a_width, b_width):
    factors = list(itertools.product(range(1 << a_width), range(1 << b_width)))
    got = run_pipeline(SignificandProduct(a_width, b_width), [{"a": a, "b": b} for a, b in factors], latency=0)
    assert got == [a * b for a, b in factors]


def test_arguments_are_checked():
    other = FloatShape(exponent_bits=4, fraction_bits=3, subnormals=True)
    with pytest.raises(ValueError, match="b_shape must be FP32 or FP16, not FloatShape"):
        FloatMultiply(b_shape=other)
    with pytest.raises(ValueError, match="stages must be one of 0, 1, 2, 3, 4, 5, not 6"):
        FloatMultiply(stages=6)
