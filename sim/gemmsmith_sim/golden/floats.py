"""Vectorised IEEE steps that several golden models take: FP16 codes, and the two roundings at an output."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FP16_MAX_EXPONENT = 30
FP16_MAX_MAGNITUDE_CODE = 0x7BFF
"""Code of the largest finite FP16, 65504."""
FP32_SMALLEST_NORMAL = np.float32(2.0**-126)

FLUSH_BELOW = 2.0**-126 - 2.0**-151
"""A float64 below this, rounded to 24 bits with an unbounded exponent, stays below 2⁻¹²⁶.

It is the midpoint between 2⁻¹²⁶ and the 24-bit number before it; the tie goes to the even one, 2⁻¹²⁶.
"""


def round_fp32_flush(exact: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Round to nearest even to 24 bits with an unbounded exponent; magnitudes below 2⁻¹²⁶ then become +0.

    ``exact`` must hold the exact values (a float64 holds any product of two FP32 numbers above 2⁻¹⁰²²).
    Overflow gives an infinity.
    """
    with np.errstate(over="ignore", under="ignore"):
        return np.where(np.abs(exact) < FLUSH_BELOW, 0.0, exact).astype(np.float32)


def round_fp16(values: NDArray[np.float32]) -> NDArray[np.float16]:
    """Round to nearest even to FP16: subnormals kept, overflow to infinity, every zero +0."""
    with np.errstate(over="ignore", under="ignore"):
        return values.astype(np.float16) + np.float16(0)  # −0 + 0 = +0


def saturate_fp16(codes: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """FP16 codes as hardware reads them: Inf and NaN become the largest finite value of their sign."""
    special = (codes & 0x7C00) == 0x7C00
    return np.where(special, (codes & 0x8000) | FP16_MAX_MAGNITUDE_CODE, codes).astype(np.uint16)


def fp16_values(codes: NDArray[np.uint16]) -> NDArray[np.float32]:
    """What FP16 codes are worth to the hardware: Inf and NaN saturate."""
    return saturate_fp16(codes).view(np.float16).astype(np.float32)


def add_to_odd(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """x + y rounded to odd: exact, or of the two float64 around the sum the one whose last bit is set.

    That is on the same side of every number of less than 53 bits as the sum, so that rounding it to fewer bits rounds
    the sum itself once. Nothing may overflow or become subnormal.
    """
    total = x + y
    back = total - x
    rest = (x - (total - back)) + (y - back)  # exactly what the total lacks (Knuth)
    bits = total.view(np.int64)
    outward = np.where((rest > 0) == (total > 0), 0, -1)  # the next float64 towards zero has a code less
    return np.where(rest != 0, bits + outward | 1, bits).view(np.float64)
