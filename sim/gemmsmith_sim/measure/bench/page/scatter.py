"""Charts of two costs against each other, with the front of what nothing beats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import altair as alt

from ..record import Row
from .groups import Group, front
from .plot import INK, SHADES, Chart, finish, not_shown

__all__ = ["RMS", "Axis", "scatter"]

HEIGHT = 320


@dataclass(frozen=True)
class Axis:
    """A figure of a row."""

    name: str
    unit: str
    get: Callable[[Row], float | None]
    sign: int = 1
    """-1 where more is better."""
    form: str = "~g"
    """Of the labels, as d3 writes it."""

    @property
    def title(self) -> str:
        return f"{self.name}, {self.unit}"

    def place(self, row: Row) -> float:
        """The row's place on a logarithmic axis; 0 if it has none."""
        return self.get(row) or 0.0


RMS = Axis("RMS error", "relative", lambda row: row.error.relative_rms if row.error else None, form=".0e")


def scatter(title: str, group: Group, x: Axis, y: Axis, colour: Axis | None = None) -> Chart | None:
    """Two figures on logarithmic axes; ``None`` if no row has both. A third as colour, if every row has it."""
    rows = [row for row in group.rows if x.place(row) > 0 and y.place(row) > 0]
    if not rows:
        return None
    if colour and not all(colour.place(row) > 0 for row in rows):
        colour = None
    values: list[dict[str, Any]] = [{"unit": row.unit, "x": x.place(row), "y": y.place(row)} for row in rows]
    keys = [(x.sign * value["x"], y.sign * value["y"]) for value in values]
    line = sorted((values[index] for index in front(keys)), key=lambda value: value["x"])
    if colour:
        errors = [colour.place(row) for row in rows]
        unbeaten = front([(*key, colour.sign * error) for key, error in zip(keys, errors, strict=True)])
        for index, value in enumerate(values):
            value |= {"colour": errors[index], "unbeaten": index in unbeaten}
    names = ", ".join(value["unit"] for value in line)
    caption = _caption(names if len(line) == 1 else "", x, y, colour) + not_shown(group.rows, rows)
    summary = f"{title} of {len(rows)} units, {group.title}. Not beaten in both: {names}."
    spec = finish(alt.layer(_line(line, x, y), _points(values, x, y, colour)), HEIGHT)
    return Chart(title, caption, summary, spec, HEIGHT)


def _caption(winner: str, x: Axis, y: Axis, colour: Axis | None) -> str:
    both = f"both {x.name} and {y.name}"
    said = f"Logarithmic axes. {winner} is ahead in {both}." if winner else (
        f"Logarithmic axes. Line: units that no other beats in {both}.")
    if colour:
        said += f" Colour: {colour.name}. Large: units that no other beats once that counts as well."
    return said


# The page's script finds the marks by the names "front" and "points", to label the one and spare the other.


def _line(values: list[dict[str, Any]], x: Axis, y: Axis) -> alt.Chart:
    return alt.Chart(alt.Data(values=values), name="front").mark_line(
        interpolate="step-after", color=INK, opacity=0.45, strokeWidth=1.5).encode(_scale(alt.X, x), _scale(alt.Y, y))


def _points(values: list[dict[str, Any]], x: Axis, y: Axis, colour: Axis | None) -> alt.Chart:
    tooltip = [alt.Tooltip("unit:N"), _tip("x", x), _tip("y", y)]
    shade: Any = alt.value(SHADES[0])
    size: Any = alt.value(90)
    if colour:
        tooltip.append(_tip("colour", colour))
        shade = alt.Color("colour:Q").scale(type="log", range=SHADES).title(colour.title).legend(
            orient="top", format=".0e", tickCount=3, gradientThickness=10)
        size = alt.condition("datum.unbeaten", alt.value(130), alt.value(45))
    return alt.Chart(alt.Data(values=values), name="points").mark_circle(
        opacity=1, stroke=INK, strokeWidth=0.7).encode(
            _scale(alt.X, x), _scale(alt.Y, y), color=shade, size=size, tooltip=tooltip)


def _scale(channel: type[alt.X] | type[alt.Y], axis: Axis) -> Any:
    scale = alt.Scale(type="log", nice=False, padding=28)
    return channel(f"{'x' if channel is alt.X else 'y'}:Q", scale=scale, title=axis.title,
                   axis=alt.Axis(format=axis.form, tickCount=5, labelOverlap=True))


def _tip(field: str, axis: Axis) -> alt.Tooltip:
    return alt.Tooltip(f"{field}:Q", title=axis.title, format=".3g")
