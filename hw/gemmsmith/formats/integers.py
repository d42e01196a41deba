"""Integers in two's complement, or unsigned."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from gemmsmith.formats.base import Format, Real, Special


@dataclass(frozen=True, kw_only=True)
class IntFormat(Format):
    """Integers of ``width`` bits.

    Parameters
    ----------
    width: 1..64 bits.
    signed: two's complement; else unsigned.
    symmetric: ``encode`` never makes −2^(width − 1), which has no opposite.
    """

    width: int
    signed: bool = True
    symmetric: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.width <= 64:
            raise ValueError(f"width of an integer must be 1..64, not {self.width!r}")
        if self.symmetric and (not self.signed or self.width < 2):
            raise ValueError(f"a symmetric integer must be signed and have 2 bits or more, not {self.width!r}")

    @property
    def name(self) -> str:
        return f"{'int' if self.signed else 'uint'}{self.width}{'sym' if self.symmetric else ''}"

    @property
    def smallest(self) -> int:
        """Smallest integer that ``encode`` makes."""
        if not self.signed:
            return 0
        return -(1 << self.width - 1) + self.symmetric

    @property
    def largest(self) -> Fraction:
        return Fraction((1 << self.width - self.signed) - 1)

    def decode(self, code: int) -> Fraction:
        self.check_code(code)
        negative = self.signed and code >> self.width - 1
        return Fraction(code - (1 << self.width) if negative else code)

    def encode(self, value: Real | Special) -> int:
        """Code of the nearest integer, ties to even; saturates. Raises ``ValueError`` for NaN."""
        if value is Special.NAN:
            raise ValueError(f"{self.name} has no code for NaN")
        if isinstance(value, Special):
            nearest = int(self.largest) if value is Special.POSITIVE_INFINITY else self.smallest
        else:
            nearest = max(self.smallest, min(int(self.largest), round(Fraction(value))))
        return nearest % (1 << self.width)
