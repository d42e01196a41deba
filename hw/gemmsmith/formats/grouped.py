"""Groups of numbers that share a scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from gemmsmith.formats.base import Real, floor_log2
from gemmsmith.formats.floats import FloatFormat, PowerOfTwoFormat
from gemmsmith.formats.integers import IntFormat
from gemmsmith.formats.standard import FP32


@dataclass(frozen=True, kw_only=True)
class GroupedScale:
    """Symmetric quantisation: numbers of ``element`` times one ``scale`` per group, value = element · scale.

    Parameters
    ----------
    element: format of an element.
    group: elements that share a scale, 1 or more; a group of a tail may hold fewer.
    scale: format of the scale.
    """

    element: IntFormat | FloatFormat
    group: int
    scale: FloatFormat | PowerOfTwoFormat

    def __post_init__(self) -> None:
        if self.group < 1:
            raise ValueError(f"group must be 1 or more, not {self.group!r}")

    @property
    def name(self) -> str:
        return f"{self.element.name}-g{self.group}-s_{self.scale.name}"

    @property
    def bits_per_element(self) -> Fraction:
        """Memory of an element, its share of the scale included."""
        return self.element.width + Fraction(self.scale.width, self.group)

    def decode(self, scale: int, codes: Sequence[int]) -> list[Fraction]:
        """Exact values of a group of codes and their scale's code. Raises ``ValueError`` for Inf and NaN."""
        self._check_length(codes)
        factor = self.scale.number(scale)
        return [self.element.number(code) * factor for code in codes]

    def encode(self, values: Sequence[Real]) -> tuple[int, list[int]]:
        """Codes of the scale and of the elements of a group of finite values.

        - Values, and quotients below, are rounded to FP32 first, as float32 arithmetic does.
        - A floating-point scale is absmax / (largest element), at least the smallest normal number; 1 if all
          values are zero.
        - A power-of-two scale is 2^(⌊log₂ absmax⌋ − ⌊log₂ largest element⌋), as OCP's microscaling formats
          have it; the least there is if all values are zero.
        - Elements are value / scale, to nearest even, saturated.

        Raises ``ValueError`` if a value or the scale is too large for its format.
        """
        self._check_length(values)
        numbers = [_fp32(Fraction(value)) for value in values]
        code = self._scale_code(max(abs(number) for number in numbers))
        factor = self.scale.number(code)
        return code, [self._element_code(_fp32(number / factor)) for number in numbers]

    def _scale_code(self, absmax: Fraction) -> int:
        if isinstance(self.scale, PowerOfTwoFormat):
            if absmax == 0:
                return 0
            exponent = floor_log2(absmax) - floor_log2(self.element.largest)
            return self.scale.encode(Fraction(2) ** exponent, saturate=True)
        if absmax == 0:
            return self.scale.encode(1)
        nearest = self.scale.encode(_fp32(absmax / self.element.largest))
        self.scale.number(nearest)  # raises if it overflowed
        return max(nearest, self.scale.encode(self.scale.smallest_normal))

    def _element_code(self, quotient: Fraction) -> int:
        if isinstance(self.element, IntFormat):
            return self.element.encode(quotient)
        return self.element.encode(quotient, saturate=True)

    def _check_length(self, elements: Sequence[object]) -> None:
        if not 1 <= len(elements) <= self.group:
            raise ValueError(f"a group of {self.name} has 1..{self.group} elements, not {len(elements)}")


def _fp32(value: Fraction) -> Fraction:
    """``value`` rounded to FP32. Raises ``ValueError`` if it overflows."""
    return FP32.number(FP32.encode(value))
