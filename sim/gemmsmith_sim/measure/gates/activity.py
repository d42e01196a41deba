"""Counts, over many cycles, of all that the energy of a netlist depends on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..liberty.expression import parse
from .netlist import ClockGates, Flops, Netlist, Nets
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
    pulses: of each clock, numbered as in `Netlist`.
    edges: clock edges, by their energy in the library: (place in ``Netlist.clocked``, pin, place in its ``powers``) →
        (2, instances) rising and falling edges. At a clock pin those that no output follows: of a flip-flop, rising
        edges after which no output changed, and all falling ones; of a clock gate, those that it stopped. At the
        output of a clock gate those that it let pass.
    """

    def __init__(self, netlist: Netlist, lanes: int) -> None:
        self.netlist = netlist
        self.cycles = 0
        self.lanes = lanes
        self.toggles: Counts = np.zeros(len(netlist.names), np.int64)
        self.pulses: Counts = np.zeros(len(netlist.clock_loads()), np.int64)
        self.edges: dict[tuple[int, str, int], Counts] = {}
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
        pulses = self.netlist.pulses(before)
        self.pulses += count_ones(pulses)
        for group, part in enumerate(self.netlist.clocked):
            if isinstance(part, Flops):
                reached = pulses[part.clocks]
                still = reached & ~np.bitwise_or.reduce([changes[nets] for nets in part.outputs.values()])
                self._add_edges(group, part.clock, (still, reached), (before, after))
            else:
                passed = pulses[part.clocks]
                self._add_edges(group, part.clock, (~passed, ~passed), (before, after))
                self._add_edges(group, part.output, (passed, passed), (before, after))

    @property
    def causes(self) -> Mapping[tuple[int, str, str], Counts]:
        ends = np.cumsum([len(self.netlist.gates[group].instances) for group, _, _ in self._pairs])
        return dict(zip(self._pairs, np.split(self._causes, ends[:-1]), strict=True))

    def _add_edges(self, group: int, pin: str, edges: tuple[Words, Words], states: tuple[Words, Words]) -> None:
        """Count edges, rising and falling, where they are: each by the settled state before it."""
        part = self.netlist.clocked[group]
        powers = part.cell.pins[pin].powers
        order = sorted(range(len(powers)), key=lambda index: powers[index].when is None)
        left = list(edges)
        for index in order:
            counts = self.edges.setdefault((group, pin, index), np.zeros((2, len(part.instances)), np.int64))
            for edge, (state, level) in enumerate(zip(states, (ALL, np.uint64(0)), strict=True)):
                held = _held(part, powers[index].when, state, level) & left[edge]
                counts[edge] += count_ones(held)
                left[edge] = left[edge] & ~held


def _held(part: Flops | ClockGates, when: str | None, state: Words, clock: np.uint64) -> Words:
    """Where a condition on the pins of instances holds; everywhere without one."""
    shape = (len(part.instances), state.shape[1])
    if when is None:
        return np.full(shape, ALL)
    pins: dict[str, Words] = {pin: state[nets] for pin, nets in part.inputs.items()}
    pins |= {pin: state[nets] for pin, nets in part.outputs.items()}
    pins[part.clock] = np.full(shape, clock)
    if isinstance(part, ClockGates):
        pins[part.output] = np.zeros(shape, np.uint64)  # asked for only where the clock is stopped
    return np.broadcast_to(parse(when).evaluate(pins), shape)
