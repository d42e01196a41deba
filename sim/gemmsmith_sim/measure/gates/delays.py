"""Delay, transition time and load of every net, from the library's tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..liberty.model import Cell, Table
from .netlist import Flops, Gates, Netlist
from .tables import MeanTables

__all__ = ["Delays", "delays_of"]

Floats = NDArray[np.float64]
Arc = Callable[[Cell, str, str], Table | None]


@dataclass(frozen=True, eq=False)
class Delays:
    """Arrays over the nets.

    Parameters
    ----------
    loads: capacitance of the input pins, fF. slews: transition times, ps.
    delays: of the gate that drives the net, ps; of a flip-flop from the clock; 0 of an input port.
    clock_slew: transition time of the clock, ps.
    """

    loads: Floats
    slews: Floats
    delays: Floats
    clock_slew: float


def delays_of(netlist: Netlist, tables: MeanTables, *, slew_ps: float, output_load_ff: float = 0.0) -> Delays:
    """One delay per gate: the mean over its inputs, over rise and fall, and over the states that the library lists, at
    the gate's own load and the transition times at its inputs.

    Parameters
    ----------
    tables: of the netlist's library.
    slew_ps: transition time of the input ports and of the clock.
    output_load_ff: on every output port, besides the pins inside.
    """
    count = len(netlist.names)
    result = Delays(netlist.loads(), np.full(count, slew_ps), np.zeros(count), slew_ps)
    for nets in netlist.outputs.values():
        np.add.at(result.loads, nets, output_load_ff)
    for flops in netlist.flops:
        for pin in flops.outputs:
            _set(result, tables, flops, pin, {flops.clock: np.full(len(flops.instances), slew_ps)})
    for gates in netlist.gates:
        for pin in gates.outputs:
            _set(result, tables, gates, pin, {name: result.slews[nets] for name, nets in gates.inputs.items()})
    return result


def _set(result: Delays, tables: MeanTables, part: Gates | Flops, output: str, slews: dict[str, Floats]) -> None:
    """Delay and transition time of one output pin, by the transition times at the pins that cause it."""
    nets = part.outputs[output]
    result.delays[nets] = _mean(part.cell, output, slews, result.loads[nets], tables.delay)
    result.slews[nets] = _mean(part.cell, output, slews, result.loads[nets], tables.slew)


def _mean(cell: Cell, output: str, slews: dict[str, Floats], loads: Floats, table: Arc) -> Floats | float:
    """Mean of the arcs' tables, in ps; extrapolation is stopped at 0."""
    found = [arc.lookup(slew, loads) for pin, slew in slews.items() if (arc := table(cell, output, pin)) is not None]
    return np.maximum(np.mean(found, axis=0), 0) if found else 0.0
