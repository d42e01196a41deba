"""Golden model of ``FloatMac``: exact products of FP8 or BF16, accumulated with 24 significant bits, ascending k."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import Axis, FloatMac, Operand
from gemmsmith_sim.golden.base import (
    Array,
    Encoded,
    Golden,
    Layout,
    expect,
    little_endian,
    refuse,
    to_fp32,
    unknown,
)
from gemmsmith_sim.golden.floats import add_to_odd, round_fp32_flush
from gemmsmith_sim.golden.fp16 import accumulate, blocks

DTYPES: dict[str, Any] = {"e4m3": ml_dtypes.float8_e4m3fn, "e5m2": ml_dtypes.float8_e5m2, "bf16": ml_dtypes.bfloat16}
LOW = 53 - 24
"""Bits of a float64's significand behind the 24 that are kept."""


class FloatMacGolden(Golden[FloatMac]):
    """Arrays, for activations and weights alike:

    - ``codes``: uint8 (FP8) or uint16 (BF16), (rows, K).

    Operands: ``a_code`` and ``w_code``, one code per beat.
    """

    family = "floatmac"

    @property
    def dtype(self) -> Any:
        """numpy's type of the operands."""
        return DTYPES[self.scheme.x]

    @property
    def codes(self) -> Any:
        """Type of the codes."""
        return np.dtype(f"u{np.dtype(self.dtype).itemsize}")

    def layout(self, axis: Axis, shape: tuple[int, int]) -> Layout:
        return {"codes": (self.codes, shape)}

    def encode(self, axis: Axis, values: Array) -> dict[str, Array]:
        x = to_fp32(axis, values)
        with np.errstate(over="ignore", under="ignore"):
            numbers = x.astype(self.dtype)
        largest = float(ml_dtypes.finfo(self.dtype).max)
        refuse(axis, values, ~np.isfinite(numbers), f"beyond the largest {self.scheme.x.upper()}, {largest:.6g}")
        return {"codes": np.where(numbers == 0, 0, numbers.view(self.codes)).astype(self.codes)}

    def decode(self, encoded: Encoded) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):  # signalling NaNs
            x = encoded.arrays["codes"].view(self.dtype).astype(np.float64)
        largest = float(ml_dtypes.finfo(self.dtype).max)
        negative = encoded.arrays["codes"] >> encoded.arrays["codes"].itemsize * 8 - 1
        return np.where(np.isfinite(x), x, np.where(negative, -largest, largest))

    def product(self, a: Encoded, w: Encoded) -> NDArray[np.float32]:
        kind: Any = np.float32 if self._fits_fp32(a, w) else np.float64
        step = accumulate if kind is np.float32 else accumulate_24
        left = self._by_k(a, kind)
        right = w.keep(kind.__name__, lambda: self._by_k(w, kind))
        out = np.empty((a.shape[0], w.shape[0]), np.float32)
        for block in blocks(out.shape):
            out[block] = step(left[:, block[0]], right[:, block[1]])
        return round_fp32_flush(out)

    def _by_k(self, encoded: Encoded, kind: Any) -> Array:
        """Values as (K, rows) of a type."""
        return np.ascontiguousarray(self.decode(encoded).T, kind)

    def _fits_fp32(self, a: Encoded, w: Encoded) -> bool:
        """Whether no sum can overflow FP32 or have a bit below its last one: then FP32 rounds as an accumulator whose
        exponent has no bounds. Float64 holds the exponents of all sums, but not their rounding, which takes longer."""
        (a_last, a_top), (w_last, w_top) = self._range(a), w.keep("range", lambda: self._range(w))
        return bool(a_last + w_last >= -149 and a_top + w_top + a.shape[1].bit_length() <= 128)

    def _range(self, encoded: Encoded) -> NDArray[np.int64]:
        """Exponents of the weight of the lowest last bit, and of a bound of all magnitudes."""
        number, width = self.scheme.number, self.scheme.number.fraction_width
        magnitudes = encoded.arrays["codes"] & (1 << number.width - 1) - 1
        fields = np.maximum(magnitudes[magnitudes > 0].astype(np.int64) >> width, 1)
        last = np.frexp(float(number.number(1)))[1] - 1  # of the field 1
        return last + np.array([fields.min(initial=1 << number.width) - 1, fields.max(initial=1) + width])

    def words(self, encoded: Encoded, operand: Operand) -> NDArray[np.uint8]:
        if operand.name not in ("a_code", "w_code"):
            raise unknown(self.scheme, operand)
        expect(operand, width=self.scheme.number.width)
        return little_endian(encoded.arrays["codes"])


def accumulate_24(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float32]:
    """Σ over k, ascending, of the outer products of (K, rows) and (K, columns); each addition rounds to 24 bits,
    and the last sum to FP32's range."""
    acc = np.zeros((left.shape[1], right.shape[1]))
    for x, y in zip(left, right, strict=True):
        acc = round_24(add_to_odd(acc, x[:, None] * y))
    return round_fp32_flush(acc)


def round_24(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """RNE₂₄(x), with an unbounded exponent."""
    bits = x.view(np.int64)
    bits = bits + (1 << LOW - 1) - 1 + (bits >> LOW & 1)
    return (bits & -1 << LOW).view(np.float64)
