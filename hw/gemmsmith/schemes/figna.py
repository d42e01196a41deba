"""FIGNA: pre-aligned activations in whole words × INT4 weights, bit-parallel (HPCA 2024)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gemmsmith.schemes.prealigned import Prealigned


@dataclass(frozen=True, kw_only=True)
class Figna(Prealigned):
    """Activations aligned beforehand, one integer of m + 1 bits each, × INT4 weights: ``Prealigned`` with one ``m`` per
    build. 13 bits, and the shorter 11 and 8, are what Anda's paper compares itself with."""

    family: ClassVar[str] = "figna"
    summary: ClassVar[str] = "FIGNA: activations aligned to a shared exponent, m-bit mantissas, INT4 weights in groups"
    source: ClassVar[str] = "FIGNA, HPCA 2024, doi 10.1109/HPCA57654.2024.00064; groups and rounding points are Anda's"

    m: int = 13

    @classmethod
    def compared(cls) -> tuple[Figna, ...]:
        return tuple(cls(m=m) for m in (8, 11, 13))
