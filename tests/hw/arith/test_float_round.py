import itertools
from fractions import Fraction

import pytest
from float_oracle import assert_equal
from pipeline_bench import run_pipeline

from gemmsmith.arith.round import FP16, FP32, FloatShape, RoundToFloat


def values_of(shape):
    """Every finite magnitude of ``shape`` by its code, and the first one beyond: that of infinity."""
    values = {0: Fraction(0)}
    for code in range(1, (shape.top_exponent << shape.fraction_bits) + 1):
        exponent, fraction = divmod(code, 1 << shape.fraction_bits)
        hidden = min(exponent, 1)
        if hidden or shape.subnormals:
            significand = hidden * (1 << shape.fraction_bits) + fraction
            values[code] = significand * Fraction(2) ** (max(exponent, 1) - shape.bias - shape.fraction_bits)
    return values


def nearest(shape, exact, values):
    """Code of the magnitude nearest to ``exact``, ties to even codes."""
    if exact >= max(values.values()):
        return max(values)
    if not shape.subnormals:
        # Below the normal range the grid goes on, but what is rounded there is flushed.
        step = Fraction(2) ** (-shape.bias - shape.fraction_bits)
        if 0 < exact < Fraction(2) ** (1 - shape.bias):
            limit = Fraction(2) ** (1 - shape.bias) - step / 2
            return 1 << shape.fraction_bits if exact >= limit else 0
    return min(values, key=lambda code: (abs(values[code] - exact), code & 1))


def _is_raw_float(leading, exponent, significand, *, subnormals):
    if subnormals:
        return exponent >= 0 and bool(leading) == (exponent > 0)
    return leading or significand == 0


@pytest.mark.parametrize("subnormals", [False, True])
@pytest.mark.parametrize(("width", "cut"), [(3, False), (4, True), (6, False)])
def test_every_raw_float_of_a_small_format(subnormals, width, cut):
    shape = FloatShape(exponent_bits=3, fraction_bits=2, subnormals=subnormals)
    dut, values = RoundToFloat(shape=shape, width=width, exponent_width=5, cut=cut), values_of(shape)
    vectors, expected = [], []
    for exponent, significand, sign in itertools.product(range(-16, 15), range(1 << width), (0, 1)):
        leading = significand >> (width - 1)
        if not _is_raw_float(leading, exponent, significand, subnormals=subnormals):
            continue
        vectors.append({"exponent": exponent, "significand": significand, "sign": sign, "infinite": 0})
        weight = Fraction(2) ** ((max(exponent, 1) if subnormals else exponent) - shape.bias - width + 1)
        code = nearest(shape, significand * weight, values)
        expected.append(code | (sign << 5 if code else 0))
    got = run_pipeline(dut, vectors, latency=int(cut))
    assert_equal(got, expected, **{name: [v[name] for v in vectors] for name in vectors[0]})


def test_infinite_inputs():
    dut = RoundToFloat(shape=FP32, width=26, exponent_width=10)
    raw = [{"infinite": 1, "sign": sign, "exponent": exponent, "significand": significand}
           for sign in (0, 1) for exponent in (-500, 0, 255) for significand in (1 << 25, (1 << 26) - 1, 0)]
    expected = [v["sign"] << 31 | 0xFF << 23 if v["significand"] else 0 for v in raw]
    assert run_pipeline(dut, raw, latency=0) == expected


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="width must be at least 24, not 23"):
        RoundToFloat(shape=FP32, width=23, exponent_width=10)
    with pytest.raises(ValueError, match="exponent_width must be more than 5, not 5"):
        RoundToFloat(shape=FP16, width=13, exponent_width=5)


@pytest.mark.parametrize(("shape", "figures"), [(FP32, (32, 24, 127, 255)), (FP16, (16, 11, 15, 31))])
def test_shapes(shape, figures):
    assert (shape.width, shape.precision, shape.bias, shape.top_exponent) == figures
