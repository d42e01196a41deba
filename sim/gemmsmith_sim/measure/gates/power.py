"""From counted transitions to energy, by the library's capacitances and tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .activity import Activity, Counts
from .delays import Delays
from .netlist import ClockGates, Flops, Gates, Netlist
from .tables import MeanTables

__all__ = ["Energies", "PowerModel"]

Floats = NDArray[np.float64]
Causes = Mapping[tuple[int, str, str], Counts]
"""See `Activity.causes`."""


@dataclass(frozen=True, eq=False)
class Energies:
    """Energy of every instance, fJ in all lanes and cycles together; arrays (instances,) in the order of
    ``Netlist.parts``, joined.

    Parameters
    ----------
    switching: charging the input pins on the nets that the instance drives; ``ports`` is that of the input ports.
    internal: inside the cell when an input or an output changes.
    clock: of flip-flops, at clock edges that change no output, and charging the clock pins; of clock gates, at all
        clock edges, and charging theirs.
    """

    switching: Floats
    internal: Floats
    clock: Floats
    ports: float

    def total(self) -> dict[str, float]:
        """Sums over the instances, and the ports."""
        return {"switching": float(self.switching.sum() + self.ports), "internal": float(self.internal.sum()),
                "clock": float(self.clock.sum())}


class PowerModel:
    """Energy per transition of everything in a netlist.

    Parameters
    ----------
    netlist, tables: of one library. delays: transition times and loads.
    voltage: supply, V.
    """

    def __init__(self, netlist: Netlist, delays: Delays, tables: MeanTables, voltage: float) -> None:
        self.netlist = netlist
        self.voltage = voltage
        self._delays = delays
        self._tables = tables
        self._per_toggle = delays.loads * voltage**2 / 2
        self._clock_loads = netlist.clock_loads()

    def energies(self, activity: Activity, toggles: Counts | None = None) -> Energies:
        """Energy of what ``activity`` counted; with ``toggles`` of the nets from elsewhere in place of its own."""
        toggles = activity.toggles if toggles is None else toggles
        charged = toggles * self._per_toggle
        causes = activity.causes
        internal = [self._gates(group, gates, toggles, causes) for group, gates in enumerate(self.netlist.gates)]
        internal += [self._clocked(part, toggles) for part in self.netlist.clocked]
        parts = self.netlist.parts
        return Energies(
            switching=_join([sum((charged[nets] for nets in part.outputs.values()), np.zeros(len(part.instances)))
                             for part in parts]),
            internal=_join(internal),
            clock=_join([*(np.zeros(len(gates.instances)) for gates in self.netlist.gates),
                         *(self._clock_edges(group, activity) for group in range(len(self.netlist.clocked)))]),
            ports=float(sum(charged[nets].sum() for nets in self.netlist.inputs.values())))

    def leakage_nw(self) -> Floats:
        """Leakage of every instance, nW; arrays as in `Energies`."""
        return _join([np.full(len(part.instances), part.cell.leakage_nw) for part in self.netlist.parts])

    def _gates(self, group: int, gates: Gates, toggles: Counts, causes: Causes) -> Floats:
        """Each transition of an output is put down to one of an input; other transitions of inputs are hidden.

        Inputs share an output's transitions as they changed in the same cycles as the output did.
        """
        energy = np.zeros(len(gates.instances))
        hidden = {pin: toggles[nets].astype(np.float64) for pin, nets in gates.inputs.items()}
        for output, nets in gates.outputs.items():
            counts = np.array([causes[group, output, pin] for pin in gates.inputs], np.float64)
            shares = np.divide(counts, counts.sum(axis=0), out=np.zeros_like(counts), where=counts.sum(axis=0) > 0)
            for pin, share in zip(gates.inputs, shares, strict=True):
                caused = toggles[nets] * share
                energy += caused * self._output_energy(gates, output, pin)
                hidden[pin] -= caused
        for pin, count in hidden.items():
            energy += np.maximum(count, 0) * self._hidden_energy(gates, pin)
        return energy

    def _output_energy(self, gates: Gates, output: str, pin: str) -> Floats | float:
        table = self._tables.energy(gates.cell, output, pin)
        if table is None:
            return 0.0
        return table.lookup(self._delays.slews[gates.inputs[pin]], self._delays.loads[gates.outputs[output]])

    def _hidden_energy(self, part: Gates | Flops | ClockGates, pin: str) -> Floats | float:
        table = self._tables.hidden(part.cell, pin)
        return 0.0 if table is None else table.lookup(self._delays.slews[part.inputs[pin]])

    def _clocked(self, part: Flops | ClockGates, toggles: Counts) -> Floats:
        """Outputs that change, with the clock edge that changes them, and transitions of inputs."""
        energy = np.zeros(len(part.instances))
        for output, nets in part.outputs.items():
            table = self._tables.energy(part.cell, output, part.clock)
            if table is not None:
                energy += toggles[nets] * table.lookup(self._delays.clock_slew, self._delays.loads[nets])
        for pin, inputs in part.inputs.items():
            energy += toggles[inputs] * self._hidden_energy(part, pin)
        return energy

    def _clock_edges(self, group: int, activity: Activity) -> Floats:
        part = self.netlist.clocked[group]
        pulses, loads = activity.pulses[0], {part.clock: np.array(0.0)}
        if isinstance(part, Flops):
            pulses = activity.pulses[part.clocks]
        else:  # behind a load that a gate may not have stand buffers of the clock tree
            most = part.cell.pins[part.output].max_capacitance_ff or np.inf
            loads[part.output] = np.minimum(self._clock_loads[part.clocks], most)
        energy = np.full(len(part.instances), pulses * part.cell.pins[part.clock].capacitance_ff * self.voltage**2)
        for pin, load in loads.items():
            for index, power in enumerate(part.cell.pins[pin].powers):
                for counts, table in zip(activity.edges[group, pin, index], (power.rise, power.fall), strict=True):
                    if table is not None:
                        energy += counts * table.lookup(self._delays.clock_slew, load)
        return energy


def _join(arrays: list[Floats]) -> Floats:
    return np.concatenate(arrays) if arrays else np.empty(0)
