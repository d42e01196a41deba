"""Float weights to the narrow codes of ``MixPe``: a scale per group of a row, and to each weight the nearest code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import MixPe
from gemmsmith_sim.golden.base import Array, EncodeError, pad_k
from gemmsmith_sim.golden.floats import FP32_SMALLEST_NORMAL
from gemmsmith_sim.golden.fp4 import LARGEST, fp4_halves, nearest_fp4
from gemmsmith_sim.golden.int4 import FP16_SMALLEST_NORMAL

Floats = NDArray[np.float32]

POW2_BIAS = 127
POW2_CODES = 1, 254
POW2_LARGEST = np.float32(2.0**127)
LARGEST_FACTOR = 127
"""Of a group, with scales of two levels; and of a product of weight and factor, which is at least −128."""
TERNARY_THRESHOLD = 0.7


@dataclass(frozen=True)
class Groups:
    """Weights as (rows, groups, size), the last group filled up with zeros; ``counts`` of the weights in each group."""

    values: Floats
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, scheme: MixPe, values: Floats) -> Groups:
        rows, k = values.shape
        size = scheme.group or k
        groups = -(-k // size)
        counts = np.minimum(size, k - size * np.arange(groups))
        return cls(pad_k(values, size).reshape(rows, groups, size), counts)


@dataclass(frozen=True)
class Narrow:
    """Groups in codes: ``codes`` (rows, groups, size) and what ``MixPeGolden`` keeps of each group.

    ``scales`` and, with two levels, ``factors``, with zero points ``zeros``: (rows, groups), but the scales of two
    levels (rows, 1).
    """

    codes: Array
    scales: Array
    factors: NDArray[np.uint8] | None
    zeros: NDArray[np.uint8] | None

    def arrays(self, k: int) -> dict[str, Array]:
        """The arrays of ``MixPeGolden``."""
        arrays = {"codes": np.ascontiguousarray(self.codes.reshape(len(self.codes), -1)[:, :k]),
                  "scales": self.scales if self.factors is None else self.scales[:, 0]}
        if self.factors is not None:
            arrays["group_scales"] = self.factors
        if self.zeros is not None:
            arrays["zeros"] = self.zeros
        return arrays


def int_range(scheme: MixPe) -> tuple[int, int]:
    """Smallest and largest code of integer and ternary weights, before the zero point is subtracted."""
    if scheme.w == "ternary":
        return -1, 1
    codes = 1 << scheme.weight_bits
    return (0, codes - 1) if scheme.zero == "zp" else (-codes // 2, codes // 2 - 1)


def encode_narrow(scheme: MixPe, groups: Groups) -> Narrow:
    """Round to nearest. Raises ``EncodeError`` for a scale beyond its format.

    Steps of a group, in float32, means in float64: integers have absmax / (2^(N−1) − 1), with a zero point
    (max − min) / (2^N − 1), where min ≤ 0 ≤ max; ``fp4`` absmax / 6; ``binary`` mean |w|; ``ternary`` the mean of
    those |w| that exceed 0.7 · mean |w| (TWN, arXiv 1605.04711). A group of zeros has the step 1 (binary: the smallest
    scale).

    Scales: steps to nearest even in their format, at least its smallest normal number. A ``pow2`` scale is that of the
    two powers of two around the step that gives the smaller squared error, the lower one if they are equal. Two levels
    (after DGQ, arXiv 2310.04836): s is the least FP32 number with which no group wants a factor that takes weights
    out of −128..127; t = clip(RNE(step / s), 1, 127).

    Codes: the nearest to w / scale, by float32 division and rounding to nearest even; of ``fp4`` ties go to the even
    code and zero is 0, not −0; of ``binary`` 0 is +1. Zero points are clip(RNE(−min / scale)).
    """
    steps = ideal_steps(scheme, groups)
    if scheme.scale != "pow2":
        return nearest(scheme, groups, steps)
    powers = np.ldexp(np.float32(0.5), np.frexp(np.maximum(steps, FP32_SMALLEST_NORMAL))[1])
    lower, upper = nearest(scheme, groups, powers), nearest(scheme, groups, np.minimum(powers, POW2_LARGEST / 2) * 2)
    take = squared_error(scheme, groups, upper) < squared_error(scheme, groups, lower)
    return better(lower, upper, take)


def ideal_steps(scheme: MixPe, groups: Groups) -> Floats:
    """What one code is worth in each group, before the scale's format rounds it: (rows, groups)."""
    x = groups.values
    if scheme.zero == "zp":
        low, high = _ends(x)
        with np.errstate(over="ignore"):
            return (high - low) / np.float32(int_range(scheme)[1])
    magnitudes = np.abs(x)
    if scheme.w in ("binary", "ternary"):
        means = magnitudes.sum(axis=2, dtype=np.float64) / groups.counts
        if scheme.w == "binary":
            return means.astype(np.float32)
        kept = magnitudes > TERNARY_THRESHOLD * means[:, :, None]
        sums = np.where(kept, magnitudes, 0).sum(axis=2, dtype=np.float64)
        return (sums / np.maximum(kept.sum(axis=2), 1)).astype(np.float32)
    largest = np.float32(LARGEST) if scheme.w == "fp4" else np.float32(int_range(scheme)[1])
    return magnitudes.max(axis=2) / largest


def nearest(scheme: MixPe, groups: Groups, steps: Floats, *, shrink: float = 1,
            row_scales: Floats | None = None) -> Narrow:
    """The groups in codes nearest to w / scale, the scales being ``shrink`` · ``steps`` in their format.

    ``shrink``: of the range that codes span; what is beyond takes the last code. ``row_scales``: (rows, 1), of two
    levels, if others than those that follow from the steps.
    """
    steps = steps * np.float32(shrink)
    empty = np.logical_not(groups.values.any(axis=2) | (scheme.w == "binary"))
    scales, factors = _scales(scheme, groups, steps, empty, row_scales)
    worth = scale_values(scheme, scales, factors).astype(np.float32)
    low, high = int_range(scheme)
    with np.errstate(under="ignore", over="ignore"):
        zeros = None
        if scheme.zero == "zp":
            zeros = np.clip(np.rint(-_ends(groups.values)[0] * np.float32(shrink) / worth), low, high)
        quotients = groups.values / worth[:, :, None]
    return Narrow(_codes(scheme, quotients, zeros, factors), scales, factors,
                  None if zeros is None else zeros.astype(np.uint8))


def scale_values(scheme: MixPe, scales: Array, factors: Array | None) -> NDArray[np.float64]:
    """What one code is worth, exactly: (rows, groups)."""
    if scheme.scale == "pow2":
        return np.exp2(scales.astype(np.float64) - POW2_BIAS)
    return scales.astype(np.float64) * (1 if factors is None else factors)


def decode_codes(scheme: MixPe, codes: Array, zeros: Array | None = None) -> Floats:
    """q − z of integers, q of binary and ternary weights, and the value of ``fp4`` codes, q / 2.

    ``zeros`` must be of a shape that goes with ``codes``.
    """
    if scheme.w == "fp4":
        values: Floats = fp4_halves(codes) * np.float32(0.5)
        return values
    if scheme.w == "binary":
        return codes.astype(np.float32) * 2 - 1
    return codes.astype(np.float32) - (0 if zeros is None else zeros.astype(np.float32))


def squared_error(scheme: MixPe, groups: Groups, narrow: Narrow) -> NDArray[np.float64]:
    """Σ (w − decoded w)² of each group."""
    zeros = None if narrow.zeros is None else narrow.zeros[:, :, None]
    worth = scale_values(scheme, narrow.scales, narrow.factors)[:, :, None].astype(np.float32)
    inside = np.arange(groups.values.shape[2]) < groups.counts[:, None]
    with np.errstate(over="ignore"):
        off = np.where(inside, decode_codes(scheme, narrow.codes, zeros) * worth - groups.values, 0)
        return np.square(off, dtype=np.float64).sum(axis=2)


def better(first: Narrow, second: Narrow, take: NDArray[np.bool_]) -> Narrow:
    """Groups of ``second`` where ``take`` (rows, groups), else of ``first``; scales of two levels must be equal."""
    def chosen(one: Array | None, other: Array | None) -> Array | None:
        return None if one is None or other is None else np.where(take, other, one).astype(one.dtype)

    scales = first.scales if first.factors is not None else np.where(take, second.scales, first.scales)
    return Narrow(np.where(take[:, :, None], second.codes, first.codes), scales,
                  chosen(first.factors, second.factors), chosen(first.zeros, second.zeros))


def _ends(x: Floats) -> tuple[Floats, Floats]:
    return np.minimum(x.min(axis=2), 0), np.maximum(x.max(axis=2), 0)


def _scales(scheme: MixPe, groups: Groups, steps: Floats, empty: NDArray[np.bool_],
            row_scales: Floats | None) -> tuple[Array, NDArray[np.uint8] | None]:
    """Scales in their format, and the factors of two levels."""
    if scheme.scale == "pow2":
        mantissas, exponents = np.frexp(np.maximum(steps, FP32_SMALLEST_NORMAL))
        codes = exponents - (mantissas < 2**-0.5) + POW2_BIAS
        return np.where(empty, POW2_BIAS, np.clip(codes, *POW2_CODES)).astype(np.uint8), None
    if scheme.scale == "int8":
        if row_scales is None:
            row_scales = _row_scales(scheme, groups, steps)
        factors = np.clip(np.rint(steps / row_scales), 1, LARGEST_FACTOR)
        return row_scales, np.where(empty, 1, factors).astype(np.uint8)
    dtype, smallest = (np.float16, FP16_SMALLEST_NORMAL) if scheme.scale == "fp16" else (
        np.float32, FP32_SMALLEST_NORMAL)
    with np.errstate(over="ignore", under="ignore"):
        scales = steps.astype(dtype)
    _refuse_overflow(scheme, scales)
    return np.where(empty, dtype(1), np.maximum(scales, smallest)), None


def _row_scales(scheme: MixPe, groups: Groups, steps: Floats) -> Floats:
    """The least s with which factors round(step / s) keep weights in −128..127: (rows, 1)."""
    high = int_range(scheme)[1]
    below, above = np.full(steps.shape, -high), np.full(steps.shape, high)
    if scheme.zero == "zp":
        with np.errstate(invalid="ignore", divide="ignore"):
            below = np.nan_to_num(np.rint(_ends(groups.values)[0] / steps))
        above = high + below
    room = np.minimum(LARGEST_FACTOR // np.maximum(above, 1), (LARGEST_FACTOR + 1) // np.maximum(-below, 1))
    scales = (steps / room).max(axis=1, keepdims=True).astype(np.float32)
    _refuse_overflow(scheme, scales)
    return np.where(steps.any(axis=1, keepdims=True), np.maximum(scales, FP32_SMALLEST_NORMAL), np.float32(1))


def _refuse_overflow(scheme: MixPe, scales: Array) -> None:
    if np.isinf(scales).any():
        row, index = np.argwhere(np.isinf(scales))[0]
        largest = np.finfo(scales.dtype).max
        raise EncodeError(f"weights: row {row}, columns from {index * scheme.group}: the scale is beyond the largest "
                          f"{'FP16' if scales.dtype == np.float16 else 'FP32'}, {largest:.6g}")


def _codes(scheme: MixPe, quotients: Floats, zeros: Array | None, factors: Array | None) -> Array:
    if scheme.w == "fp4":
        return nearest_fp4(quotients)
    if scheme.w == "binary":
        return (quotients >= 0).astype(np.uint8)
    low, high = (np.float32(end) for end in int_range(scheme))
    offset = np.float32(0) if zeros is None else zeros[:, :, None]
    codes = np.clip(np.rint(quotients) + offset, low, high)
    if factors is not None:
        factor = factors[:, :, None].astype(np.float32)
        codes = np.clip(codes, offset - (LARGEST_FACTOR + 1) // factor, offset + LARGEST_FACTOR // factor)
    return codes.astype(np.int8 if zeros is None else np.uint8)
