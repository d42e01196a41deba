"""Floating-point formats against ml_dtypes, gfloat and numpy: every code, and where rounding turns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise

import gfloat
import gfloat.formats
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemmsmith.formats import (
    BF16,
    E2M1,
    E2M3,
    E3M2,
    E4M3FN,
    E5M2,
    E8M0,
    FP16,
    FP32,
    FloatFormat,
    PowerOfTwoFormat,
    Special,
    Specials,
    Value,
)

DTYPES = {
    FP16: np.float16,
    BF16: ml_dtypes.bfloat16,
    E5M2: ml_dtypes.float8_e5m2,
    E4M3FN: ml_dtypes.float8_e4m3fn,
    E3M2: ml_dtypes.float6_e3m2fn,
    E2M3: ml_dtypes.float6_e2m3fn,
    E2M1: ml_dtypes.float4_e2m1fn,
}
"""An independent implementation of each; ``fn`` of the 4- and 6-bit dtypes means that all is finite."""
GFLOAT = {
    FP16: gfloat.formats.format_info_binary16,
    BF16: gfloat.formats.format_info_bfloat16,
    E5M2: gfloat.formats.format_info_ocp_e5m2,
    E4M3FN: gfloat.formats.format_info_ocp_e4m3,
    E3M2: gfloat.formats.format_info_ocp_e3m2,
    E2M3: gfloat.formats.format_info_ocp_e2m3,
    E2M1: gfloat.formats.format_info_ocp_e2m1,
    E8M0: gfloat.formats.format_info_ocp_e8m0,
}
SMALL = [E5M2, E4M3FN, E3M2, E2M3, E2M1]


def as_float(value: Value) -> float:
    if isinstance(value, Special):
        return float(value.value)
    return float(value)


def same(left: float, right: float) -> bool:
    return left == right or (math.isnan(left) and math.isnan(right))


def storage(fmt: FloatFormat | PowerOfTwoFormat) -> type[np.unsignedinteger]:
    return np.uint16 if fmt.width > 8 else np.uint8


@pytest.mark.parametrize("fmt", DTYPES, ids=lambda f: f.name)
def test_every_code_decodes_as_the_dtype_does(fmt: FloatFormat) -> None:
    codes = np.arange(1 << fmt.width, dtype=storage(fmt))
    with np.errstate(invalid="ignore"):  # signalling NaNs
        wanted = codes.view(DTYPES[fmt]).astype(np.float64).tolist()
    assert all(same(as_float(value), other) for value, other in zip(fmt.values, wanted, strict=True))


@pytest.mark.parametrize("fmt", GFLOAT, ids=lambda f: f.name)
def test_every_code_decodes_as_gfloat_does(fmt: FloatFormat | PowerOfTwoFormat) -> None:
    step = 1 if fmt.width <= 8 else 17
    for code in fmt.codes()[::step]:
        assert same(as_float(fmt.decode(code)), gfloat.decode_float(GFLOAT[fmt], code).fval)


@pytest.mark.parametrize("fmt", [*DTYPES, E8M0], ids=lambda f: f.name)
def test_every_number_encodes_to_its_own_code(fmt: FloatFormat | PowerOfTwoFormat) -> None:
    numbers = 0
    for code, value in enumerate(fmt.values):
        if not isinstance(value, Special):
            zero = value == 0
            assert fmt.encode(value) == (0 if zero else code)  # negative zero is never made
            numbers += 1
    assert numbers >= (1 << fmt.width) * 7 // 8


def turning_points(fmt: FloatFormat, numbers: list[Fraction]) -> Iterator[Fraction]:
    """Midpoints of neighbouring numbers, and just beside them; the last beyond the largest number."""
    numbers = [*numbers, 2 * numbers[-1] - numbers[-2]]
    for low, high in pairwise(numbers):
        middle, gap = (low + high) / 2, high - low
        yield from (low + gap / 4, middle - gap / 2**12, middle, middle + gap / 2**12)
    yield from (2 * numbers[-1], 1000 * numbers[-1], fmt.smallest_subnormal / 2**10)


def positive_numbers(fmt: FloatFormat, step: int = 1) -> list[Fraction]:
    """Ascending; every ``step``-th and the one after it, and the largest two."""
    numbers = [value for value in fmt.values[: 1 << fmt.width - 1] if isinstance(value, Fraction)]
    last = len(numbers) - 1
    kept = {i + j for i in range(0, last, step) for j in (0, 1)} | {last - 1, last}
    return [numbers[i] for i in sorted(kept)]


def check_encode(fmt: FloatFormat, dtype: type, points: Iterator[Fraction]) -> int:
    values = [sign * point for point in points for sign in (1, -1)]
    exact = np.array([float(value) for value in values])
    assert all(Fraction(x) == value for x, value in zip(exact.tolist(), values, strict=True))
    with np.errstate(over="ignore"):
        wanted = exact.astype(dtype).view(storage(fmt))
    negative_zero = 1 << fmt.width - 1
    for value, code in zip(values, wanted.tolist(), strict=True):
        assert fmt.encode(value) == (0 if code == negative_zero else code), f"{float(value)!r}"
    return len(values)


@pytest.mark.parametrize("fmt", SMALL, ids=lambda f: f.name)
def test_encode_rounds_as_ml_dtypes_does(fmt: FloatFormat) -> None:
    assert check_encode(fmt, DTYPES[fmt], turning_points(fmt, positive_numbers(fmt))) > 4 * fmt.width


@pytest.mark.parametrize("fmt", [FP16, BF16], ids=lambda f: f.name)
def test_encode_rounds_16_bit_floats(fmt: FloatFormat) -> None:
    assert check_encode(fmt, DTYPES[fmt], turning_points(fmt, positive_numbers(fmt, step=13))) > 10_000


@settings(deadline=None, max_examples=300)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_fp32_and_fp16_encode_doubles_as_numpy_does(x: float) -> None:
    with np.errstate(over="ignore", under="ignore"):
        single, half = np.float64(x).astype(np.float32), np.float64(x).astype(np.float16)
    for fmt, code in ((FP32, single.view(np.uint32)), (FP16, half.view(np.uint16))):
        assert fmt.encode(x) == (0 if code == 1 << fmt.width - 1 else code)


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 2**32 - 1))
def test_fp32_decodes_as_numpy_does(code: int) -> None:
    assert same(as_float(FP32.decode(code)), float(np.uint32(code).view(np.float32)))


def test_e8m0_encodes_as_ml_dtypes_does() -> None:
    for exponent in (-126, -125, -1, 0, 1, 2, 126):  # ml_dtypes gives 2⁻¹²⁶ for 1.25 · 2⁻¹²⁷
        for factor in (1, 1.25, 1.5 - 2**-20, 1.5, 1.75):
            value = factor * 2.0**exponent
            wanted = np.float64(value).astype(ml_dtypes.float8_e8m0fnu).view(np.uint8)
            assert E8M0.encode(value) == wanted
    assert E8M0.encode(Fraction(1, 2**200)) == 0
    assert E8M0.encode(2.0**127 * 1.5) == 255
    assert E8M0.encode(2.0**127 * 1.5, saturate=True) == 254
    assert E8M0.encode(Special.POSITIVE_INFINITY, saturate=True) == 254
    assert E8M0.encode(1.25 * 2.0**-127) == 0
    assert E8M0.encode(Special.NAN) == 255
    for bad in (0, -1, Special.NEGATIVE_INFINITY):
        with pytest.raises(ValueError, match="positive numbers only"):
            E8M0.encode(bad)


@pytest.mark.parametrize(("fmt", "overflow", "largest"), [
    (FP16, 0x7C00, 0x7BFF), (BF16, 0x7F80, 0x7F7F), (E5M2, 0x7C, 0x7B), (E4M3FN, 0x7F, 0x7E), (E2M1, 7, 7)],
    ids=lambda x: getattr(x, "name", ""))
def test_overflow(fmt: FloatFormat, overflow: int, largest: int) -> None:
    sign = 1 << fmt.width - 1
    for value in (Fraction(10) ** 40, Special.POSITIVE_INFINITY):
        assert fmt.encode(value) == overflow
        assert fmt.encode(value, saturate=True) == largest
    for value in (-(Fraction(10) ** 40), Special.NEGATIVE_INFINITY):
        assert fmt.encode(value) == sign | overflow
        assert fmt.encode(value, saturate=True) == sign | largest


def test_nan() -> None:
    for fmt in (FP16, BF16, FP32, E5M2, E4M3FN):
        assert fmt.decode(fmt.encode(Special.NAN)) is Special.NAN
    with pytest.raises(ValueError, match="no code for NaN"):
        E2M1.encode(Special.NAN)


def test_limits() -> None:
    assert (FP16.largest, FP16.smallest_normal) == (65504, Fraction(1, 2**14))
    assert FP16.smallest_subnormal == Fraction(1, 2**24)
    assert [fmt.largest for fmt in (E4M3FN, E5M2, E3M2, E2M3, E2M1)] == [448, 57344, 28, Fraction(15, 2), 6]
    assert E8M0.largest == 2**127
    assert FP32.largest == Fraction(float(np.finfo(np.float32).max))


def test_bias_moves_the_range() -> None:
    shifted = FloatFormat(exponent_width=4, fraction_width=3, bias=11, specials=Specials.FN)
    assert shifted.name == "e4m3b11fn"
    for code in E4M3FN.codes():
        value = E4M3FN.decode(code)
        if isinstance(value, Fraction):
            assert shifted.decode(code) == value / 16
            assert shifted.encode(value / 16) == E4M3FN.encode(value)


@pytest.mark.parametrize("make", [
    lambda: FloatFormat(exponent_width=0, fraction_width=3),
    lambda: FloatFormat(exponent_width=16, fraction_width=3),
    lambda: FloatFormat(exponent_width=1, fraction_width=3),
    lambda: FloatFormat(exponent_width=4, fraction_width=0),
    lambda: FloatFormat(exponent_width=4, fraction_width=113),
    lambda: PowerOfTwoFormat(exponent_width=1),
])
def test_constructors_refuse(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        make()


def test_codes_are_checked_and_wide_tables_refused() -> None:
    for code in (-1, 256):
        with pytest.raises(ValueError, match="code of e5m2 must be"):
            E5M2.decode(code)
    with pytest.raises(ValueError, match="too many codes"):
        _ = FP32.values
    with pytest.raises(ValueError, match="not a number"):
        FP16.number(0x7C00)
