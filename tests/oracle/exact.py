"""Exact numbers, and rounding them once. A number is a ``Fraction``, or ``±math.inf``."""

from __future__ import annotations

import math
from fractions import Fraction

Number = Fraction | float


def floor_log2(x: Fraction) -> int:
    """Largest e with 2^e ≤ x, for x > 0."""
    e = x.numerator.bit_length() - x.denominator.bit_length()
    return e if Fraction(2) ** e <= x else e - 1


def nearest_even(x: Fraction, *, precision: int, finest: int | None) -> Fraction:
    """``x`` to ``precision`` significant bits, ties to even; never finer than multiples of 2^``finest``."""
    if x == 0:
        return x
    step_exponent = floor_log2(abs(x)) - (precision - 1)
    if finest is not None:
        step_exponent = max(step_exponent, finest)
    step = Fraction(2) ** step_exponent
    return round(x / step) * step  # Python rounds Fractions half to even


def infinity(sign: Number) -> float:
    """The infinity that has the sign of ``sign``."""
    return -math.inf if sign < 0 else math.inf


def round_to_fp32(x: Number) -> Number:
    """The hardware's FP32: nearest even, results below the normal range are zero, overflow is an infinity."""
    if x in (math.inf, -math.inf):
        return x
    rounded = nearest_even(Fraction(x), precision=24, finest=None)
    if abs(rounded) < Fraction(1, 2**126):
        return Fraction(0)
    return rounded if abs(rounded) < 2**128 else infinity(rounded)


def round_to_ieee(x: Number, *, precision: int, finest: int, overflow: int) -> Number:
    """An IEEE 754 format with subnormals."""
    if x in (math.inf, -math.inf):
        return x
    rounded = nearest_even(Fraction(x), precision=precision, finest=finest)
    return rounded if abs(rounded) < overflow else infinity(rounded)


def round_to_ieee_fp16(x: Number) -> Number:
    return round_to_ieee(x, precision=11, finest=-24, overflow=2**16)


def round_to_ieee_fp32(x: Number) -> Number:
    return round_to_ieee(x, precision=24, finest=-149, overflow=2**128)


def bits(x: Number, *, exponent_width: int, fraction_width: int) -> int:
    """IEEE 754 code of a number that the format holds exactly; zero is +0."""
    sign = (x < 0) << (exponent_width + fraction_width)
    if x in (math.inf, -math.inf):
        return sign | ((1 << exponent_width) - 1) << fraction_width
    x = abs(Fraction(x))
    if x == 0:
        return 0
    bias = 2 ** (exponent_width - 1) - 1
    field = max(floor_log2(x) + bias, 0)
    step = Fraction(2) ** (max(field, 1) - bias - fraction_width)
    significand = x / step
    assert significand.denominator == 1, f"{x} is not a number of the format"
    hidden = (1 << fraction_width) if field else 0
    return sign | field << fraction_width | (int(significand) - hidden)


def fp32_bits(x: Number) -> int:
    return bits(x, exponent_width=8, fraction_width=23)


def fp16_bits(x: Number) -> int:
    return bits(x, exponent_width=5, fraction_width=10)


def output_bits(x: Number, out: str) -> int:
    """Code of an FP32 result in the output format: as it is, or rounded once more."""
    return fp32_bits(x) if out == "fp32" else fp16_bits(round_to_ieee_fp16(x))


def fp16_fields(code: int) -> tuple[int, int, int]:
    """Sign, effective exponent and significand of an FP16 code; Inf and NaN read as the largest number."""
    sign, exponent, fraction = code >> 15, code >> 10 & 31, code & 1023
    if exponent == 31:
        exponent, fraction = 30, 1023
    return (sign, exponent, fraction + 1024) if exponent else (sign, 1, fraction)


def fp16_number(code: int) -> Fraction:
    sign, exponent, significand = fp16_fields(code)
    return (-1) ** sign * significand * Fraction(2) ** (exponent - 25)
