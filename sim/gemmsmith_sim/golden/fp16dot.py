"""Golden model of ``Fp16Dot``: aligned products, four at a time, in a fixed-point accumulator."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import Axis, Fp16Dot, Operand
from gemmsmith_sim.golden.base import Encoded, Layout, expect, little_endian, pad_k, unknown
from gemmsmith_sim.golden.floats import fp16_values
from gemmsmith_sim.golden.fp16 import HalfGolden

LANES = Fp16Dot.group
BLOCK_ROWS = 64
BLOCK_OUTPUTS = 1 << 13
"""Accumulators that are updated together: they and one group's products fit a level-2 cache."""
ZERO = -128
"""Exponent of zero: below that of every product, with any factor."""
LEAST = -48
"""Exponent of the least product, that of two smallest subnormals."""
CARRY_EVERY = 512
"""Groups whose low parts, multiples of 2⁻⁴⁸ below 2⁻⁴, add up exactly in float64."""
HIGH = 2.0**-4
"""High parts are multiples of this; 2⁴⁹ bounds their sums, which float64 therefore holds."""


class Fp16DotGolden(HalfGolden[Fp16Dot]):
    """Operands: ``a_codes`` and ``w_codes``, 64 bits per beat, code k = 4 · beat + i in bits 16i+15..16i."""

    family = "fp16dot"

    def layout(self, axis: Axis, shape: tuple[int, int]) -> Layout:
        if shape[1] > self.scheme.max_k:
            raise ValueError(f"K of fp16dot must be at most {self.scheme.max_k}, not {shape[1]}: "
                             "the accumulator has 98 bits")
        return super().layout(axis, shape)

    def product(self, a: Encoded, w: Encoded) -> NDArray[np.float32]:
        left, right = _by_k(a), w.keep("by_k", lambda: _by_k(w))
        out = np.empty((a.shape[0], w.shape[0]), np.float32)
        width = BLOCK_OUTPUTS // min(len(out), BLOCK_ROWS)
        for row in range(0, len(out), BLOCK_ROWS):
            for column in range(0, out.shape[1], width):
                block = np.s_[row : row + BLOCK_ROWS], np.s_[column : column + width]
                out[block] = _accumulate(left[..., block[0]], right[..., block[1]])
        return out

    def words(self, encoded: Encoded, operand: Operand) -> NDArray[np.uint8]:
        if operand.name not in ("a_codes", "w_codes"):
            raise unknown(self.scheme, operand)
        expect(operand, width=16 * LANES)
        codes = little_endian(pad_k(encoded.arrays["codes"], LANES))
        return codes.reshape(len(codes), -1, 2 * LANES)


def _by_k(encoded: Encoded) -> NDArray[np.float64]:
    """Values, and ⌊log₂⌋ of their magnitudes, as (groups, lanes, 2, rows): what one step needs lies together."""
    values = pad_k(fp16_values(encoded.arrays["codes"]), LANES).astype(np.float64).T
    exponents = np.where(values == 0, ZERO, np.frexp(values)[1] - 1)
    return np.ascontiguousarray(np.stack([values, exponents], axis=1)).reshape(-1, LANES, 2, values.shape[1])


def _accumulate(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float32]:
    """The sum over all groups, rounded once. It is kept in two parts, high + low."""
    high = np.zeros((left.shape[-1], right.shape[-1]))
    low = np.zeros_like(high)
    for group, (x, y) in enumerate(zip(left, right, strict=True), 1):
        total = _aligned_sum(x, y)
        upper = np.floor(total / HIGH) * HIGH
        high += upper
        low += total - upper
        if group % CARRY_EVERY == 0:
            carry = np.floor(low / HIGH) * HIGH
            high += carry
            low -= carry
    return _round_once(high, low)


def _aligned_sum(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Σ of one group's truncated products: (lanes, 2, rows) and (lanes, 2, columns) → (rows, columns)."""
    exponent = np.full((x.shape[-1], y.shape[-1]), float(LEAST))
    for (_, p), (_, q) in zip(x, y, strict=True):
        np.maximum(exponent, p[:, None] + q, out=exponent)
    unit = np.exp2(exponent - (Fp16Dot.places - 2))
    total = np.zeros_like(unit)
    for (a, _), (w, _) in zip(x, y, strict=True):
        total += np.trunc(a[:, None] * w / unit)
    return total * unit


def _round_once(high: NDArray[np.float64], low: NDArray[np.float64]) -> NDArray[np.float32]:
    """RNE₃₂(high + low). Their float64 sum is first rounded to odd, which a second rounding does not notice."""
    total = high + low
    lost = low - (total - high) + (high - (total - (total - high)))
    even = total.view(np.int64) & 1 == 0
    odd = np.nextafter(total, np.where(lost > 0, np.inf, -np.inf))
    return np.where((lost != 0) & even, odd, total).astype(np.float32) + np.float32(0)
