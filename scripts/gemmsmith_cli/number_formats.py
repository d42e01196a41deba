"""Number formats as text and as JSON values, for ``list`` and ``describe``."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from gemmsmith.formats import CATALOG, AndaFormat, Entry, Format, GroupedScale, Special, Value

TABULATED_WIDTH = 8
"""Widest format whose values are listed one by one."""
COLUMNS = 8
"""Codes in a line of a value table."""


def bits(entry: Entry) -> Fraction:
    """Bits of an element, its share of what a group shares included."""
    shape = entry.format
    return Fraction(shape.width) if isinstance(shape, Format) else shape.bits_per_element


def to_dict(short: str) -> dict[str, Any]:
    """A format of the catalog as JSON values, with its value table where it is small."""
    entry = CATALOG[short]
    described: dict[str, Any] = {"name": short, "canonical": entry.format.name, "bits": float(bits(entry)),
                                 "source": entry.source, "meaning": meaning(entry)}
    if isinstance(entry.format, Format):
        described["largest"] = float(entry.format.largest)
        if entry.format.width <= TABULATED_WIDTH:
            described["values"] = [_number(value) for value in entry.format.values]
    return described


def meaning(entry: Entry) -> str:
    """What a code means, in one line."""
    shape = entry.format
    if isinstance(shape, GroupedScale):
        return f"groups of {shape.group}: element ({shape.element.name}) · scale ({shape.scale.name})"
    if isinstance(shape, AndaFormat):
        return (f"groups of {shape.group}: sign, {shape.mantissa}-bit mantissa · "
                f"2^(exponent − 15 − {shape.mantissa - 1}), {shape.EXPONENT_WIDTH}-bit exponent shared")
    return f"{shape.width} bits, largest {_number(shape.largest):.9g}"


def value_table(short: str) -> str | None:
    """All values of a small format, eight codes to a line; None for others."""
    shape = CATALOG[short].format
    if not isinstance(shape, Format) or shape.width > TABULATED_WIDTH:
        return None
    cells = [_text(value) for value in shape.values]
    width = max(map(len, cells))
    digits = -(-shape.width // 4)
    lines = []
    for first in range(0, len(cells), COLUMNS):
        row = "  ".join(cell.rjust(width) for cell in cells[first:first + COLUMNS])
        lines.append(f"  {first:#0{digits + 2}x}:  {row}")
    return "\n".join(lines)


def _number(value: Value) -> float | str:
    return value.value if isinstance(value, Special) else float(value)


def _text(value: Value) -> str:
    return value.value if isinstance(value, Special) else f"{float(value):g}"
