"""Tables of a cell, averaged: what a transition takes and costs where its direction and cause are not known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ..liberty.model import Cell, Table

__all__ = ["MeanTables", "mean_table"]

_Arc = tuple[str | None, Table | None, Table | None]
"""``when``, and the tables of rising and falling edges."""


def mean_table(tables: Sequence[Table]) -> Table | None:
    """The mean of several tables as one, on the grid of the largest; ``None`` for none."""
    if not tables:
        return None
    grid = max(tables, key=lambda table: table.values.size)
    values = [table.values if _same_grid(table, grid) else table.lookup(grid.index_1[:, None], grid.index_2[None, :])
              for table in tables]
    return Table(grid.index_1, grid.index_2, np.mean(values, axis=0))


class MeanTables:
    """Means over rise and fall and over all states (``when``) that a library lists, each with the same weight; an arc
    for all other states counts only where it is the only one.

    Each table is made once; cells are known by their names, so that all must be of one library. ``None`` where the
    library has none.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, ...], Table | None] = {}

    def delay(self, cell: Cell, output: str, related: str) -> Table | None:
        """From ``related`` to ``output``, ps."""
        return self._keep(("delay", cell.name, output, related), lambda: (
            (arc.when, arc.cell_rise, arc.cell_fall) for arc in cell.pins[output].timings
            if arc.related_pin == related))

    def slew(self, cell: Cell, output: str, related: str) -> Table | None:
        """Transition time of ``output`` if ``related`` caused it, ps."""
        return self._keep(("slew", cell.name, output, related), lambda: (
            (arc.when, arc.rise_transition, arc.fall_transition) for arc in cell.pins[output].timings
            if arc.related_pin == related))

    def energy(self, cell: Cell, output: str, related: str) -> Table | None:
        """Inside the cell, per transition of ``output`` that ``related`` caused, fJ."""
        return self._keep(("energy", cell.name, output, related), lambda: (
            (power.when, power.rise, power.fall) for power in cell.pins[output].powers
            if power.related_pin == related))

    def hidden(self, cell: Cell, pin: str) -> Table | None:
        """Inside the cell, per transition of an input that no output follows, fJ."""
        return self._keep(("hidden", cell.name, pin), lambda: (
            (power.when, power.rise, power.fall) for power in cell.pins[pin].powers))

    def _keep(self, key: tuple[str, ...], arcs: Callable[[], Iterable[_Arc]]) -> Table | None:
        if key not in self._kept:
            found = list(arcs())
            listed = [arc for arc in found if arc[0] is not None] or found
            self._kept[key] = mean_table([table for arc in listed for table in arc[1:] if table is not None])
        return self._kept[key]


def _same_grid(one: Table, other: Table) -> bool:
    return np.array_equal(one.index_1, other.index_1) and np.array_equal(one.index_2, other.index_2)
