"""Integers, grouped scales, Anda groups and the catalog."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemmsmith.formats import (
    CATALOG,
    E2M1,
    E4M3FN,
    E8M0,
    FP16,
    FP32,
    INT4,
    INT8,
    INT8_SYMMETRIC,
    AndaFormat,
    Format,
    GroupedScale,
    IntFormat,
    Special,
)
from oracle.schemes import anda_group, anda_weight_groups, int8_encode

FLOATS32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(("fmt", "dtype"), [
    (INT4, ml_dtypes.int4),
    (IntFormat(width=2), ml_dtypes.int2),
    (IntFormat(width=4, signed=False), ml_dtypes.uint4)],
    ids=lambda x: getattr(x, "name", ""))
def test_small_integers_decode_as_ml_dtypes_does(fmt: IntFormat, dtype: type) -> None:
    codes = np.arange(1 << fmt.width, dtype=np.uint8)
    assert list(fmt.values) == codes.view(dtype).astype(int).tolist()


@pytest.mark.parametrize("width", range(1, 11))
@pytest.mark.parametrize("signed", [True, False])
def test_integers(width: int, signed: bool) -> None:
    fmt = IntFormat(width=width, signed=signed)
    low, high = (-(2 ** (width - 1)), 2 ** (width - 1) - 1) if signed else (0, 2**width - 1)
    assert sorted(map(fmt.number, fmt.codes())) == list(range(low, high + 1))
    assert [fmt.encode(value) for value in fmt.values] == list(fmt.codes())
    assert (fmt.smallest, fmt.largest) == (low, high)
    assert fmt.decode(fmt.encode(Special.POSITIVE_INFINITY)) == fmt.decode(fmt.encode(high + 1)) == high
    assert fmt.decode(fmt.encode(Special.NEGATIVE_INFINITY)) == fmt.decode(fmt.encode(low - 1)) == low


def test_integers_round_ties_to_even() -> None:
    assert [int(INT4.decode(INT4.encode(x / 2))) for x in (-5, -3, -1, 1, 3, 5, 7)] == [-2, -2, 0, 0, 2, 2, 4]


def test_symmetric_integers() -> None:
    assert INT8_SYMMETRIC.decode(INT8_SYMMETRIC.encode(-1000)) == -127
    assert INT8_SYMMETRIC.decode(0x80) == -128
    assert INT8_SYMMETRIC.name == "int8sym"


# Grouped scales


@settings(deadline=None, max_examples=200)
@given(st.lists(st.floats(-458_000, 458_000, width=32), min_size=1, max_size=64))
def test_int4_groups(values: list[float]) -> None:
    fmt = GroupedScale(element=INT4, group=64, scale=FP16)
    scale, codes = fmt.encode(values)
    wanted_codes, (wanted_scale,) = anda_weight_groups(values, 64)
    assert FP16.decode(scale) == wanted_scale
    assert [INT4.decode(code) for code in codes] == wanted_codes
    assert fmt.decode(scale, codes) == [code * wanted_scale for code in wanted_codes]


@settings(deadline=None, max_examples=200)
@given(st.lists(FLOATS32, min_size=1, max_size=8))
def test_int8_rows(values: list[float]) -> None:
    scale, codes = GroupedScale(element=INT8_SYMMETRIC, group=8, scale=FP32).encode(values)
    assert ([INT8.decode(code) for code in codes], FP32.decode(scale)) == int8_encode(values)


def test_int8_rows_at_ties() -> None:
    """Values next to (n + ½) · scale: some quotients become ties when they are rounded to FP32."""
    fmt = GroupedScale(element=INT8_SYMMETRIC, group=128, scale=FP32)
    for absmax in (1.7, 19.3, 0.013):
        scale = float(np.float32(absmax) / np.float32(127))
        row = [absmax, *((np.arange(127) + 0.5) * scale).astype(np.float32).tolist()]
        codes = fmt.encode(row)[1]
        assert [INT8.decode(code) for code in codes] == int8_encode(row)[0]
        exact = [round(Fraction(value) / fmt.scale.number(fmt.encode(row)[0])) for value in row]
        assert exact != int8_encode(row)[0]


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=32))
def test_microscaling_groups_round_within_half_a_step(values: list[float]) -> None:
    """The scale puts the largest element into [4, 8) of E2M1, where it may saturate at 6."""
    fmt = GroupedScale(element=E2M1, group=32, scale=E8M0)
    scale, codes = fmt.encode(values)
    factor = E8M0.number(scale)
    for value, decoded in zip(values, fmt.decode(scale, codes), strict=True):
        quotient = Fraction(value) / factor
        assert abs(quotient) < 8
        bound = max(Fraction(abs(quotient)) / 4, Fraction(1, 4))  # half a step; 2 of 8 where it saturates
        assert abs(decoded / factor - quotient) <= bound


def test_grouped_scale_limits() -> None:
    fmt = GroupedScale(element=INT4, group=4, scale=FP16)
    assert fmt.encode([0.0, -0.0]) == (0x3C00, [0, 0])
    assert fmt.encode([1e-30])[0] == 0x0400
    assert GroupedScale(element=E2M1, group=4, scale=E8M0).encode([0.0]) == (0, [0])
    assert GroupedScale(element=E2M1, group=4, scale=E4M3FN).encode([12.0, -6.0, 0.5]) == (0x40, [7, 13, 0])
    with pytest.raises(ValueError, match=r"\+inf, not a number"):
        fmt.encode([500_000.0])
    for bad in ([], [0.0] * 5):
        with pytest.raises(ValueError, match=r"has 1\.\.4 elements"):
            fmt.encode(bad)
    assert fmt.bits_per_element == 8
    assert fmt.name == "int4-g4-s_e5m10"


# Anda


@pytest.mark.parametrize("m", range(1, 17))
def test_anda_codes_alone(m: int) -> None:
    fmt = AndaFormat(mantissa=m)
    for code in range(m, 1 << 16, 11):
        assert fmt.encode([code]) == anda_group([code], m)[::-1]


@settings(deadline=None, max_examples=300)
@given(st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=64), st.integers(1, 16))
def test_anda_groups(codes: list[int], m: int) -> None:
    fmt = AndaFormat(mantissa=m)
    exponent, mantissas = fmt.encode(codes)
    assert (mantissas, exponent) == anda_group(codes, m)
    ulp = Fraction(2) ** (exponent - 15 - (m - 1))
    for code, value in zip(codes, fmt.decode(exponent, mantissas), strict=True):
        exact = FP16.decode(code)
        if not isinstance(exact, Special):
            assert 0 <= abs(exact) - abs(value) < ulp
            assert value == 0 or (value < 0) == (exact < 0)


def test_anda_of_one_code_is_exact_from_11_bits_on() -> None:
    for m in (11, 16):
        fmt = AndaFormat(mantissa=m)
        for code in range(0, 0x7C00, 7):
            assert fmt.decode(*fmt.encode([code])) == [FP16.decode(code)]


def test_anda_examples() -> None:
    """By hand: 1.0 and −0.75 in four bits are 8 and −6 eighths; what is far smaller falls out."""
    assert AndaFormat(mantissa=4).encode([0x3C00, 0xBA00, 0x1000, 0x8000]) == (15, [8, -6, 0, 0])
    assert AndaFormat(mantissa=11).encode([0x7C00, 0xFC01]) == (30, [2047, -2047])
    assert AndaFormat(mantissa=11).encode([0x0001, 0x83FF]) == (1, [1, -1023])
    assert AndaFormat(mantissa=7).encode([0x0000]) == (1, [0])


def test_anda_limits() -> None:
    fmt = AndaFormat(mantissa=3, group=2)
    for bad in ([], [0, 0, 0]):
        with pytest.raises(ValueError, match=r"has 1\.\.2 elements"):
            fmt.encode(bad)
    with pytest.raises(ValueError, match="exponent"):
        fmt.decode(31, [0])
    with pytest.raises(ValueError, match="mantissa"):
        fmt.decode(30, [-8])
    assert AndaFormat(mantissa=6).bits_per_element == 7 + Fraction(5, 64)


# All


@pytest.mark.parametrize("make", [
    lambda: IntFormat(width=0),
    lambda: IntFormat(width=65),
    lambda: IntFormat(width=4, signed=False, symmetric=True),
    lambda: IntFormat(width=1, symmetric=True),
    lambda: GroupedScale(element=INT4, group=0, scale=FP16),
    lambda: AndaFormat(mantissa=0),
    lambda: AndaFormat(mantissa=17),
    lambda: AndaFormat(mantissa=4, group=0),
])
def test_constructors_refuse(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        make()


def test_catalog() -> None:
    assert {"fp16", "bf16", "fp32", "e4m3fn", "e5m2", "e2m1", "e2m3", "e3m2", "e8m0"} <= set(CATALOG)
    assert {"int2", "int8", "uint4", "anda-m6"} <= set(CATALOG)
    formats = [entry.format for entry in CATALOG.values()]
    assert len(set(formats)) == len(formats)  # hashable, all different
    assert len({fmt.name for fmt in formats}) == len(formats)
    for name, entry in CATALOG.items():
        assert entry.source, name
        if isinstance(entry.format, Format) and entry.format.width <= 8:
            numbers = [value for value in entry.format.values if not isinstance(value, Special)]
            assert max(numbers) == entry.format.largest, name
    with pytest.raises(AttributeError):
        FP16.bias = 3  # type: ignore[misc]
