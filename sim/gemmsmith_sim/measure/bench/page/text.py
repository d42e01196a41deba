"""Figures as text."""

from __future__ import annotations

import math

__all__ = ["NONE", "figure", "ratio"]

NONE = "–"


def figure(value: float | None, digits: int = 3) -> str:
    """Whole numbers whole, others with so many digits that count, or more; powers of ten below 0.001."""
    if value is None:
        return NONE
    if isinstance(value, int):
        return str(value)
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if abs(value) < 1e-3:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    return f"{value:.{max(0, digits - 1 - math.floor(math.log10(abs(value))))}f}"


def ratio(value: float) -> str:
    """A multiple of the baseline's figure."""
    if not 0.01 <= value < 100:
        return f"{figure(value)}×"
    return f"{value:.{3 if value < 1 else 2 if value < 10 else 1}f}×"
