"""A mapped netlist as a graph: nets with loads, gates in the order in which they settle, flip-flops, clocks."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..hierarchy import FlatModule
from ..liberty.model import Cell, Floats, Library

__all__ = ["EDGES", "Graph", "Instance", "read_graph"]

EDGES = ("rise", "fall")

@dataclass(frozen=True)
class Instance:
    """One cell of the netlist; pins that are constant or open are not in ``nets``."""

    name: str
    cell: Cell
    nets: Mapping[str, int]


@dataclass(frozen=True)
class Graph:
    """``levels``, ``flip_flops`` and ``clock_gates`` have indices of ``instances``."""

    module: FlatModule
    instances: list[Instance]
    levels: list[dict[str, list[int]]]
    """Gates by name of their cell, level by level; inputs of a level come from the levels before."""
    flip_flops: dict[str, list[int]]
    """By name of their cell; likewise ``clock_gates``."""
    clock_gates: dict[str, list[int]]
    inputs: list[int]
    """Nets of input ports, the clock left out; then of output ports."""
    outputs: list[int]
    clocks: list[int]
    """Net of the clock, then those behind clock gates; empty without flip-flops."""
    clock_port: str | None
    loads: Floats
    """fF by net and edge: input pins, and the load of output ports. No wires."""


def read_graph(netlist: Path, library: Library, output_load: float) -> Graph:
    """Read Yosys' JSON; the errors are those of `static_timing`."""
    top = _top(netlist)
    module = FlatModule(top)
    numbers: dict[Any, int] = {}

    def net(bit: Any) -> int:
        return numbers.setdefault(bit, len(numbers))

    ports = {
        way: [net(bit) for port in top["ports"].values() if port["direction"] == way for bit in port["bits"]
              if isinstance(bit, int)] for way in ("input", "output")
    }  # fmt: skip
    instances = []
    for name, content in module.cells.items():
        pins = {pin: net(bits[0]) for pin, bits in content["connections"].items() if bits and isinstance(bits[0], int)}
        instances.append(Instance(name, library.cell(content["type"]), pins))
    flip_flops: dict[str, list[int]] = defaultdict(list)
    clock_gates: dict[str, list[int]] = defaultdict(list)
    gates = []
    for index, instance in enumerate(instances):
        _check(instance)
        if instance.cell.ff:
            flip_flops[instance.cell.name].append(index)
        elif instance.cell.clock_gate:
            clock_gates[instance.cell.name].append(index)
        else:
            gates.append(index)
    clock, gated = _clocks(instances)
    loads = np.zeros((len(numbers), 2))
    for instance in instances:
        for pin in instance.cell.inputs:
            if pin.name in instance.nets:
                loads[instance.nets[pin.name]] += (pin.capacitance_rise_ff, pin.capacitance_fall_ff)
    np.add.at(loads, ports["output"], output_load)
    if clock is not None and clock not in ports["input"]:
        raise ValueError(f"{netlist}: the clock must be an input port, or gated from one by a clock gate")
    names = {net(bit): name for name, port in top["ports"].items() for bit in port["bits"] if isinstance(bit, int)}
    return Graph(
        module=module,
        instances=instances,
        levels=_levels(instances, gates),
        flip_flops=dict(flip_flops),
        clock_gates=dict(clock_gates),
        inputs=[bit for bit in ports["input"] if bit != clock],
        outputs=ports["output"],
        clocks=[] if clock is None else [clock, *gated],
        clock_port=None if clock is None else names[clock],
        loads=loads,
    )


def _top(netlist: Path) -> dict[str, Any]:
    modules = json.loads(netlist.read_text())["modules"]
    tops: list[dict[str, Any]] = [
        module for module in modules.values()
        if "blackbox" not in module["attributes"] and "whitebox" not in module["attributes"]
    ]  # fmt: skip
    if len(tops) != 1:
        raise ValueError(f"{netlist} must hold one flat module, not {len(tops)}")
    return tops[0]


def _check(instance: Instance) -> None:
    cell = instance.cell
    if cell.clock_gate and cell.clock_gate.latched:
        return
    if cell.latch or any(pin.function is None for pin in cell.outputs):
        raise ValueError(f"timing is of gates and flip-flops only; {instance.name} is a {cell.name}")


def _clocks(instances: Iterable[Instance]) -> tuple[int | None, list[int]]:
    """The net that clocks all flip-flops and clock gates on the same edge, and the nets that the gates clock."""
    gates = [(instance, instance.cell.clock_gate) for instance in instances if instance.cell.clock_gate]
    gated = {instance.nets.get(gate.output): instance.nets.get(gate.clock) for instance, gate in gates}
    clocks = {(instance.nets.get(gate.clock), False): instance.name for instance, gate in gates}
    for instance in instances:
        if instance.cell.ff:
            expression = instance.cell.ff.clocked_on
            net = instance.nets.get(next(pin.name for pin in instance.cell.inputs if pin.clock))
            clocks[gated.get(net, net), "!" in expression or "'" in expression] = instance.name
    if len(clocks) > 1:
        raise ValueError(f"flip-flops must have one clock and edge; {' and '.join(list(clocks.values())[:2])} differ")
    return next((net for net, _ in clocks), None), [net for net in gated if net is not None]


def _levels(instances: list[Instance], gates: list[int]) -> list[dict[str, list[int]]]:
    """Gates sorted by the number of gates before them on the longest way."""
    readers: dict[int, list[int]] = defaultdict(list)
    waiting: dict[int, int] = {}
    driven = {net for gate in gates for net in _outputs(instances[gate])}
    for gate in gates:
        sources = [net for net in _inputs(instances[gate]) if net in driven]
        waiting[gate] = len(sources)
        for net in sources:
            readers[net].append(gate)
    ready = [gate for gate in gates if not waiting[gate]]
    levels = []
    while ready:
        level: dict[str, list[int]] = defaultdict(list)
        following = []
        for gate in ready:
            level[instances[gate].cell.name].append(gate)
            for net in _outputs(instances[gate]):
                for reader in readers[net]:
                    waiting[reader] -= 1
                    if not waiting[reader]:
                        following.append(reader)
        levels.append(dict(level))
        ready = following
    if stuck := [gate for gate, count in waiting.items() if count]:
        raise ValueError(f"netlist must have no combinational loop; {instances[stuck[0]].name} is in or behind one")
    return levels


def _inputs(instance: Instance) -> Iterator[int]:
    return (instance.nets[pin.name] for pin in instance.cell.inputs if pin.name in instance.nets)


def _outputs(instance: Instance) -> Iterator[int]:
    return (instance.nets[pin.name] for pin in instance.cell.outputs if pin.name in instance.nets)
