"""Golden model of ``Ant``: codes that mean integers, exact sums, two FP32 multiplications by the row scales."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import Ant, Axis, Operand
from gemmsmith.schemes.ant import NUMBERS
from gemmsmith_sim.golden.base import Array, Encoded, expect, pad_k
from gemmsmith_sim.golden.int4 import check_range
from gemmsmith_sim.golden.rowscaled import RowScaledGolden, quotients

CODE = 4
"""Bits of a code."""


class AntGolden(RowScaledGolden[Ant]):
    """Arrays as ``RowScaledGolden`` has them; ``codes``: uint8, 0..15.

    Operands with L lanes: ``a_codes`` and ``w_codes``, 4·L bits per beat, lane i in bits 4i+3..4i holding
    k = L·beat + i; ``a_scale`` and ``w_scale``, one FP32 word per block.
    """

    family = "ant"
    codes = np.uint8

    def table(self, axis: Axis) -> NDArray[np.int8]:
        """The numbers of codes 0..15."""
        return np.array(NUMBERS[self.scheme.a if axis is Axis.ROW else self.scheme.w], np.int8)

    def check(self, encoded: Encoded) -> None:
        super().check(encoded)
        check_range("codes", encoded.arrays["codes"], 0, 15)

    def encode(self, axis: Axis, values: Array) -> dict[str, Array]:
        table = self.table(axis)
        magnitudes = np.unique(np.abs(table[table > -8] if table[8] == -8 else table)).astype(np.float32)
        x, scales = quotients(axis, values, int(magnitudes[-1]))
        middles = (magnitudes[1:] + magnitudes[:-1]) / 2
        below, at = (np.searchsorted(middles, np.abs(x), side=side) for side in ("left", "right"))
        signed = np.copysign(magnitudes[np.where(below % 2, at, below)], x)
        codes = np.zeros(256, np.uint8)
        codes[table[::-1].view(np.uint8)] = np.arange(15, -1, -1)  # of two zeros the first
        return {"codes": codes[signed.astype(np.int8).view(np.uint8)], "scales": scales}

    def numbers(self, encoded: Encoded) -> Array:
        return self.table(encoded.axis)[encoded.arrays["codes"]]

    def words(self, encoded: Encoded, operand: Operand) -> NDArray[np.uint8]:
        if operand.name not in ("a_codes", "w_codes"):
            return self.scale_words(encoded, operand)
        expect(operand, multiple=CODE)
        codes = pad_k(encoded.arrays["codes"], operand.width // CODE)
        bits = codes[:, :, None] >> np.arange(CODE, dtype=np.uint8) & 1
        return np.packbits(bits.reshape(len(codes), -1, operand.width), axis=2, bitorder="little")
