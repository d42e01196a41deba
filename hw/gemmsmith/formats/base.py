"""What a number format is: codes, and the exact numbers they mean."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum
from fractions import Fraction
from functools import cached_property


class Special(Enum):
    """What a code may mean besides a number."""

    POSITIVE_INFINITY = "+inf"
    NEGATIVE_INFINITY = "-inf"
    NAN = "nan"


Value = Fraction | Special
Real = Fraction | int | float
"""A finite number; a float stands for exactly what it holds."""


class Format(ABC):
    """A set of numbers with a binary code each. Subclasses are frozen dataclasses, equal if their fields are.

    Codes are unsigned integers below ``2 ** width``, whatever the numbers' signs.
    """

    TABLE_WIDTH = 16
    """Widest format whose ``values`` are tabulated."""

    width: int
    """Bits of a code."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Canonical name; formats of equal names are equal."""

    @property
    @abstractmethod
    def largest(self) -> Fraction:
        """Largest number."""

    @abstractmethod
    def decode(self, code: int) -> Value:
        """The number (exact), infinity or NaN that ``code`` means. Raises ``ValueError`` for no code."""

    @abstractmethod
    def encode(self, value: Real | Special) -> int:
        """Code of the number nearest to ``value``, ties to even. Never a negative zero."""

    def codes(self) -> range:
        """All codes, ascending."""
        return range(1 << self.width)

    @cached_property
    def values(self) -> tuple[Value, ...]:
        """What each code means. Raises ``ValueError`` for formats wider than ``TABLE_WIDTH`` bits."""
        if self.width > self.TABLE_WIDTH:
            raise ValueError(f"{self.name} has too many codes to tabulate: {self.width} bits")
        return tuple(self.decode(code) for code in self.codes())

    def number(self, code: int) -> Fraction:
        """Like ``decode``. Raises ``ValueError`` if the code means no number."""
        value = self.decode(code)
        if isinstance(value, Special):
            raise ValueError(f"code {code:#x} of {self.name} is {value.value}, not a number")
        return value

    def check_code(self, code: int) -> None:
        """Raise ``ValueError`` unless ``code`` is one."""
        if not 0 <= code < 1 << self.width:
            raise ValueError(f"code of {self.name} must be 0..{(1 << self.width) - 1:#x}, not {code!r}")


def floor_log2(x: Fraction) -> int:
    """Largest e with 2^e ≤ x, for x > 0."""
    if x <= 0:
        raise ValueError(f"logarithm of {x}")
    e = x.numerator.bit_length() - x.denominator.bit_length()
    return e if Fraction(2) ** e <= x else e - 1
