"""Compressed outputs in memory: how they lie there, and what they say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gemmsmith.formats import AndaFormat
from gemmsmith.schemes import Anda, Axis
from gemmsmith_sim.golden import Encoded

GROUP = Anda.group
PLANE_BYTES = 8
EXPONENT_BITS = AndaFormat.EXPONENT_WIDTH


@dataclass(frozen=True)
class CompressedLayout:
    """Memory of (rows, columns) outputs as Anda mantissas of ``m`` bits.

    A row is ⌈columns/64⌉ groups of m + 1 planes of 64 bits: signs, then the mantissas' planes, most significant first.
    Its exponents, 5 bits each, lie apart, densely packed from the lowest bit on.
    """

    rows: int
    columns: int
    m: int

    @property
    def groups(self) -> int:
        """Groups of a row."""
        return -(-self.columns // GROUP)

    @property
    def bytes_written(self) -> int:
        """Bytes that the co-processor writes: exponents leave in words of 64 bits."""
        exponent_words = -(-self.groups * EXPONENT_BITS // (8 * PLANE_BYTES))
        return self.rows * PLANE_BYTES * (self.groups * (self.m + 1) + exponent_words)

    def decode(self, scheme: Anda, planes: NDArray[np.uint8], exponents: NDArray[np.uint8]) -> Encoded:
        """The activations that ``planes`` (rows, stride) and ``exponents`` (rows, exponent_stride) hold."""
        used = planes[:, :self.groups * (self.m + 1) * PLANE_BYTES]
        bits = np.unpackbits(used.reshape(self.rows, self.groups, self.m + 1, PLANE_BYTES), axis=3, bitorder="little")
        weights = 1 << np.arange(self.m, dtype=np.int32)[::-1, None]
        mantissas = (bits[:, :, 1:] * weights).sum(axis=2, dtype=np.int32)
        codes = np.where(bits[:, :, 0], -mantissas, mantissas).reshape(self.rows, -1)[:, :self.columns]
        dense = np.unpackbits(exponents, axis=1, bitorder="little")[:, :EXPONENT_BITS * self.groups]
        shared = (dense.reshape(self.rows, self.groups, EXPONENT_BITS) << np.arange(EXPONENT_BITS)).sum(axis=2)
        return Encoded(scheme, Axis.ROW, (self.rows, self.columns),
                       {"codes": np.ascontiguousarray(codes, np.int32), "exponents": shared.astype(np.uint8)})
