"""Golden model of ``BitFusion``: that of ``Int8`` with narrower codes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import Axis, BitFusion, Operand
from gemmsmith_sim.golden.base import Array, Encoded, expect, little_endian, pad_k
from gemmsmith_sim.golden.int4 import check_range
from gemmsmith_sim.golden.rowscaled import RowScaledGolden, encode_rows

BRICKS = 16
WORD = 32
"""Bits of a fusion unit's part of an operand word."""


class BitFusionGolden(RowScaledGolden[BitFusion]):
    """Arrays as ``RowScaledGolden`` has them; ``codes``: int8, of which the scheme's bits are used.

    Operands with U fusion units: ``a_codes`` and ``w_codes``, 32·U bits per beat. Of n-bit codes, unit u takes
    P = 64 / (a · w) products a beat: element p in bits n·p+n−1..n·p of the unit's 32 holds k = P·(U·beat + u) + p;
    bits above are 0. A group is 16·U elements. ``a_scale`` and ``w_scale``: one FP32 word per block.
    """

    family = "bitfusion"

    def bits(self, axis: Axis) -> int:
        """Bits of a code."""
        return self.scheme.a if axis is Axis.ROW else self.scheme.w

    def check(self, encoded: Encoded) -> None:
        super().check(encoded)
        low = -(1 << self.bits(encoded.axis) - 1)
        check_range("codes", encoded.arrays["codes"], low, ~low)

    def encode(self, axis: Axis, values: Array) -> dict[str, Array]:
        return encode_rows(axis, values, largest=(1 << self.bits(axis) - 1) - 1)

    def numbers(self, encoded: Encoded) -> Array:
        return encoded.arrays["codes"]

    def words(self, encoded: Encoded, operand: Operand) -> NDArray[np.uint8]:
        if operand.name not in ("a_codes", "w_codes"):
            return self.scale_words(encoded, operand)
        expect(operand, multiple=WORD)
        units, bits = operand.width // WORD, self.bits(encoded.axis)
        products = BRICKS * 4 // (self.scheme.a * self.scheme.w)
        codes = pad_k(encoded.arrays["codes"], BRICKS * units).astype(np.uint32) & ((1 << bits) - 1)
        places = np.arange(products, dtype=np.uint32) * np.uint32(bits)
        words = (codes.reshape(len(codes), -1, products) << places).sum(axis=2, dtype=np.uint32)
        return little_endian(words).reshape(len(codes), -1, WORD // 8 * units)
