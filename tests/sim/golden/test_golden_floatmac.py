"""Accumulation with 24 bits and an unbounded exponent, on sums that float64 cannot hold; encoding of FP8 and BF16."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest

from gemmsmith.schemes import Axis, FloatMac
from gemmsmith_sim.golden import Encoded, EncodeError, for_scheme
from gemmsmith_sim.golden.floatmac import accumulate_24, round_24
from gemmsmith_sim.golden.floats import add_to_odd
from oracle.exact import nearest_even, round_to_ieee_fp32


def test_sums_are_rounded_once() -> None:
    """A 24-bit number at a tie and something far below it, of either sign."""
    rng = np.random.default_rng(0)
    sums = rng.integers(1 << 23, 1 << 24, 4000).astype(np.float64) * rng.choice([-1, 1], 4000)
    halves = np.copysign(0.5, rng.standard_normal(4000))  # of the last bit: the sum of both takes 25
    ends = np.ldexp(rng.integers(-255, 256, 4000).astype(np.float64), -rng.integers(25, 90, 4000))
    with_half = sums + halves
    found = round_24(add_to_odd(with_half, ends))
    for x, y, z in zip(with_half.tolist(), ends.tolist(), found.tolist(), strict=True):
        assert Fraction(z) == nearest_even(Fraction(x) + Fraction(y), precision=24, finest=None)


@pytest.mark.parametrize(("low", "high", "narrow"), [
    (100, 140, True), (60, 61, True), (59, 60, False), (120, 185, True), (150, 191, False), (1, 254, False)])
def test_fp32_serves_where_it_can(low: int, high: int, narrow: bool) -> None:
    """Exponent fields of all numbers: units of products down to 2^-149 and no lower, sums that cannot overflow."""
    golden, rng = for_scheme(FloatMac(x="bf16")), np.random.default_rng(low)
    codes = [rng.integers(low, high + 1, (6, 40)) << 7 | rng.integers(0, 128, (6, 40)) for _ in range(2)]
    for array in codes:
        array[0, :2] = low << 7 | 1, high << 7
        array |= rng.integers(0, 2, array.shape) << 15
        array[:, 7] = 0
    a, w = (Encoded(golden.scheme, axis, (6, 40), {"codes": array.astype(np.uint16)})
            for axis, array in zip((Axis.ROW, Axis.COLUMN), codes, strict=True))
    assert golden._fits_fp32(a, w) is narrow
    by_k = [encoded.values.T.astype(np.float64) for encoded in (a, w)]
    np.testing.assert_array_equal(golden.matmul(a, w).view(np.uint32), accumulate_24(*by_k).view(np.uint32))


@pytest.mark.parametrize("x", ["e4m3", "e5m2", "bf16"])
def test_encoding(x: str) -> None:
    """Random numbers and ties, as the scalar format rounds what FP32 makes of them."""
    scheme, rng = FloatMac(x=x), np.random.default_rng(1)
    number = scheme.number
    values = np.concatenate([rng.standard_normal(300) * np.exp2(rng.integers(-20, 8, 300)), [0.0, -0.0]])
    ties = np.array([float(number.number(c) + number.number(c + 1)) / 2 for c in range(0, number.encode(400), 3)])
    rows = np.concatenate([values, ties, -ties])[None]
    codes = for_scheme(scheme).encode_weights(rows).arrays["codes"][0].tolist()
    assert codes == [number.encode(Fraction(round_to_ieee_fp32(Fraction(v)))) for v in rows[0].tolist()]


@pytest.mark.parametrize(("x", "largest", "value"), [
    ("e4m3", 448, 465), ("e5m2", 57344, 61440), ("bf16", 3.38953e38, 3.4e38)])
def test_what_is_too_large_is_refused(x: str, largest: float, value: float) -> None:
    golden = for_scheme(FloatMac(x=x))
    assert golden.encode_weights(np.array([[value * 0.996]])).values[0, 0] == pytest.approx(largest)
    says = f"column 1: beyond the largest {x.upper()}, {largest:.6g}"
    with pytest.raises(EncodeError, match=re.escape(says)):
        golden.encode_weights(np.array([[0.0, value]]))
