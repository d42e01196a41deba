"""Golden model of ``Figna``: that of ``Prealigned``, with activations in whole words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import Figna, Operand
from gemmsmith_sim.golden.base import Array, unknown
from gemmsmith_sim.golden.prealigned import PrealignedGolden, lane_words


class FignaGolden(PrealignedGolden[Figna]):
    """Operands of codes, with L lanes, a divisor of 64:

    - ``a_codes``: (m + 1) · L bits per beat, lane i in bits (m+1)(i+1)−1..(m+1)i as two's complement, holding
      k = L·beat + i;
    - ``w_codes``: 4 · L bits per beat, likewise.
    """

    family = "figna"

    def code_words(self, codes: Array, operand: Operand) -> NDArray[np.uint8]:
        if operand.name == "a_codes":
            return lane_words(codes, operand, width=self.scheme.m + 1)
        if operand.name == "w_codes":
            return lane_words(codes, operand, width=4)
        raise unknown(self.scheme, operand)
