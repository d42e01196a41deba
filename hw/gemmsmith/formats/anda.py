"""Anda's activation format: sign and mantissa per element, one exponent per group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from gemmsmith.formats.standard import FP16

EXPONENT_BIAS = FP16.usual_bias


@dataclass(frozen=True, kw_only=True)
class AndaFormat:
    """Block floating point made from FP16: value = mantissa · 2^(exponent − 15 − (mantissa length − 1)).

    Source: Anda, HPCA 2025, arXiv 2411.15982; the treatment of subnormals, Inf and NaN is ours.

    Parameters
    ----------
    mantissa: mantissa length in bits, 1..16; signs come on top.
    group: elements that share an exponent, 1 or more; a group of a tail may hold fewer.
    round: of a mantissa: ``trunc``, or ``nearest`` (ties to even; what would carry out saturates).
    """

    EXPONENT_WIDTH: ClassVar[int] = 5
    EXPONENTS: ClassVar[range] = range(1, 31)
    ROUNDINGS: ClassVar[tuple[str, ...]] = ("trunc", "nearest")

    mantissa: int
    group: int = 64
    round: str = "trunc"

    def __post_init__(self) -> None:
        if not 1 <= self.mantissa <= 16:
            raise ValueError(f"mantissa length must be 1..16, not {self.mantissa!r}")
        if self.group < 1:
            raise ValueError(f"group must be 1 or more, not {self.group!r}")
        if self.round not in self.ROUNDINGS:
            raise ValueError(f"round must be {' or '.join(self.ROUNDINGS)}, not {self.round!r}")

    @property
    def name(self) -> str:
        return f"anda-m{self.mantissa}-g{self.group}" + ("" if self.round == "trunc" else f"-{self.round}")

    @property
    def bits_per_element(self) -> Fraction:
        """Memory of an element, its share of the exponent included."""
        return 1 + self.mantissa + Fraction(self.EXPONENT_WIDTH, self.group)

    @property
    def largest_mantissa(self) -> int:
        return (1 << self.mantissa) - 1

    def encode(self, codes: Sequence[int]) -> tuple[int, list[int]]:
        """Exponent and signed mantissas of a group of FP16 codes.

        The exponent is the largest effective exponent field (at least 1: subnormals have no hidden one).
        Significands are shifted right by the distance to it; what falls out of the mantissa is truncated, or
        rounds it to nearest, ties to even, up to the largest mantissa: the exponent is never another. A mantissa
        of zero has no sign. Inf and NaN become the largest finite FP16 of their sign.
        """
        self._check_length(codes)
        fields = [_fields(code) for code in codes]
        shared = max(exponent for _, exponent, _ in fields)
        mantissas = []
        for negative, exponent, significand in fields:
            mantissa = self._cut(significand << self.mantissa - 1, shared - exponent + FP16.fraction_width)
            mantissas.append(-mantissa if negative else mantissa)
        return shared, mantissas

    def _cut(self, significand: int, shift: int) -> int:
        """``significand`` / 2^``shift`` as a mantissa; ``shift`` is at least 10."""
        kept, rest, half = significand >> shift, significand & (1 << shift) - 1, 1 << shift - 1
        if self.round == "nearest" and (rest > half or (rest == half and kept & 1)):
            return min(kept + 1, self.largest_mantissa)
        return kept

    def decode(self, exponent: int, mantissas: Sequence[int]) -> list[Fraction]:
        """Exact values of a group. Raises ``ValueError`` for an exponent or mantissa out of range."""
        self._check_length(mantissas)
        if exponent not in self.EXPONENTS:
            raise ValueError(f"exponent of {self.name} must be 1..30, not {exponent!r}")
        for mantissa in mantissas:
            if abs(mantissa) > self.largest_mantissa:
                raise ValueError(f"mantissa of {self.name} must be within ±{self.largest_mantissa}, "
                                 f"not {mantissa!r}")
        return [mantissa * self._ulp(exponent) for mantissa in mantissas]

    def _ulp(self, exponent: int) -> Fraction:
        """Weight of a mantissa's last bit."""
        return Fraction(2) ** (exponent - EXPONENT_BIAS - (self.mantissa - 1))

    def _check_length(self, elements: Sequence[int]) -> None:
        if not 1 <= len(elements) <= self.group:
            raise ValueError(f"a group of {self.name} has 1..{self.group} elements, not {len(elements)}")


def _fields(code: int) -> tuple[bool, int, int]:
    """Sign, effective exponent and significand of an FP16 code; Inf and NaN read as the largest number."""
    FP16.check_code(code)
    negative, exponent, fraction = bool(code >> 15), code >> 10 & 31, code & 1023
    if exponent == 31:
        exponent, fraction = 30, 1023
    return (negative, exponent, fraction + 1024) if exponent else (negative, 1, fraction)
