"""Show measurements: as JSON, as a table on a terminal, as Markdown.

Every rendering says whether figures are pre-layout or placed, and with which tools, scripts and seeds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.markup import escape
from rich.table import Table

from .anchors import Anchor
from .pnr import PnrResult
from .synth import SynthResult
from .targets import get_target

__all__ = ["Measurement", "markdown", "provenance", "table", "to_dict"]

_HEADER = ("unit", "LUT", "carry", "FF", "DSP", "BRAM", "eq", "eq per MAC", "depth", "Fmax MHz")
_NONE = "–"


@dataclass(frozen=True)
class Measurement:
    """One line of a report."""

    name: str
    synth: SynthResult
    pnr: PnrResult | None = None
    macs_per_cycle: float | None = None
    """What the unit computes per cycle, for cost figures; ``None`` if it is no multiply-accumulate unit."""


def to_dict(measurement: Measurement) -> dict[str, Any]:
    """A measurement as JSON values, with its provenance."""
    return {
        "name": measurement.name,
        "macs_per_cycle": measurement.macs_per_cycle,
        "eq_per_mac": _eq_per_mac(measurement),
        "synth": measurement.synth.to_dict(),
        "pnr": measurement.pnr.to_dict() if measurement.pnr else None,
        "provenance": provenance([measurement]),
    }


def table(measurements: Sequence[Measurement], *, anchors: Iterable[Anchor] = ()) -> Table:
    """A `rich` table with one line per unit, ``anchors`` below, provenance last.

    Raises
    ------
    ValueError
        If the measurements are not all of one target, or there are none; or if anchors are asked for on
        another target than theirs.
    """
    ours, theirs = _rows(measurements, anchors)
    result = Table(
        title=get_target(measurements[0].synth.target).title,
        caption=escape("\n".join(provenance(measurements))),
        caption_justify="left",
    )
    for column in _HEADER:
        result.add_column(column, justify="left" if column == "unit" else "right")
    for row in ours:
        result.add_row(*map(escape, row))
    result.add_section()
    for row in theirs:
        result.add_row(*map(escape, row), style="dim")
    return result


def markdown(measurements: Sequence[Measurement], *, anchors: Iterable[Anchor] = ()) -> str:
    """The same as `table` in Markdown; raises the same."""
    ours, theirs = _rows(measurements, anchors)
    lines = ["| " + " | ".join(_HEADER) + " |", "|---" + "|---:" * (len(_HEADER) - 1) + "|"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in [*ours, *theirs]]
    lines += ["", *(f"- {line}" for line in provenance(measurements))]
    return "\n".join(lines) + "\n"


def provenance(measurements: Sequence[Measurement]) -> list[str]:
    """How the figures came about: kind of figure, tools, scripts, seeds. Each line once."""
    lines: dict[str, None] = {}
    for measurement in measurements:
        synth, pnr = measurement.synth, measurement.pnr
        lines[f"Cells: pre-layout, {_tools(synth.versions)}: {_one_line(synth.script)}"] = None
        if synth.undriven:
            lines[f"{measurement.name}: wires without a driver: {' '.join(synth.undriven[:5])}"] = None
        if pnr is None:
            lines[f"{measurement.name}: not placed, so no frequency"] = None
        else:
            seeds = ", ".join(map(str, pnr.seeds))
            lines[
                f"Frequency: placed and routed, {_tools(pnr.versions)}, median (lowest to highest) of seeds "
                f"{seeds}: {pnr.script}"
            ] = None
    return list(lines)


def _rows(
    measurements: Sequence[Measurement], anchors: Iterable[Anchor]
) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    targets = sorted({measurement.synth.target for measurement in measurements})
    if len(targets) != 1:
        raise ValueError(f"measurements must be of one target, not of {targets}")
    theirs = [_anchor_row(anchor) for anchor in anchors]
    if theirs and targets != ["ecp5"]:
        raise ValueError(f"anchors were measured on ecp5; they cannot stand beside figures of {targets[0]}")
    return [_row(measurement) for measurement in measurements], theirs


def _row(measurement: Measurement) -> tuple[str, ...]:
    synth = measurement.synth
    counts = (synth.luts + synth.lutram_luts, synth.carries, synth.ffs, synth.dsps, synth.brams)
    cost = _eq_per_mac(measurement)
    return (
        measurement.name,
        *map(str, counts),
        _NONE if synth.eq is None else str(synth.eq),
        _NONE if cost is None else f"{cost:.0f}",
        _NONE if synth.logic_depth is None else str(synth.logic_depth),
        _frequency(measurement.pnr),
    )


def _anchor_row(anchor: Anchor) -> tuple[str, ...]:
    cost = _NONE if anchor.dsps else f"{anchor.eq_per_mac:.0f}"
    counts = (anchor.luts, anchor.carries, anchor.ffs, anchor.dsps, 0, anchor.eq)
    fmax = _NONE if anchor.fmax is None else f"{anchor.fmax:g} (1 seed)"
    return f"{anchor.name} [{anchor.source}]: {anchor.computes}", *map(str, counts), cost, _NONE, fmax


def _eq_per_mac(measurement: Measurement) -> float | None:
    """LUT sites per multiply-accumulate; ``None`` where DSP blocks or block RAMs do part of the work."""
    synth = measurement.synth
    if synth.eq is None or not measurement.macs_per_cycle or synth.dsps or synth.brams:
        return None
    return synth.eq / measurement.macs_per_cycle


def _frequency(pnr: PnrResult | None) -> str:
    if pnr is None:
        return _NONE
    low, high = pnr.spread
    return f"{pnr.median:.1f} ({low:.1f} to {high:.1f})"


def _tools(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _one_line(script: str) -> str:
    """The synthesis command of a script, without reading sources and writing statistics."""
    return next(line for line in script.splitlines() if line.startswith("synth_"))
