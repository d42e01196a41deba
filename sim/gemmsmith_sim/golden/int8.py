"""Golden model of ``Int8``: exact integer sums, then two FP32 multiplications by the row scales."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import Axis, Int8, Operand
from gemmsmith_sim.golden.base import (
    Array,
    Encoded,
    Golden,
    Layout,
    expect,
    little_endian,
    pad_k,
    to_fp32,
    unknown,
)
from gemmsmith_sim.golden.floats import FP32_SMALLEST_NORMAL, round_fp32_flush

LARGEST_CODE = 127
EXACT_TERMS = 1024
"""Products of two codes are at most 2¹⁴, so FP32 sums of this many are exact in any order."""


class Int8Golden(Golden[Int8]):
    """Arrays, for activations and weights alike:

    - ``codes``: int8 (rows, K);
    - ``scales``: float32 (rows,), positive normal numbers.

    Operands with L lanes: ``a_codes`` and ``w_codes``, 8·L bits per beat, lane i in bits 8i+7..8i holding
    k = L·beat + i; ``a_scale`` and ``w_scale``, one FP32 word per block.
    """

    family = "int8"

    def layout(self, axis: Axis, shape: tuple[int, int]) -> Layout:
        rows, k = shape
        if k > self.scheme.max_k:
            raise ValueError(f"K of int8 must be at most {self.scheme.max_k}, not {k}: the sum has 32 bits")
        return {"codes": (np.int8, shape), "scales": (np.float32, (rows,))}

    def check(self, encoded: Encoded) -> None:
        scales = encoded.arrays["scales"]
        if not ((scales >= FP32_SMALLEST_NORMAL) & np.isfinite(scales)).all():
            raise ValueError("scales of int8 must be positive normal FP32 numbers")

    def encode(self, axis: Axis, values: Array) -> dict[str, Array]:
        return encode_rows(axis, values, largest=LARGEST_CODE)

    def decode(self, encoded: Encoded) -> NDArray[np.float64]:
        return encoded.arrays["codes"] * encoded.arrays["scales"].astype(np.float64)[:, None]

    def product(self, a: Encoded, w: Encoded) -> NDArray[np.float32]:
        right = w.keep("float32", lambda: w.arrays["codes"].astype(np.float32))
        sums = exact_sums(a.arrays["codes"].astype(np.float32), right, terms=EXACT_TERMS)
        scaled = scale_fp32(sums.astype(np.float32), a.arrays["scales"][:, None])
        return scale_fp32(scaled, w.arrays["scales"])

    def words(self, encoded: Encoded, operand: Operand) -> NDArray[np.uint8]:
        if operand.name in ("a_codes", "w_codes"):
            expect(operand, multiple=8)
            lanes = operand.width // 8
            codes = pad_k(encoded.arrays["codes"], lanes)
            return np.ascontiguousarray(codes).view(np.uint8).reshape(len(codes), -1, lanes)
        if operand.name in ("a_scale", "w_scale"):
            expect(operand, width=32)
            return little_endian(encoded.arrays["scales"][:, None])
        raise unknown(self.scheme, operand)


def encode_rows(axis: Axis, values: Array, *, largest: int) -> dict[str, Array]:
    """Symmetric codes −largest..largest, int8 (rows, K), and an FP32 scale per row, as ``Int8`` has them."""
    x = to_fp32(axis, values)
    scales = np.abs(x).max(axis=1) / np.float32(largest)
    scales = np.where(x.any(axis=1), np.maximum(scales, FP32_SMALLEST_NORMAL), np.float32(1))
    with np.errstate(under="ignore"):
        quotients = np.rint(x / scales[:, None])
    return {"codes": np.clip(quotients, -largest, largest).astype(np.int8), "scales": scales}


def exact_sums(left: NDArray[np.float32], right: NDArray[np.float32], *, terms: int) -> NDArray[np.float64]:
    """left · rightᵀ, exact for sums of up to 53 bits, if float32 sums of ``terms`` products are."""
    sums = np.zeros((len(left), len(right)), np.float64)
    for k in range(0, left.shape[1], terms):
        sums += left[:, k : k + terms] @ right[:, k : k + terms].T
    return sums


def scale_fp32(x: NDArray[np.float32], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """RNE₃₂(x · scale), flushed to +0 below the normal range; the float64 product is exact."""
    return round_fp32_flush(x.astype(np.float64) * scales)
