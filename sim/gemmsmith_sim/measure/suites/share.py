"""What one core of an array costs, with its share of everything that several cores have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from ..bench.record import Module

__all__ = ["PARTS", "ArrayShare", "array_share", "module_costs"]

PARTS = ("*_core", "*_tail", "*_edge", "*_row", "*_tile", "*_feeder", "*_drain")
"""Patterns of the modules that are mapped each by itself."""


@dataclass(frozen=True, kw_only=True)
class ArrayShare:
    """Costs of one core of an array; the unit is that of what was put in."""

    core: float
    tail: float
    """Of one tail, over the cores that it serves."""
    row_edge: float
    """Of one edge, over the columns."""
    column_edge: float
    """Of one edge, over the rows."""
    results: float
    """Registers that hold results for the tail, their multiplexers, and the result memory."""
    array: float
    """Feeder, drain, and memory of waiting tail operands, as those of a row; over the rows."""

    @property
    def total(self) -> float:
        """All of it."""
        return sum(asdict(self).values())

    def scaled(self, factor: float) -> ArrayShare:
        """Every cost times ``factor``."""
        return ArrayShare(**{name: value * factor for name, value in asdict(self).items()})


_PLACES = {
    "core": r"tile\.row_0\.core_\d+", "tail": r"tile\.row_0\.tail_\d+", "row_edge": r"tile\.row_0\.edge",
    "column_edge": r"tile\.column_\d+", "results": r"tile\.row_0", "array": r"tile",
}
"""Part → path of its instances; a path belongs to the first that matches it or an instance around it."""


def array_share(costs: Mapping[str, float], *, cores: int, rows: int, cols: int) -> ArrayShare:
    """The share of a core in an array of ``rows`` × ``cols``, from a row of ``cores`` behind one tail.

    Parameters
    ----------
    costs: path of a module instance in a build of level ``tile`` with one row → cost of what is its own. Register
        slices of the streams, outside of the tile, are not the array's and do not count.

    Raises ``ValueError`` if the costs are not those of such a build: no core among them.
    """
    sums = dict.fromkeys(_PLACES, 0.0)
    for path, cost in costs.items():
        part = next((part for part, place in _PLACES.items() if re.match(rf"{place}(\.|$)", path)), None)
        if part:
            sums[part] += cost
    if not sums["core"]:
        raise ValueError("there must be cores, tile.row_0.core_0 …, mapped by themselves")
    per_core = {part: cost / cores for part, cost in sums.items()}
    per_core["row_edge"] *= cores / cols
    per_core["column_edge"] /= rows
    per_core["array"] /= rows
    assert set(per_core) == {field.name for field in fields(ArrayShare)}
    return ArrayShare(**per_core)


def module_costs(module: Module, path: str = "") -> dict[str, float]:
    """Path → own cost, of a tree of modules."""
    found = {path: module.cells}
    for child in module.children:
        found |= module_costs(child, f"{path}.{child.instance}" if path else child.instance)
    return found
