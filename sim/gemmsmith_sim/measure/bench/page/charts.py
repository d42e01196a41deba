"""The charts of a group: area against throughput against error, energy, frequency."""

from __future__ import annotations

from . import bars
from .groups import Group
from .plot import Chart
from .scatter import RMS, Axis, scatter

__all__ = ["charts", "sentences"]


def charts(group: Group) -> list[Chart]:
    """Those that the group's figures suffice for."""
    unit = group.area_unit
    speed = Axis("throughput", "GMAC/s", lambda row: row.throughput, sign=-1)
    if not any(row.fmax_mhz for row in group.rows):
        speed = Axis("peak throughput", "MAC per cycle", lambda row: row.macs_per_cycle, sign=-1)
    size = Axis("area", unit, lambda row: row.area if row.shows_all_area else None)
    cost = Axis("area per throughput", f"{unit} per MAC/cycle", lambda row: row.area_per_throughput)
    energy = Axis("energy", "fJ per MAC", lambda row: row.fj_per_mac)
    drawn = (scatter("Area and throughput", group, size, speed, colour=RMS),
             scatter("What accuracy costs: area", group, RMS, cost),
             scatter("What accuracy costs: energy", group, RMS, energy),
             bars.energy(group), bars.frequency(group))
    return [chart for chart in drawn if chart is not None]


def sentences(group: Group) -> list[str]:
    """Why a chart is missing, or rows are missing from it."""
    rows, said = group.rows, []
    hidden = [row.unit for row in rows if row.area is not None and not row.shows_all_area]
    if hidden:
        said.append(f"Left out of the charts of area: {', '.join(hidden)}. DSP blocks or block RAMs do part of the "
                    f"work, and area in {group.area_unit} does not count them.")
    if not any(row.fmax_mhz for row in rows):
        said.append("No frequency was measured here: throughput is per cycle.")
    elif not any(row.fmax_mhz and row.fmax_mhz.seeds for row in rows):
        said.append("Frequencies are of static timing, one for each unit and without spread: see the table.")
    if not any(row.energy for row in rows):
        said.append("No energy was measured here.")
    if not any(row.error for row in rows):
        said.append("No error was measured here, so no chart sets cost against accuracy.")
    return said
