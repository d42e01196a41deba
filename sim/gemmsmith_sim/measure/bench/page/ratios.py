"""The headline: what each unit costs and gives as a multiple of the baseline."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..record import Bench, Row
from .groups import Group
from .tables import UNIT, Cell, Head, Table
from .text import NONE, figure, ratio

__all__ = ["glance_table", "ratio_table"]

_COSTS = (("area", "area_per_throughput"), ("time", "time_per_mac"), ("energy", "energy_per_mac"))
"""Name of a cost, and of the ratio in `Relative`; all are per multiply-accumulate."""
_SAME = 1.005
"""Up to here a ratio is written 1.00."""


def ratio_table(bench: Bench, members: Sequence[Group]) -> Table:
    """Units of one level against the baseline, on all targets; ``members`` are the level's groups.

    Columns without any figure are left out. Errors are ratios too, perplexities are not.
    """
    units = list(dict.fromkeys(row.unit for group in members for row in group.rows))
    columns = _accuracy_columns(bench, members)
    for group in members:
        for title, name in _COSTS:
            cells = {row.unit: _ratio_cell(bench, row.unit, getattr(row.relative, name)) for row in group.rows}
            columns.append((Head(title, over=group.short), cells))
    used = [(head, cells) for head, cells in columns if any(cell.value is not None for cell in cells.values())]
    rows = [[Cell(unit, unit), *(cells.get(unit, Cell(NONE)) for _, cells in used)] for unit in units]
    caption = f"Cost per MAC and RMS error as multiples of {bench.baseline}'s; less is better"
    return Table(caption if bench.baseline else "Accuracy", [UNIT, *(head for head, _ in used)], rows)


def glance_table(bench: Bench, members: Sequence[Group]) -> Table | None:
    """The unit that costs least, for each target and cost: of all, and of those as accurate as the baseline.

    ``None`` without ratios.
    """
    same = f"least with no more error than {bench.baseline}"
    heads = [Head("target", numeric=False), Head("cost per MAC", numeric=False),
             Head("unit", over="least of all", numeric=False), Head("cost", over="least of all"),
             Head("RMS error", over="least of all"), Head("unit", over=same, numeric=False), Head("cost", over=same)]
    errors = _error_ratios(bench, members)
    rows = []
    for group in members:
        for title, name in _COSTS:
            costs = {row.unit: value for row in group.rows if (value := getattr(row.relative, name)) is not None}
            if len(costs) > 1:
                rows.append([Cell(group.short, group.short), Cell(title, title), *_least(bench, costs, errors)])
    return Table(f"Who costs least, as multiples of {bench.baseline}'s cost and error", heads, rows) if rows else None


def _least(bench: Bench, costs: dict[str, float], errors: dict[str, float]) -> list[Cell]:
    best = min(costs, key=costs.__getitem__)
    cells = [Cell(best, best), _ratio_cell(bench, best, costs[best]), _ratio_cell(bench, best, errors.get(best))]
    accurate = [unit for unit in costs if errors.get(unit, 2.0) < _SAME]
    if not accurate:
        return [*cells, Cell(NONE), Cell(NONE)]
    best = min(accurate, key=costs.__getitem__)
    return [*cells, Cell(best, best), _ratio_cell(bench, best, costs[best])]


def _accuracy_columns(bench: Bench, members: Sequence[Group]) -> list[tuple[Head, dict[str, Cell]]]:
    perplexities = _first(members, lambda row: row.perplexity)
    return [
        (Head("RMS error", over="accuracy"),
         {unit: _ratio_cell(bench, unit, value) for unit, value in _error_ratios(bench, members).items()}),
        (Head("perplexity", over="accuracy"),
         {unit: Cell(figure(value, 4), value) for unit, value in perplexities.items()}),
    ]


def _error_ratios(bench: Bench, members: Sequence[Group]) -> dict[str, float]:
    errors = _first(members, lambda row: row.error.relative_rms if row.error else None)
    base = errors.get(bench.baseline or "")
    return {unit: error / base for unit, error in errors.items()} if base else {}


def _first(members: Sequence[Group], get: Callable[[Row], float | None]) -> dict[str, float]:
    """Each unit's figure that does not depend on the target, from the first row that has it."""
    found: dict[str, float] = {}
    for row in (row for group in members for row in group.rows):
        value = get(row)
        if value is not None:
            found.setdefault(row.unit, value)
    return found


def _ratio_cell(bench: Bench, unit: str, value: float | None) -> Cell:
    if value is None:
        return Cell(NONE)
    neutral = unit == bench.baseline or 1 / _SAME < value < _SAME
    return Cell(ratio(value), value, "" if neutral else "better" if value < 1 else "worse")
