"""A flat mapped netlist as the simulators want it: nets are numbers, and equal gates stand together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..liberty.expression import Expression
from ..liberty.model import Cell, Library
from .words import ALL, Words

__all__ = ["ClockGates", "Flops", "Gates", "Netlist", "Nets"]

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
class ClockGates:
    """Integrated clock gates of one cell; otherwise like `Gates`.

    ``clock`` and ``output`` are the pins of the clock before and behind, which are not in ``inputs`` and ``outputs``:
    clocks are no nets. ``clocks`` are the numbers of those behind (see `Netlist`), ``passes`` is what of the inputs
    must be 1 before a rising edge to let it pass.
    """

    cell: Cell
    instances: tuple[str, ...]
    clock: str
    output: str
    clocks: slice
    inputs: Mapping[str, Nets]
    passes: Expression

    @property
    def outputs(self) -> Mapping[str, slice]:
        return {}


@dataclass(frozen=True, eq=False)
class Flops:
    """Flip-flops of one cell, on the rising edge of a clock; otherwise like `Gates`.

    ``clock`` is the clock pin, which ``inputs`` leaves out, ``clocks`` the number of each instance's clock (see
    `Netlist`); ``inverted`` says which outputs are the complement of the state.
    """

    cell: Cell
    instances: tuple[str, ...]
    clock: str
    clocks: Nets
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
    clock_gates: by cell. Clock 0 is the port, clock i the output of the i-th clock gate in this order; gates are
        clocked by the port.
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
    clock_gates: tuple[ClockGates, ...]

    @classmethod
    def load(cls, path: Path, library: Library) -> Netlist:
        """The only module of a file that Yosys' ``write_json`` wrote, all its cells being the library's.

        Raises
        ------
        ValueError
            If the file is no such netlist; or it has cells that the library lacks, latches, undefined constants, nets
            with several drivers or none, a combinational loop, a clock that is neither the one port nor that port's
            behind one integrated clock gate (with a latch, for the rising edge), flip-flops on the falling edge, or
            an asynchronous clear or preset that is not tied off.
        """
        from .read import read_netlist

        return read_netlist(path, library)

    @property
    def parts(self) -> tuple[Gates | Flops | ClockGates, ...]:
        """All instances, in groups."""
        return (*self.gates, *self.flops, *self.clock_gates)

    @property
    def clocked(self) -> tuple[Flops | ClockGates, ...]:
        """Instances with a clock pin, in groups."""
        return (*self.flops, *self.clock_gates)

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

    def clock_loads(self) -> NDArray[np.float64]:
        """Capacitance of the pins on each clock, fF: of flip-flops, on that of the port also of clock gates."""
        loads = np.zeros(1 + sum(len(group.instances) for group in self.clock_gates))
        for flops in self.flops:
            np.add.at(loads, flops.clocks, flops.cell.pins[flops.clock].capacitance_ff)
        for group in self.clock_gates:
            loads[0] += group.cell.pins[group.clock].capacitance_ff * len(group.instances)
        return loads

    def pulses(self, state: Words) -> Words:
        """Which clocks have a rising edge next, words (clocks, W), if it comes in this settled state of the nets."""
        gated = [group.passes.evaluate({pin: state[nets] for pin, nets in group.inputs.items()})
                 for group in self.clock_gates]
        return np.concatenate([np.full((1, state.shape[1]), ALL), *gated])


def _ranges(parts: tuple[Gates, ...] | tuple[Flops, ...]) -> Nets:
    ranges = [np.r_[output] for part in parts for output in part.outputs.values()]
    return np.concatenate(ranges) if ranges else np.empty(0, np.intp)
