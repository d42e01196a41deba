"""Golden model of ``Ifpu``: that of ``Prealigned``, with weights in bit planes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import Ifpu, Operand
from gemmsmith_sim.golden.base import Array, expect, unknown
from gemmsmith_sim.golden.prealigned import GROUP, PrealignedGolden, lane_words

WEIGHT = 4
"""Bits of a weight code."""


class IfpuGolden(PrealignedGolden[Ifpu]):
    """Operands of codes:

    - ``a_codes``: (m + 1) · 64 bits per group, element i in bits (m+1)(i+1)−1..(m+1)i as two's complement;
    - ``w_plane``: 4 words of 64 bits per group, bit i for element i: the planes of two's complement, least
      significant first.
    """

    family = "ifpu"

    def code_words(self, codes: Array, operand: Operand) -> NDArray[np.uint8]:
        if operand.name == "a_codes":
            expect(operand, width=(self.scheme.m + 1) * GROUP)
            return lane_words(codes, operand, width=self.scheme.m + 1)
        if operand.name == "w_plane":
            expect(operand, width=GROUP)
            groups = codes.view(np.uint8).reshape(len(codes), -1, 1, GROUP)
            planes = groups >> np.arange(WEIGHT, dtype=np.uint8)[:, None] & 1
            return np.packbits(planes, axis=3, bitorder="little").reshape(len(codes), -1, GROUP // 8)
        raise unknown(self.scheme, operand)
