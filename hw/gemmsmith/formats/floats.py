"""Binary floating point, with or without infinities and NaNs, and bare powers of two."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from gemmsmith.formats.base import Format, Real, Special, Value, floor_log2


class Specials(Enum):
    """Which codes of the highest exponent are no numbers."""

    IEEE = ""
    """All: fraction zero is an infinity, others are NaN (IEEE 754)."""
    FN = "fn"
    """One per sign, all ones: NaN. No infinities (E4M3 of OCP's FP8)."""
    FINITE = "finite"
    """None."""


@dataclass(frozen=True, kw_only=True)
class FloatFormat(Format):
    """Sign, exponent and fraction, most significant first; exponent 0 holds zero and the subnormals.

    Parameters
    ----------
    exponent_width: 1..15 bits.
    fraction_width: 0..112 bits; at least 1 where infinities and NaNs share an exponent.
    bias: exponent field of 1.0; by default 2^(exponent_width − 1) − 1.
    specials: which codes are no numbers.
    """

    exponent_width: int
    fraction_width: int
    bias: int | None = None
    specials: Specials = Specials.IEEE

    def __post_init__(self) -> None:
        if not 1 <= self.exponent_width <= 15:
            raise ValueError(f"exponent width must be 1..15, not {self.exponent_width!r}")
        least = 0 if self.specials is Specials.FINITE else 1
        if not least <= self.fraction_width <= 112:
            raise ValueError(f"fraction width must be {least}..112, not {self.fraction_width!r}")
        if self.specials is Specials.IEEE and self.exponent_width < 2:
            raise ValueError(f"exponent width must be 2 or more with infinities, not {self.exponent_width!r}")
        if self.bias is None:
            object.__setattr__(self, "bias", self.usual_bias)

    @property
    def usual_bias(self) -> int:
        """The bias that the exponent is split in the middle by."""
        return (1 << self.exponent_width - 1) - 1

    @property
    def name(self) -> str:
        bias = "" if self.bias == self.usual_bias else f"b{self.bias}"
        return f"e{self.exponent_width}m{self.fraction_width}{bias}{self.specials.value}"

    @property
    def width(self) -> int:  # type: ignore[override]
        return 1 + self.exponent_width + self.fraction_width

    @property
    def smallest_normal(self) -> Fraction:
        """Least positive number with a hidden one."""
        return Fraction(2) ** (1 - self._bias)

    @property
    def smallest_subnormal(self) -> Fraction:
        """Least positive number; all numbers are multiples of it."""
        return self.smallest_normal / (1 << self.fraction_width)

    @property
    def largest(self) -> Fraction:
        return self.number(self._largest_code)

    def decode(self, code: int) -> Value:
        """The number, infinity or NaN that ``code`` means; a negative zero is 0."""
        self.check_code(code)
        negative = code >> self.width - 1
        magnitude = code & self._magnitude_mask
        if magnitude > self._largest_code:
            if self.specials is Specials.IEEE and magnitude == self._largest_code + 1:
                return Special.NEGATIVE_INFINITY if negative else Special.POSITIVE_INFINITY
            return Special.NAN
        field, fraction = magnitude >> self.fraction_width, magnitude & (1 << self.fraction_width) - 1
        significand = fraction if field == 0 else fraction + (1 << self.fraction_width)
        number = significand * self.smallest_subnormal * 2 ** (max(field, 1) - 1)
        return -number if negative else number

    def encode(self, value: Real | Special, *, saturate: bool = False) -> int:
        """Code of the nearest number, ties to even. Never a negative zero.

        A value that rounds beyond the largest number, and an infinity, becomes an infinity (``IEEE``), a NaN
        (``FN``) or, with ``saturate`` and always if ``FINITE``, the largest number of its sign.
        Raises ``ValueError`` for a NaN that the format does not have.
        """
        if value is Special.NAN:
            return self._nan_code()
        if isinstance(value, Special):
            return self._overflow(value is Special.NEGATIVE_INFINITY, saturate)
        value = Fraction(value)
        magnitude = self._nearest_magnitude(abs(value))
        if magnitude > self._largest_code:
            return self._overflow(value < 0, saturate)
        return self._signed(value < 0 and magnitude != 0, magnitude)

    def _nearest_magnitude(self, x: Fraction) -> int:
        """Code of x ≥ 0 as if exponents had no upper limit. A carry out of the fraction raises it."""
        if x < self.smallest_normal:
            return round(x / self.smallest_subnormal)
        exponent = floor_log2(x)
        significand = round(x / Fraction(2) ** (exponent - self.fraction_width))
        return (exponent + self._bias - 1 << self.fraction_width) + significand

    def _overflow(self, negative: bool, saturate: bool) -> int:
        if saturate or self.specials is Specials.FINITE:
            return self._signed(negative, self._largest_code)
        if self.specials is Specials.FN:
            return self._signed(negative, self._magnitude_mask)
        return self._signed(negative, self._largest_code + 1)

    def _nan_code(self) -> int:
        """IEEE's quiet NaN, or the one there is."""
        if self.specials is Specials.FINITE:
            raise ValueError(f"{self.name} has no code for NaN")
        if self.specials is Specials.FN:
            return self._magnitude_mask
        return self._largest_code + 1 | 1 << self.fraction_width - 1

    def _signed(self, negative: bool, magnitude: int) -> int:
        return negative << self.width - 1 | magnitude

    @property
    def _bias(self) -> int:
        assert self.bias is not None  # __post_init__ filled it in
        return self.bias

    @property
    def _magnitude_mask(self) -> int:
        return (1 << self.width - 1) - 1

    @property
    def _largest_code(self) -> int:
        """Magnitude of the largest number: the codes above it are special."""
        specials = {Specials.IEEE: 1 << self.fraction_width, Specials.FN: 1, Specials.FINITE: 0}
        return self._magnitude_mask - specials[self.specials]


@dataclass(frozen=True, kw_only=True)
class PowerOfTwoFormat(Format):
    """Powers of two without sign or zero, and one NaN, all ones: scales of OCP's microscaling formats.

    Parameters
    ----------
    exponent_width: 2..15 bits; 2^c is the number of code c + 2^(exponent_width − 1) − 1.
    """

    exponent_width: int

    def __post_init__(self) -> None:
        if not 2 <= self.exponent_width <= 15:
            raise ValueError(f"exponent width must be 2..15, not {self.exponent_width!r}")

    @property
    def name(self) -> str:
        return f"e{self.exponent_width}m0u"

    @property
    def width(self) -> int:  # type: ignore[override]
        return self.exponent_width

    @property
    def smallest_normal(self) -> Fraction:
        """Least number."""
        return Fraction(2) ** -self._bias

    @property
    def largest(self) -> Fraction:
        return Fraction(2) ** self._bias

    def decode(self, code: int) -> Value:
        self.check_code(code)
        return Special.NAN if code == self._nan_code else Fraction(2) ** (code - self._bias)

    def encode(self, value: Real | Special, *, saturate: bool = False) -> int:
        """Code of the nearest number; ties, at 1.5 · 2^n, go up: no fraction bit could be even.

        What rounds beyond the largest number is NaN or, with ``saturate``, the largest number; what is too
        small is the smallest. Raises ``ValueError`` unless the value is positive or NaN.
        """
        if value is Special.NAN:
            return self._nan_code
        if value is Special.NEGATIVE_INFINITY or (not isinstance(value, Special) and value <= 0):
            raise ValueError(f"{self.name} has positive numbers only, not {value}")
        overflow = self._nan_code - 1 if saturate else self._nan_code
        if isinstance(value, Special):
            return overflow
        nearest = floor_log2(Fraction(value) * Fraction(4, 3)) + self._bias  # 1.5 · 2^n becomes 2^(n + 1)
        return overflow if nearest >= self._nan_code else max(nearest, 0)

    @property
    def _nan_code(self) -> int:
        return (1 << self.exponent_width) - 1

    @property
    def _bias(self) -> int:
        return (1 << self.exponent_width - 1) - 1
