"""Golden model of ``Anda``: that of ``Prealigned``, with activations in bit planes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import Anda, Operand
from gemmsmith_sim.golden.base import Array, expect, unknown
from gemmsmith_sim.golden.prealigned import GROUP, PrealignedGolden, lane_words


class AndaGolden(PrealignedGolden[Anda]):
    """Operands of codes:

    - ``a_plane``: m + 1 words of 64 bits per group, bit i for element i: the sign plane, then the mantissa
      planes, **least significant first** (the paper stores the most significant first; an accumulator that
      shifts right is smaller and takes them in this order);
    - ``w_codes``: 256 bits per group, element i in bits 4i+3..4i as two's complement.
    """

    family = "anda"

    def code_words(self, codes: Array, operand: Operand) -> NDArray[np.uint8]:
        if operand.name == "a_plane":
            expect(operand, width=GROUP)
            return _planes(codes, m=self.scheme.m)
        if operand.name == "w_codes":
            expect(operand, width=4 * GROUP)
            return lane_words(codes, operand, width=4)
        raise unknown(self.scheme, operand)


def _planes(codes: NDArray[np.int32], *, m: int) -> NDArray[np.uint8]:
    """Bit planes of signed mantissas, bytes (rows, groups · (m + 1), 8): signs, then mantissas LSB first."""
    rows = len(codes)
    groups = codes.reshape(rows, -1, 1, GROUP)
    mantissa_bits = np.abs(groups) >> np.arange(m)[:, None] & 1
    bits = np.concatenate([groups < 0, mantissa_bits], axis=2).astype(np.uint8)
    return np.packbits(bits, axis=3, bitorder="little").reshape(rows, -1, GROUP // 8)
