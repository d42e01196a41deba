"""What golden models of integers with an FP32 scale per row of A and of W have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import Axis, Operand, RowScaled
from gemmsmith_sim.golden.base import Array, Encoded, Golden, Layout, expect, little_endian, to_fp32, unknown
from gemmsmith_sim.golden.floats import FP32_SMALLEST_NORMAL, round_fp32_flush

EXACT_TERMS = 1024
"""Products of two integers are at most 2¹⁴ (multiples of ¼ at most 2¹²), so FP32 sums of this many are exact in any
order."""

S = TypeVar("S", bound=RowScaled)


class RowScaledGolden(Golden[S]):
    """Base of golden models whose codes mean integers, or multiples of ½, of at most 128: exact sums, then two FP32
    multiplications.

    Arrays, for activations and weights alike: ``codes``, (rows, K); ``scales``, float32 (rows,), positive normal
    numbers. Subclasses say the codes' type and what they mean.
    """

    codes: Any = np.int8
    """Type of the codes."""

    @abstractmethod
    def numbers(self, encoded: Encoded) -> Array:
        """What the codes mean."""

    def layout(self, axis: Axis, shape: tuple[int, int]) -> Layout:
        rows, k = shape
        if k > self.scheme.max_k:
            raise ValueError(f"K of {self.family} must be at most {self.scheme.max_k}, not {k}: the sum has 32 bits")
        return {"codes": (self.codes, shape), "scales": (np.float32, (rows,))}

    def check(self, encoded: Encoded) -> None:
        scales = encoded.arrays["scales"]
        if not ((scales >= FP32_SMALLEST_NORMAL) & np.isfinite(scales)).all():
            raise ValueError(f"scales of {self.family} must be positive normal FP32 numbers")

    def decode(self, encoded: Encoded) -> NDArray[np.float64]:
        return self.numbers(encoded) * encoded.arrays["scales"].astype(np.float64)[:, None]

    def product(self, a: Encoded, w: Encoded) -> NDArray[np.float32]:
        right = w.keep("float32", lambda: self.numbers(w).astype(np.float32))
        sums = exact_sums(self.numbers(a).astype(np.float32), right, terms=EXACT_TERMS)
        scaled = scale_fp32(sums.astype(np.float32), a.arrays["scales"][:, None])
        return scale_fp32(scaled, w.arrays["scales"])

    def scale_words(self, encoded: Encoded, operand: Operand) -> NDArray[np.uint8]:
        """Words of ``a_scale`` and ``w_scale``; there are no other operands but the codes."""
        if operand.name not in ("a_scale", "w_scale"):
            raise unknown(self.scheme, operand)
        expect(operand, width=32)
        return little_endian(encoded.arrays["scales"][:, None])


def quotients(axis: Axis, values: Array, *, largest: int) -> tuple[Array, Array]:
    """x / s in float32 and s = FP32(absmax / ``largest``) of each row. Raises ``EncodeError`` beyond FP32."""
    x = to_fp32(axis, values)
    with np.errstate(under="ignore"):
        scales = np.abs(x).max(axis=1) / np.float32(largest)
        scales = np.where(x.any(axis=1), np.maximum(scales, FP32_SMALLEST_NORMAL), np.float32(1))
        return x / scales[:, None], scales


def encode_rows(axis: Axis, values: Array, *, largest: int) -> dict[str, Array]:
    """Symmetric codes −largest..largest, int8 (rows, K), and an FP32 scale per row, as ``Int8`` has them."""
    x, scales = quotients(axis, values, largest=largest)
    return {"codes": np.clip(np.rint(x), -largest, largest).astype(np.int8), "scales": scales}


def exact_sums(left: NDArray[np.float32], right: NDArray[np.float32], *, terms: int) -> NDArray[np.float64]:
    """left · rightᵀ, exact for sums of up to 53 bits, if float32 sums of ``terms`` products are."""
    sums = np.zeros((len(left), len(right)), np.float64)
    for k in range(0, left.shape[1], terms):
        sums += left[:, k : k + terms] @ right[:, k : k + terms].T
    return sums


def scale_fp32(x: NDArray[np.float32], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """RNE₃₂(x · scale), flushed to +0 below the normal range; the float64 product is exact."""
    return round_fp32_flush(x.astype(np.float64) * scales)
