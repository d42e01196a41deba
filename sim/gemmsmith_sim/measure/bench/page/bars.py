"""Charts with a line for every unit: what energy goes into, how frequencies scatter."""

from __future__ import annotations

from collections.abc import Iterable

import altair as alt

from .groups import Group
from .plot import INK, SHADES, STACK, Chart, finish, not_shown
from .text import figure

__all__ = ["energy", "frequency"]

BAND = 30
"""Pixels for a unit."""


def energy(group: Group) -> Chart | None:
    """Bars of what energy goes into, a tick where it would be without glitches; ``None`` if none was measured."""
    rows = [row for row in group.rows if row.energy]
    measured = [(row.unit, row.energy) for row in rows if row.energy]
    parts = list(dict.fromkeys(part for _, energy in measured for part in energy.breakdown))
    if not parts:
        return None
    noisy = [(unit, energy) for unit, energy in measured if energy.fj_per_mac_glitch is not None]
    y = alt.Y("unit:N").sort(None).title(None)
    bars = alt.Chart(_data(
        {"unit": unit, "part": part, "order": parts.index(part), "energy": value}
        for unit, energy in measured for part, value in energy.breakdown.items())).mark_bar(
            height={"band": 0.75}).encode(
        alt.X("energy:Q").title("energy, fJ per MAC").axis(tickCount=5), y,
        alt.Color("part:N").sort(parts).scale(domain=parts, range=STACK).title(None).legend(orient="top"),
        alt.Order("order:Q"),
        tooltip=[alt.Tooltip("unit:N"), alt.Tooltip("part:N"), _tip("energy", "fJ per MAC", ".3g")])
    sums = alt.Chart(_data(
        {"unit": row.unit, "energy": row.fj_per_mac, "text": figure(row.fj_per_mac)} for row in rows)).mark_text(
            align="left", dx=4, color=INK).encode(x="energy:Q", y=y, text="text:N")
    ticks = alt.Chart(_data({"unit": unit, "energy": energy.fj_per_mac} for unit, energy in noisy)).mark_tick(
        color=INK, thickness=3, height={"band": 0.95}).encode(
            x="energy:Q", y=y, tooltip=[alt.Tooltip("unit:N"), _tip("energy", "fJ per MAC without glitches", ".3g")])
    height = BAND * len(rows)
    return Chart("Where the energy goes", _glitches(group), f"Energy in fJ per MAC, {group.title}: " + _listed(
        (row.unit, row.fj_per_mac) for row in rows), finish(alt.layer(bars, sums, ticks), height), height + 90)


def _glitches(group: Group) -> str:
    measured = [row for row in group.rows if row.energy]
    quiet = [row.unit for row in measured if row.energy and row.energy.fj_per_mac_glitch is None]
    said = "fJ per useful multiply-accumulate, before layout"
    if len(quiet) == len(measured):
        return f"{said}, without glitches." + not_shown(group.rows, measured)
    only = f" Without glitches only: {', '.join(quiet)}." if quiet else ""
    return f"{said}, with glitches; the tick is the figure without them.{only}" + not_shown(group.rows, measured)


def frequency(group: Group) -> Chart | None:
    """Every seed's frequency, quartiles and median; ``None`` without place and route."""
    rows = [row for row in group.rows if row.fmax_mhz and row.fmax_mhz.seeds]
    if not rows:
        return None
    placed = [(row.unit, row.fmax_mhz) for row in rows if row.fmax_mhz]
    y = alt.Y("unit:N").sort(None).title(None)
    tips = [alt.Tooltip("unit:N"), *(_tip(name, f"{name}, MHz", ".1f") for name in ("median", "q1", "q3"))]
    base = alt.Chart(_data(
        {"unit": unit, "q1": fmax.q1, "q3": fmax.q3, "median": fmax.median} for unit, fmax in placed)).encode(
            y=y, tooltip=tips)
    box = base.mark_bar(height={"band": 0.6}, color=SHADES[0], opacity=0.45).encode(
        alt.X("q1:Q").scale(zero=False, padding=12).title("Fmax, MHz").axis(tickCount=6), alt.X2("q3:Q"))
    middle = base.mark_tick(color=INK, thickness=3, height={"band": 0.7}).encode(x="median:Q")
    dots = alt.Chart(_data(
        {"unit": unit, "seed": seed, "mhz": mhz} for unit, fmax in placed for seed, mhz in fmax.seeds.items()
    )).mark_circle(size=28, color=INK, opacity=0.8).encode(
        alt.X("mhz:Q"), y, tooltip=[alt.Tooltip("unit:N"), alt.Tooltip("seed:N"), _tip("mhz", "MHz", ".1f")])
    height = BAND * len(rows)
    return Chart("Clock frequency", "After place and route. Dots: placer seeds; box: quartiles; tick: median." +
                 not_shown(group.rows, rows), f"Median Fmax in MHz, {group.title}: " + _listed(
                     (unit, fmax.median) for unit, fmax in placed),
                 finish(alt.layer(box, middle, dots), height), height + 50)


def _data(values: Iterable[dict[str, object]]) -> alt.Data:
    return alt.Data(values=list(values))


def _tip(field: str, title: str, form: str) -> alt.Tooltip:
    return alt.Tooltip(f"{field}:Q", title=title, format=form)


def _listed(pairs: Iterable[tuple[str, float | None]]) -> str:
    return ", ".join(f"{unit} {figure(value)}" for unit, value in pairs) + "."
