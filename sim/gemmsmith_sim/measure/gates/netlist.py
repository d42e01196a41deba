"""A flat mapped netlist as the simulators want it: nets are numbers, and equal gates stand together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..liberty.expression import Expression
from ..liberty.model import Cell, Library

__all__ = ["Flops", "Gates", "Netlist", "Nets"]

Nets = NDArray[np.intp]
"""Numbers of nets."""


@dataclass(frozen=True, eq=False)
class Gates:
    """Combinational instances of one cell at one level: no input comes from the same or a higher level.

    ``instances`` are their names. By pin, ``inputs`` has the net of each instance, ``outputs`` the same as a range of
    consecutive nets (an open pin has a net of its own), ``functions`` what the output is of the inputs.
    """

    cell: Cell
    level: int
    instances: tuple[str, ...]
    inputs: Mapping[str, Nets]
    outputs: Mapping[str, slice]
    functions: Mapping[str, Expression]


@dataclass(frozen=True, eq=False)
class Flops:
    """Flip-flops of one cell, on the rising edge of the clock; otherwise like `Gates`.

    ``clock`` is the clock pin, which ``inputs`` leaves out; ``inverted`` says which outputs are the complement of the
    state.
    """

    cell: Cell
    instances: tuple[str, ...]
    clock: str
    inputs: Mapping[str, Nets]
    outputs: Mapping[str, slice]
    next_state: Expression
    inverted: Mapping[str, bool]


@dataclass(frozen=True, eq=False)
class Netlist:
    """One flat module.

    Parameters
    ----------
    name: of the module.
    names: of the nets, hierarchical where the netlist kept such names. Nets 0 and 1 are the constants.
    clock: name of the clock port; ``None`` without flip-flops.
    inputs, outputs: nets of each port, bit 0 first; the clock is not among the inputs.
    gates: in the order of their levels. flops: by cell.
    """

    name: str
    names: tuple[str, ...]
    clock: str | None
    inputs: Mapping[str, Nets]
    outputs: Mapping[str, Nets]
    gates: tuple[Gates, ...]
    flops: tuple[Flops, ...]

    @classmethod
    def load(cls, path: Path, library: Library) -> Netlist:
        """The only module of a file that Yosys' ``write_json`` wrote, all its cells being the library's.

        Raises
        ------
        ValueError
            If the file is no such netlist; or it has cells that the library lacks, latches, undefined constants, nets
            with several drivers or none, a combinational loop, more than one clock, a gated clock, flip-flops on the
            falling edge, or an asynchronous clear or preset that is not tied off.
        """
        from .read import read_netlist

        return read_netlist(path, library)

    @property
    def parts(self) -> tuple[Gates | Flops, ...]:
        """All instances, in groups."""
        return (*self.gates, *self.flops)

    @property
    def flop_nets(self) -> Nets:
        """Nets that change with the clock."""
        return _ranges(self.flops)

    @property
    def gate_nets(self) -> Nets:
        """Nets that gates drive."""
        return _ranges(self.gates)

    def loads(self) -> NDArray[np.float64]:
        """Capacitance of the input pins on each net, fF. There are no wires before layout, and no pads."""
        loads = np.zeros(len(self.names))
        for part in self.parts:
            for pin, nets in part.inputs.items():
                np.add.at(loads, nets, part.cell.pins[pin].capacitance_ff)
        return loads

    def clock_load(self) -> float:
        """Capacitance of the clock pins of all flip-flops, fF."""
        return sum(flops.cell.pins[flops.clock].capacitance_ff * len(flops.instances) for flops in self.flops)


def _ranges(parts: tuple[Gates, ...] | tuple[Flops, ...]) -> Nets:
    ranges = [np.r_[output] for part in parts for output in part.outputs.values()]
    return np.concatenate(ranges) if ranges else np.empty(0, np.intp)
