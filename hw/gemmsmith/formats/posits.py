"""Posits: floating point whose exponent has as many bits as it needs, at the expense of the fraction."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from gemmsmith.formats.base import Format, Real, Special, Value, floor_log2


@dataclass(frozen=True, kw_only=True)
class PositFormat(Format):
    """Sign, regime, exponent and fraction, most significant first; negatives are two's complements of the whole code.

    The regime is a run of equal bits and the opposite bit that ends it: r ones mean k = r − 1, r zeros k = −r. A number
    is 2^(k · 2^es + exponent) · 1.fraction; fields that the code has no room for are zeros. 0…0 is zero and 10…0 is NaR
    ("not a real"), here ``Special.NAN``.

    Source: Standard for Posit Arithmetic (2022), but for ``es``, which that fixes at 2. Earlier drafts choose it by the
    width, as does the paper on XR-NPE, whose formats have es 0 and 1. Rounding is the standard's for every ``es``.

    Parameters
    ----------
    n: 2..32 bits. Two hold 0, ±1 and NaR; one has no regime.
    es: 0..4 bits of the exponent.
    """

    n: int
    es: int

    def __post_init__(self) -> None:
        if not 2 <= self.n <= 32:
            raise ValueError(f"n of a posit must be 2..32, not {self.n!r}")
        if not 0 <= self.es <= 4:
            raise ValueError(f"es of a posit must be 0..4, not {self.es!r}")

    @property
    def name(self) -> str:
        return f"posit{self.n}es{self.es}"

    @property
    def width(self) -> int:  # type: ignore[override]
        return self.n

    @property
    def largest(self) -> Fraction:
        return Fraction(2) ** (self.n - 2 << self.es)

    @property
    def minpos(self) -> Fraction:
        """Least positive number; all numbers are multiples of it."""
        return 1 / self.largest

    def decode(self, code: int) -> Value:
        """The number that ``code`` means, or NaN for NaR."""
        self.check_code(code)
        if code == self._nar:
            return Special.NAN
        if code == 0:
            return Fraction(0)
        if code > self._nar:
            return -self.number((1 << self.n) - code)
        bits = f"{code:0{self.n - 1}b}"
        run = len(bits) - len(bits.lstrip(bits[0]))
        k = run - 1 if bits[0] == "1" else -run
        rest = bits[run + 1:]
        exponent = int(rest[:self.es].ljust(self.es, "0") or "0", 2)
        fraction = Fraction(int(rest[self.es:] or "0", 2), 1 << len(rest[self.es:]))
        return Fraction(2) ** ((k << self.es) + exponent) * (1 + fraction)

    def encode(self, value: Real | Special) -> int:
        """Code of the nearest number. The tie between two neighbours is the posit of n + 1 bits between them, which is
        not their mean where the exponent has been cut; ties go to the even code. Beyond the largest and the least
        magnitude that magnitude is the nearest: nothing but 0 becomes 0. Infinities and NaN become NaR.
        """
        if isinstance(value, Special):
            return self._nar
        x = Fraction(value)
        if x == 0:
            return 0
        # The code as if it had bits without end, as a number of units of its last bit.
        scale = floor_log2(abs(x))
        k, exponent = divmod(scale, 1 << self.es)
        regime, length = ((1 << k + 2) - 2, k + 2) if k >= 0 else (1, 1 - k)
        tail = (exponent + abs(x) / Fraction(2) ** scale - 1) / (1 << self.es)
        nearest = round((regime + tail) * Fraction(2) ** (self.n - 1 - length))  # half to even
        magnitude = min(max(nearest, 1), self._nar - 1)
        return magnitude if x > 0 else (1 << self.n) - magnitude

    @property
    def _nar(self) -> int:
        return 1 << self.n - 1
