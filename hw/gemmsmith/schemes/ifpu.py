"""iFPU: pre-aligned activations × INT4 weights, one bit plane of the weights after the other (ICLR 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gemmsmith.schemes.prealigned import Prealigned


@dataclass(frozen=True, kw_only=True)
class Ifpu(Prealigned):
    """Activations aligned beforehand, one integer of m + 1 bits each, × bit planes of INT4 weights: ``Prealigned`` with
    one ``m`` per build. 15 is the longest whose codes fit 16 bits, those of the FP16 numbers that they stand for."""

    family: ClassVar[str] = "ifpu"
    summary: ClassVar[str] = "iFPU: activations aligned to a shared exponent, bit-serial INT4 weights in groups"
    source: ClassVar[str] = "iFPU, ICLR 2023; two's-complement weights, groups and rounding points are ours"

    m: int = 15

    @property
    def short(self) -> str:
        return self.family
