"""Golden model of ``Int8``: exact integer sums, then two FP32 multiplications by the row scales."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import Axis, Int8, Operand
from gemmsmith_sim.golden.base import Array, Encoded, expect, pad_k
from gemmsmith_sim.golden.rowscaled import RowScaledGolden, encode_rows

LARGEST_CODE = 127


class Int8Golden(RowScaledGolden[Int8]):
    """Arrays as ``RowScaledGolden`` has them; ``codes``: int8.

    Operands with L lanes: ``a_codes`` and ``w_codes``, 8·L bits per beat, lane i in bits 8i+7..8i holding
    k = L·beat + i; ``a_scale`` and ``w_scale``, one FP32 word per block.
    """

    family = "int8"

    def encode(self, axis: Axis, values: Array) -> dict[str, Array]:
        return encode_rows(axis, values, largest=LARGEST_CODE)

    def numbers(self, encoded: Encoded) -> Array:
        return encoded.arrays["codes"]

    def words(self, encoded: Encoded, operand: Operand) -> NDArray[np.uint8]:
        if operand.name in ("a_codes", "w_codes"):
            expect(operand, multiple=8)
            lanes = operand.width // 8
            codes = pad_k(encoded.arrays["codes"], lanes)
            return np.ascontiguousarray(codes).view(np.uint8).reshape(len(codes), -1, lanes)
        return self.scale_words(encoded, operand)
