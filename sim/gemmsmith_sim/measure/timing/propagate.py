"""Arrival and transition times of every net of a netlist."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ..liberty.model import Floats, Pin
from .arcs import Arcs, clock_arcs, gate_arcs
from .graph import Graph

__all__ = ["IN", "REG", "Times"]

REG, IN = 0, 1
"""Origins of transitions: the clock edge at a flip-flop, an input port."""


class Times:
    """When each net settles at the latest; made once, then read.

    The arrays have a last net that stands for all pins that nothing arrives at.
    """

    arrivals: Floats
    """By origin, net and edge, ps; -inf where nothing arrives."""
    slews: Floats
    """By net and edge, ps: the longest transition time of all that arrive."""
    drivers: npt.NDArray[np.intp]
    """By net: index of the instance, -1 for ports."""

    def __init__(self, graph: Graph, input_slew: float) -> None:
        nets = len(graph.loads) + 1
        self._graph = graph
        self._arcs: dict[tuple[str, str, int], tuple[int, Arcs | None]] = {}
        self._sources: list[tuple[str, int]] = []
        self._best = np.full((2, nets, 2), -1)  # by origin, net and edge: index into _sources
        self.arrivals = np.full((2, nets, 2), -np.inf)
        self.slews = np.zeros((nets, 2))
        self.drivers = np.full(nets, -1)
        for origin, starts in ((REG, graph.clocks), (IN, graph.inputs)):
            self.arrivals[origin, starts] = 0
            self.slews[starts] = input_slew
        for members in graph.flip_flops.values():
            self._drive(members, clock_arcs)
        for level in graph.levels:
            for members in level.values():
                self._drive(members, gate_arcs)

    def source(self, origin: int, net: int, edge: int) -> tuple[str, int] | None:
        """Pin of the driver, and edge there, that the latest transition comes from; ``None`` at a beginning."""
        best = self._best[origin, net, edge]
        return self._sources[best] if best >= 0 else None

    def _drive(self, members: Sequence[int], arcs_of: Callable[[Pin, int], Arcs | None]) -> None:
        """Outputs of instances of one cell, whose inputs have settled."""
        cell = self._graph.instances[members[0]].cell
        for pin in cell.outputs:
            driving = [member for member in members if pin.name in self._graph.instances[member].nets]
            nets = np.array([self._graph.instances[member].nets[pin.name] for member in driving], np.intp)
            self.drivers[nets] = driving
            for edge in (0, 1):
                key = (cell.name, pin.name, edge)
                if key not in self._arcs:
                    arcs = arcs_of(pin, edge)
                    self._arcs[key] = len(self._sources), arcs
                    self._sources += zip(arcs.pins, map(int, arcs.edges), strict=True) if arcs else []
                first, arcs = self._arcs[key]
                if arcs is not None and driving:
                    self._settle(driving, nets, edge, arcs, first)

    def _settle(self, driving: Sequence[int], nets: npt.NDArray[np.intp], edge: int, arcs: Arcs, first: int) -> None:
        nowhere = len(self._graph.loads)
        connections = [self._graph.instances[member].nets for member in driving]
        inputs = np.array([[of.get(pin, nowhere) for pin in arcs.pins] for of in connections])
        loads = self._graph.loads[nets, edge]
        delays, slews = arcs.lookup(self.slews[inputs, arcs.edges], loads)
        arrivals = self.arrivals[:, inputs, arcs.edges] + delays
        best = arrivals.argmax(axis=2)
        latest = arrivals.max(axis=2)
        self.arrivals[:, nets, edge] = latest
        self._best[:, nets, edge] = np.where(np.isfinite(latest), first + best, -1)
        arrived = np.isfinite(arrivals).any(axis=0)
        self.slews[nets, edge] = np.where(arrived, slews, 0).max(axis=1)
