"""Exact sums of products of wide integers, and their float64s rounded to odd."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gemmsmith_sim.golden.base import Array

LIMB = 19
"""Bits of a limb: sums of 2^15 products of two limbs are below 2^53, exact in float64 in any order."""
TERMS = 1 << 15
FULL = 43
"""Bits of a number that more limbs are no longer taken into: with another they are 62."""
MANTISSA = 53


def limbs(numbers: NDArray[np.int64], count: int) -> list[NDArray[np.float64]]:
    """Σ 2^(19k) · limb k of integers below 2^(19 · count) in magnitude; limbs have their number's sign."""
    magnitudes, signs = np.abs(numbers), np.sign(numbers)
    return [(signs * (magnitudes >> LIMB * k & (1 << LIMB) - 1)).astype(np.float64) for k in range(count)]


def product_sums(left: list[NDArray[np.float64]], right: list[NDArray[np.float64]]) -> list[NDArray[np.int64]]:
    """Limbs of left · rightᵀ, exact; matrices (rows, K), limbs as ``limbs`` has them."""
    shape = (len(left[0]), len(right[0]))
    sums = [np.zeros(shape, np.int64) for _ in range(len(left) + len(right) - 1)]
    for k in range(0, left[0].shape[1], TERMS):
        for i, a in enumerate(left):
            for j, w in enumerate(right):
                sums[i + j] += (a[:, k:k + TERMS] @ w[:, k:k + TERMS].T).astype(np.int64)
    return sums


def rounded_to_odd(sums: list[NDArray[np.int64]]) -> NDArray[np.float64]:
    """Σ 2^(19k) · sum k, rounded to odd: what is exact stays; else of the two neighbouring float64s the one with an odd
    mantissa. A rounding of that to 51 bits or fewer is that of the sum itself."""
    *digits, top = _carried(sums)
    negative = top < 0
    *digits, top = _carried([np.where(negative, -digit, digit) for digit in (*digits, top)])
    exponents, sticky = np.zeros(top.shape, np.int64), np.zeros(top.shape, bool)
    for digit in reversed(digits):
        room = top < 1 << FULL
        sticky |= ~room & (digit != 0)
        top = np.where(room, top << LIMB | digit, top)
        exponents += np.where(room, 0, LIMB)
    beyond = np.maximum(np.frexp(top.astype(np.float64))[1] - MANTISSA, 0)
    sticky |= top & (1 << beyond) - 1 != 0
    magnitudes = np.ldexp(((top >> beyond) | sticky).astype(np.float64), exponents + beyond)
    return np.where(negative, -magnitudes, magnitudes)


def _carried(sums: list[Array]) -> list[Array]:
    """The same number with all digits but the last in 0 … 2^19 − 1."""
    carry: Array = np.zeros_like(sums[0])
    digits = []
    for total in sums[:-1]:
        total = total + carry
        carry = total >> LIMB
        digits.append(total & (1 << LIMB) - 1)
    return [*digits, sums[-1] + carry]
