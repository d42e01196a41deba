"""Static timing: the longest paths between flip-flops and ports."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..liberty.boundary import boundary
from ..liberty.model import Library
from .arcs import setup_ps
from .graph import EDGES, Graph, read_graph
from .propagate import IN, REG, Times
from .result import TimingPath, TimingResult, TimingStep

__all__ = ["static_timing"]

_FROM = {REG: "reg", IN: "in"}


def static_timing(
    netlist: Path,
    library: Library,
    *,
    input_slew: float | None = None,
    output_load: float | None = None,
    clock_uncertainty: float = 0.0,
) -> TimingResult:
    """The longest paths of a mapped netlist, by delay and transition tables (NLDM), rise and fall apart.

    A net has the capacitance of its pins and no wire; the clock is ideal and reaches all flip-flops and clock gates at
    once, those behind a gate too. The enable of a clock gate is an end like the data of a flip-flop. Of the
    transition times that reach a net the longest counts, of arcs with conditions (``when``) the slowest. False paths
    are not known. Reset and preset of flip-flops are not followed: neither to their outputs nor as checks.

    Parameters
    ----------
    netlist
        Yosys JSON of one flat module of library cells, such as `AsicResult.netlist`.
    input_slew, output_load
        Transition time at inputs and clock pins, ps, and capacitance at each output port, fF; by default those of
        `liberty.boundary.boundary`. Inputs arrive at the clock edge.
    clock_uncertainty
        Added to paths that end at flip-flops, ps.

    Raises
    ------
    ValueError
        If the netlist has cells that are not in the library, latches or three-state cells, a combinational loop, no
        path at all, or flip-flops that are not all on one edge of one input port, straight or behind one clock gate.
    """
    around = boundary(library)
    slew = around.input_slew_ps if input_slew is None else input_slew
    load = around.output_load_ff if output_load is None else output_load
    for name, value in (("input_slew", slew), ("output_load", load), ("clock_uncertainty", clock_uncertainty)):
        if not 0 <= value < np.inf:
            raise ValueError(f"{name} must be a number of at least 0, not {value!r}")
    graph = read_graph(Path(netlist), library, load)
    times = Times(graph, slew)
    worst: dict[str, _End] = {}
    for end in (*_registers(graph, times, slew, clock_uncertainty), *_ports(graph, times)):
        if np.isfinite(end.time) and (end.kind not in worst or end.time > worst[end.kind].time):
            worst[end.kind] = end
    if not worst:
        raise ValueError(f"{netlist} must have a path from a flip-flop or input to a flip-flop or output")
    paths = {kind: TimingPath(kind, end.time / 1000, _steps(graph, times, end)) for kind, end in worst.items()}
    return TimingResult(paths=paths, clock=graph.clock_port, input_slew_ps=slew, output_load_ff=load)


@dataclass(frozen=True)
class _End:
    """Where a path ends."""

    kind: str
    time: float
    origin: int
    net: int
    edge: int
    flip_flop: int = -1
    """Index of the instance, a clock gate also; -1 at a port."""
    pin: str = ""
    setup: float = 0.0
    """With the clock's uncertainty."""


def _registers(graph: Graph, times: Times, slew: float, uncertainty: float) -> Iterator[_End]:
    """The latest arrival at each pin of each kind of flip-flop and clock gate."""
    for members in (*graph.flip_flops.values(), *graph.clock_gates.values()):
        cell = graph.instances[members[0]].cell
        for pin in cell.inputs:
            fed = [member for member in members if pin.name in graph.instances[member].nets]
            nets = np.array([graph.instances[member].nets[pin.name] for member in fed], np.intp)
            for edge in (0, 1):
                setup = setup_ps(cell, pin, edge, times.slews[nets, edge], slew)
                if setup is None or not fed:
                    continue
                needed = setup + uncertainty
                for origin, name in _FROM.items():
                    ready = times.arrivals[origin, nets, edge] + needed
                    last = int(ready.argmax())
                    yield _End(f"{name}-to-reg", float(ready[last]), origin, int(nets[last]), edge, fed[last],
                               pin.name, float(needed[last]))  # fmt: skip


def _ports(graph: Graph, times: Times) -> Iterator[_End]:
    for origin, name in _FROM.items():
        for net in graph.outputs:
            for edge in (0, 1):
                yield _End(f"{name}-to-out", float(times.arrivals[origin, net, edge]), origin, net, edge)


def _steps(graph: Graph, times: Times, end: _End) -> tuple[TimingStep, ...]:
    """The way back from an end to where its transition began, in forward order."""
    steps = []
    if end.flip_flop >= 0:
        steps.append(_step(graph, "setup", end.flip_flop, end.pin, end.edge, end.time, end.setup))
    net, edge = end.net, end.edge
    while (source := times.source(end.origin, net, edge)) is not None:
        pin, before = source
        index = int(times.drivers[net])
        instance = graph.instances[index]
        arrival = float(times.arrivals[end.origin, net, edge])
        net = instance.nets[pin]
        start = float(times.arrivals[end.origin, net, before])
        kind = "clk-to-q" if instance.cell.ff else "logic"
        steps.append(_step(graph, kind, index, pin, edge, arrival, arrival - start))
        edge = before
    return tuple(reversed(steps))


def _step(graph: Graph, kind: str, index: int, pin: str, edge: int, arrival: float, delay: float) -> TimingStep:
    instance = graph.instances[index]
    return TimingStep(
        kind=kind,
        instance=instance.name,
        cell=instance.cell.name,
        pin=pin,
        net=graph.module.label(instance.name),
        edge=EDGES[edge],
        arrival_ps=arrival,
        delay_ps=delay,
    )
