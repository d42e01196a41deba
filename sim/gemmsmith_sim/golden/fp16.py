"""Golden model of ``Fp16``: exact products, one FP32 accumulator per output, ascending k."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import Axis, Fp16, Operand, Scheme
from gemmsmith_sim.golden.base import Array, Encoded, Golden, Layout, expect, little_endian, to_fp16, unknown
from gemmsmith_sim.golden.floats import fp16_values

S = TypeVar("S", bound=Scheme)
BLOCK_ROWS = 128
BLOCK_OUTPUTS = 1 << 16
"""Accumulators that are updated together: they and the products of one k fit a level-2 cache."""


class HalfGolden(Golden[S]):
    """Arrays, for activations and weights alike:

    - ``codes``: uint16 (rows, K), FP16 codes.
    """

    def layout(self, axis: Axis, shape: tuple[int, int]) -> Layout:
        return {"codes": (np.uint16, shape)}

    def encode(self, axis: Axis, values: Array) -> dict[str, Array]:
        return {"codes": to_fp16(axis, values)}

    def decode(self, encoded: Encoded) -> NDArray[np.float64]:
        return fp16_values(encoded.arrays["codes"]).astype(np.float64)


class Fp16Golden(HalfGolden[Fp16]):
    """Operands: ``a_code`` and ``w_code``, one 16-bit code per beat."""

    family = "fp16"

    def product(self, a: Encoded, w: Encoded) -> NDArray[np.float32]:
        left = _by_k(a)
        right = w.keep("by_k", lambda: _by_k(w))
        out = np.empty((a.shape[0], w.shape[0]), np.float32)
        for block in blocks(out.shape):
            out[block] = accumulate(left[:, block[0]], right[:, block[1]])
        return out

    def words(self, encoded: Encoded, operand: Operand) -> NDArray[np.uint8]:
        if operand.name not in ("a_code", "w_code"):
            raise unknown(self.scheme, operand)
        expect(operand, width=16)
        return little_endian(encoded.arrays["codes"])


def _by_k(encoded: Encoded) -> NDArray[np.float32]:
    """Values as (K, rows): what one step of k needs lies together."""
    return np.ascontiguousarray(fp16_values(encoded.arrays["codes"]).T)


def blocks(shape: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the outputs that are best computed together."""
    width = BLOCK_OUTPUTS // min(shape[0], BLOCK_ROWS)
    for row in range(0, shape[0], BLOCK_ROWS):
        for column in range(0, shape[1], width):
            yield np.s_[row : row + BLOCK_ROWS], np.s_[column : column + width]


def accumulate(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """Σ over k, ascending, of the outer products of (K, rows) and (K, columns); each addition rounds."""
    acc = np.zeros((left.shape[1], right.shape[1]), np.float32)
    products = np.empty_like(acc)
    for x, y in zip(left, right, strict=True):
        np.multiply(x[:, None], y, out=products)  # exact: 22 significand bits
        acc += products
    return acc
