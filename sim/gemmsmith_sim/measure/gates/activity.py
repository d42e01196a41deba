"""Counts, over many cycles, of all that the energy of a netlist depends on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..liberty.expression import parse
from .netlist import Flops, Netlist, Nets
from .words import ALL, Words, count_ones

__all__ = ["Activity"]

Counts = NDArray[np.int64]


class Activity:
    """What happened between pairs of settled states.

    Members
    -------
    cycles, lanes: cycles counted, and lanes in each.
    toggles: transitions of each net.
    causes: transitions of an output in cycles in which an input had one too: (group of gates, output pin, input pin) →
        (instances,).
    edges: clock edges, by their energy in the library: (group of flip-flops, place in the clock pin's ``powers``) →
        (2, instances) rising edges after which no output changed, and falling edges.
    """

    def __init__(self, netlist: Netlist, lanes: int) -> None:
        self.netlist = netlist
        self.cycles = 0
        self.lanes = lanes
        self.toggles: Counts = np.zeros(len(netlist.names), np.int64)
        self.edges: dict[tuple[int, int], Counts] = {}
        self._pairs = [(group, output, pin) for group, gates in enumerate(netlist.gates)
                       for output in gates.outputs for pin in gates.inputs]
        none = np.empty(0, np.intp)
        self._outputs: Nets = np.concatenate(
            [none, *(np.r_[netlist.gates[group].outputs[output]] for group, output, _ in self._pairs)])
        self._inputs: Nets = np.concatenate(
            [none, *(netlist.gates[group].inputs[pin] for group, _, pin in self._pairs)])
        self._causes: Counts = np.zeros(len(self._inputs), np.int64)

    def add(self, before: Words, after: Words) -> None:
        """Count one cycle: all nets' values (nets, lanes / 64) before the rising edge, and at the end of the cycle."""
        changes = before ^ after
        self.cycles += 1
        self.toggles += count_ones(changes)
        self._causes += count_ones(changes[self._inputs] & changes[self._outputs])
        for group, flops in enumerate(self.netlist.flops):
            self._add_edges(group, flops, before, after, changes)

    @property
    def causes(self) -> Mapping[tuple[int, str, str], Counts]:
        ends = np.cumsum([len(self.netlist.gates[group].instances) for group, _, _ in self._pairs])
        return dict(zip(self._pairs, np.split(self._causes, ends[:-1]), strict=True))

    def _add_edges(self, group: int, flops: Flops, before: Words, after: Words, changes: Words) -> None:
        """The rising edge sees the state before it, the falling edge the settled state after."""
        still = ~np.bitwise_or.reduce([changes[nets] for nets in flops.outputs.values()])
        powers = flops.cell.pins[flops.clock].powers
        order = sorted(range(len(powers)), key=lambda index: powers[index].when is None)
        left = [still, np.full_like(still, ALL)]
        for index in order:
            counts = self.edges.setdefault((group, index), np.zeros((2, len(flops.instances)), np.int64))
            for edge, (state, level) in enumerate(((before, ALL), (after, np.uint64(0)))):
                held = _held(flops, powers[index].when, state, level) & left[edge]
                counts[edge] += count_ones(held)
                left[edge] &= ~held


def _held(flops: Flops, when: str | None, state: Words, clock: np.uint64) -> Words:
    """Where a condition on the pins of flip-flops holds; everywhere without one."""
    pins: dict[str, Words] = {pin: state[nets] for pin, nets in flops.inputs.items()}
    pins |= {pin: state[nets] for pin, nets in flops.outputs.items()}
    shape = next(iter(pins.values())).shape
    pins[flops.clock] = np.full(shape, clock)
    return np.broadcast_to(parse(when).evaluate(pins), shape) if when is not None else np.full(shape, ALL)
