"""Golden model of ``Ant``: codes that mean integers, exact sums, two FP32 multiplications by the row scales."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import Ant, Axis, Operand
from gemmsmith.schemes.ant import NUMBERS
from gemmsmith_sim.golden.base import Array, Encoded
from gemmsmith_sim.golden.int4 import check_range
from gemmsmith_sim.golden.prealigned import lane_words
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
        codes = {int(number): code for code, number in reversed(list(enumerate(self.table(axis))))}  # 0 is code 0
        magnitudes = np.array(sorted(number for number in codes if number >= 0))
        x, scales = quotients(axis, values, largest=int(magnitudes[-1]))
        middles = (magnitudes[1:] + magnitudes[:-1]) / 2
        # Ranks: those of a tie are neighbours, of which the even one is taken.
        below, above = (np.searchsorted(middles, np.abs(x), side=side) for side in ("left", "right"))
        ranks = np.where(below % 2 == 0, below, above)
        positive = np.array([codes[number] for number in magnitudes], np.uint8)
        negative = np.array([codes[-number] for number in magnitudes], np.uint8)
        return {"codes": np.where(x < 0, negative[ranks], positive[ranks]), "scales": scales}

    def numbers(self, encoded: Encoded) -> Array:
        return self.table(encoded.axis)[encoded.arrays["codes"]]

    def words(self, encoded: Encoded, operand: Operand) -> NDArray[np.uint8]:
        if operand.name not in ("a_codes", "w_codes"):
            return self.scale_words(encoded, operand)
        return lane_words(encoded.arrays["codes"], operand, width=CODE, group=0)
