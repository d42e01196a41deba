"""What all charts of a report share: their looks, and what the page needs to show one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import altair as alt

from ..record import Row

__all__ = ["INK", "SHADES", "STACK", "Chart", "finish", "not_shown"]

INK = "currentColor"
"""The page's colour of text, light or dark."""
SHADES = ["#2f80d8", "#8d74b8", "#dd6a1f"]
STACK = ["#0072b2", "#d55e00", "#009e73", "#b5609a"]
"""Told apart by colour-blind eyes, and visible on white as on the page's dark."""


@dataclass(frozen=True)
class Chart:
    """A chart on the page."""

    title: str
    caption: str
    summary: str
    """What it shows, for who cannot see it."""
    spec: dict[str, Any]
    """Vega-Lite."""
    height: int
    """Pixels that the page keeps free until it is drawn."""


def finish(chart: alt.LayerChart | alt.FacetChart, height: int) -> dict[str, Any]:
    """The specification: ``height`` pixels high, as wide as its place on the page, in the page's colours."""
    axis = {"domainColor": INK, "tickColor": INK, "gridColor": INK, "labelColor": INK, "titleColor": INK,
            "gridOpacity": 0.13, "domainOpacity": 0.5, "tickOpacity": 0.5, "labelFontSize": 12, "titleFontSize": 12,
            "titleFontWeight": "normal", "labelLimit": 130}
    legend = {"labelColor": INK, "titleColor": INK, "labelFontSize": 12, "titleFontSize": 12,
              "titleFontWeight": "normal", "symbolStrokeWidth": 0}
    sized = chart.properties(width="container", height=height, background="transparent",
                             autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))
    return sized.configure(axis=axis, legend=legend, view={"stroke": None}, font="system-ui, sans-serif").to_dict()


def not_shown(rows: Iterable[Row], shown: Iterable[Row]) -> str:
    """A sentence on the rows that a chart leaves out, with a space before it; empty if it shows all."""
    kept = {row.unit for row in shown}
    names = [row.unit for row in rows if row.unit not in kept]
    return f" Not shown, since a figure is missing or zero: {', '.join(names)}." if names else ""
