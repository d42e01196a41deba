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
      planes, **least significant first**: an accumulator that shifts right is smaller and takes them in this order
      (in memory they are ``descending``). Of 128 bits: two planes, the earlier one lowest, in ⌈(m + 1) / 2⌉ words per
      group; for an even m a plane of zeros stands behind the sign plane;
    - ``w_codes``: 256 bits per group, element i in bits 4i+3..4i as two's complement.
    """

    family = "anda"

    def code_words(self, codes: Array, operand: Operand) -> NDArray[np.uint8]:
        if operand.name == "a_plane":
            planes = 2 if operand.width == 2 * GROUP else 1
            expect(operand, width=planes * GROUP)
            return _planes(codes, m=self.scheme.m, at_once=planes)
        if operand.name == "w_codes":
            expect(operand, width=4 * GROUP)
            return lane_words(codes, operand, width=4)
        raise unknown(self.scheme, operand)


def _planes(codes: NDArray[np.int32], *, m: int, at_once: int) -> NDArray[np.uint8]:
    """Bit planes of signed mantissas, bytes (rows, words, 8 · at_once): signs, then mantissas LSB first."""
    rows = len(codes)
    groups = codes.reshape(rows, -1, 1, GROUP)
    below = -(m + 1) % at_once
    mantissa_bits = (np.abs(groups) << below) >> np.arange(m + below)[:, None] & 1
    bits = np.concatenate([groups < 0, mantissa_bits], axis=2).astype(np.uint8)
    return np.packbits(bits, axis=3, bitorder="little").reshape(rows, -1, GROUP // 8 * at_once)
