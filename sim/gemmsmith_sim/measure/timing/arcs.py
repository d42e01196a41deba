"""The timing arcs of one library cell, stacked so that many instances are looked up at once."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..liberty.model import Cell, Floats, Pin, Table, Timing, interpolate

__all__ = ["Arcs", "clock_arcs", "gate_arcs", "setup_ps"]

_IN_EDGES = {  # of the input, for a rising (0) and a falling (1) output
    "positive_unate": ((0,), (1,)),
    "negative_unate": ((1,), (0,)),
    "non_unate": ((0, 1), (0, 1)),
}
_OUT_EDGES = {"combinational": (0, 1), "combinational_rise": (0,), "combinational_fall": (1,)}


@dataclass(frozen=True, eq=False)
class _Stack:
    """Tables on one grid, and which arcs (``columns``) they belong to."""

    index_1: Floats
    index_2: Floats
    values: Floats
    columns: npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Arcs:
    """All arcs to one edge of one output, whatever their condition (``when``)."""

    pins: tuple[str, ...]
    """Input pin of each arc."""
    edges: npt.NDArray[np.intp]
    """Edge there: 0 rises, 1 falls."""
    delays: tuple[_Stack, ...]
    transitions: tuple[_Stack, ...]

    def lookup(self, slews: Floats, loads: Floats) -> tuple[Floats, Floats]:
        """Delay and transition time at the output, ps, of shape (instances, arcs).

        ``slews`` has that shape too, ``loads`` is (instances,). Transition times are never negative.
        """
        return _lookup(self.delays, slews, loads), np.maximum(_lookup(self.transitions, slews, loads), 0)


def gate_arcs(pin: Pin, edge: int) -> Arcs | None:
    """Arcs through a gate to an edge of its output ``pin``; ``None`` if there are none (constants)."""
    return _arcs(
        ((timing, in_edge) for timing in pin.timings if edge in _OUT_EDGES.get(timing.timing_type, ())
         for in_edge in _IN_EDGES[timing.sense][edge]),
        edge,
    )  # fmt: skip


def clock_arcs(pin: Pin, edge: int) -> Arcs | None:
    """Arcs from the active clock edge of a flip-flop to an edge of its output ``pin``."""
    starts = {"rising_edge": 0, "falling_edge": 1}
    return _arcs(((timing, starts[timing.timing_type]) for timing in pin.timings if timing.timing_type in starts), edge)


def setup_ps(cell: Cell, pin: Pin, edge: int, slews: Floats, clock_slew: float) -> Floats | None:
    """Time before the clock at which data with these transition times must be there; ``None``: unconstrained."""
    tables = [
        table
        for timing in pin.timings
        if timing.timing_type in ("setup_rising", "setup_falling") and cell.pins[timing.related_pin].clock
        if (table := (timing.rise_constraint, timing.fall_constraint)[edge]) is not None
    ]
    if not tables:
        return None
    return np.asarray(np.max([table.lookup(slews, clock_slew) for table in tables], axis=0))


def _arcs(timings: Iterable[tuple[Timing, int]], edge: int) -> Arcs | None:
    found = [(timing.related_pin, in_edge, *tables) for timing, in_edge in timings
             if (tables := _tables(timing, edge)) is not None]  # fmt: skip
    if not found:
        return None
    pins, edges, delays, transitions = zip(*found, strict=True)
    return Arcs(pins, np.array(edges), tuple(_stacks(delays)), tuple(_stacks(transitions)))


def _tables(timing: Timing, edge: int) -> tuple[Table, Table] | None:
    delay = (timing.cell_rise, timing.cell_fall)[edge]
    transition = (timing.rise_transition, timing.fall_transition)[edge]
    return None if delay is None or transition is None else (delay, transition)


def _stacks(tables: Sequence[Table]) -> Iterator[_Stack]:
    grids: dict[tuple[bytes, bytes], list[int]] = defaultdict(list)
    for column, table in enumerate(tables):
        grids[table.index_1.tobytes(), table.index_2.tobytes()].append(column)
    for columns in grids.values():
        first = tables[columns[0]]
        values = np.stack([tables[column].values for column in columns])
        yield _Stack(first.index_1, first.index_2, values, np.array(columns))


def _lookup(stacks: Sequence[_Stack], slews: Floats, loads: Floats) -> Floats:
    result = np.empty(slews.shape)
    for stack in stacks:
        points = (slews[:, stack.columns], loads[:, None])
        result[:, stack.columns] = interpolate(stack.index_1, stack.index_2, stack.values, *points)
    return result
