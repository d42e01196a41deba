"""E2M1 codes: the nearest to numbers, what they mean, weights with an FP16 scale per group along K; the golden model of
``Fp4``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import Axis, Fp4, Operand
from gemmsmith_sim.golden.base import Array, Encoded
from gemmsmith_sim.golden.int4 import check_range, scaled
from gemmsmith_sim.golden.prealigned import lane_words
from gemmsmith_sim.golden.rowscaled import RowScaledGolden, quotients

CODE = 4
"""Bits of a code."""

HALVES = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], np.int8)
"""Twice the value of every code."""
LARGEST = 6
MIDPOINTS = (0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0)
"""Of neighbouring magnitudes: number k lies between the codes k and k + 1, of which the even one takes it."""


def encode_fp4(values: Array, *, group: int) -> dict[str, Array]:
    """E2M1 codes nearest to values / scale, ties to the even code, and one FP16 scale per ``group``; all divisions are
    in float32. A value that rounds to zero has the code 0.

    Gives ``codes``, uint8 (rows, K), and ``scales``, float16 (rows, ⌈K/group⌉). Raises ``EncodeError`` for a group
    whose scale is beyond FP16.
    """
    quotients, scales = scaled(values, group=group, largest=LARGEST, part="sixth")
    return {"codes": nearest_fp4(quotients), "scales": scales}


def nearest_fp4(x: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """The nearest codes, ties to the even one, beyond ±6 that of ±6; what rounds to zero has the code 0."""
    magnitudes = np.abs(x)
    codes = np.zeros(x.shape, np.uint8)
    for k, midpoint in enumerate(MIDPOINTS):
        codes += magnitudes >= midpoint if k % 2 else magnitudes > midpoint
    codes |= ((x < 0) & (codes > 0)).astype(np.uint8) << 3
    return codes


def fp4_halves(codes: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Twice the value of E2M1 codes."""
    return HALVES[codes]


class Fp4Golden(RowScaledGolden[Fp4]):
    """Arrays as ``RowScaledGolden`` has them; ``codes``: uint8, 0..15.

    Operands with L lanes: ``a_codes`` and ``w_codes``, 4·L bits per beat, lane i in bits 4i+3..4i holding
    k = L·beat + i; ``a_scale`` and ``w_scale``, one FP32 word per block.
    """

    family = "fp4"
    codes = np.uint8

    def check(self, encoded: Encoded) -> None:
        super().check(encoded)
        check_range("codes", encoded.arrays["codes"], 0, 15)

    def encode(self, axis: Axis, values: Array) -> dict[str, Array]:
        x, scales = quotients(axis, values, largest=LARGEST)
        return {"codes": nearest_fp4(x), "scales": scales}

    def numbers(self, encoded: Encoded) -> Array:
        return fp4_halves(encoded.arrays["codes"]) * np.float32(0.5)

    def words(self, encoded: Encoded, operand: Operand) -> NDArray[np.uint8]:
        if operand.name not in ("a_codes", "w_codes"):
            return self.scale_words(encoded, operand)
        return lane_words(encoded.arrays["codes"], operand, width=CODE, group=0)
