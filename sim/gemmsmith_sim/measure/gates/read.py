"""Reads netlists from Yosys JSON."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from ..liberty.expression import parse
from ..liberty.model import Library
from .clocks import Bit, Clocks, Instance, clock_pin, find_clocks
from .netlist import ClockGates, Flops, Gates, Netlist, Nets

__all__ = ["read_netlist"]

@dataclass
class _Numbers:
    """Gives nets their numbers, those of one output pin in a row."""

    labels: Mapping[Bit, str]
    names: list[str] = field(default_factory=lambda: ["0", "1"])
    bits: dict[Bit, int] = field(default_factory=lambda: {"0": 0, "1": 1})

    def add(self, bits: Iterable[Bit | None]) -> slice:
        start = len(self.names)
        for bit in bits:
            if bit is not None:
                self.bits[bit] = len(self.names)
            self.names.append("" if bit is None else self.labels.get(bit, str(bit)))
        return slice(start, len(self.names))

    def add_outputs(self, group: list[Instance]) -> dict[str, slice]:
        return {pin.name: self.add(instance.bits.get(pin.name) for instance in group) for pin in group[0].cell.outputs}

    def of(self, bits: Iterable[Bit]) -> Nets:
        return np.array([self.bits[bit] for bit in bits], np.intp)

    def of_inputs(self, group: list[Instance]) -> dict[str, Nets]:
        """Without the clock pin."""
        cell = group[0].cell
        return {pin.name: self.of(instance.bits[pin.name] for instance in group)
                for pin in cell.inputs if pin.name != clock_pin(cell)}


def read_netlist(path: Path, library: Library) -> Netlist:
    """See `Netlist.load`."""
    try:
        modules = json.loads(path.read_text())["modules"]
        ((name, module),) = ((name, module) for name, module in modules.items()
                             if "blackbox" not in module["attributes"])  # cells of the library are such
    except (OSError, ValueError, KeyError, TypeError):
        raise ValueError(f"{path} must be a flat netlist of one module, as Yosys' write_json writes it") from None
    try:
        return _netlist(name, module, library)
    except ValueError as error:
        raise ValueError(f"netlist of {name}: {error}") from None


def _netlist(name: str, module: Any, library: Library) -> Netlist:
    labels = _labels(module)
    instances = [_instance(label, cell, library) for label, cell in module["cells"].items()
                 if cell["type"] != "$scopeinfo"]
    flops = [instance for instance in instances if instance.cell.ff is not None]
    clock_gates = _by_cell([instance for instance in instances if instance.cell.clock_gate is not None])
    gates = [instance for instance in instances if instance.cell.ff is None and instance.cell.clock_gate is None]
    ports = {port: (entry["direction"], entry["bits"]) for port, entry in module["ports"].items()}
    inputs = {port: bits for port, (direction, bits) in ports.items() if direction == "input"}
    outputs = {port: bits for port, (direction, bits) in ports.items() if direction == "output"}
    if len(inputs) + len(outputs) < len(ports):
        raise ValueError("ports must be inputs or outputs, not inout")
    _check_drivers(instances, inputs, outputs, labels)
    clocks = find_clocks(instances, clock_gates, inputs, outputs, labels)
    inputs.pop(clocks.port or "", None)
    numbers = _Numbers(labels)
    input_nets = {port: np.r_[numbers.add(bits)] for port, bits in inputs.items()}
    flop_groups = [(group, numbers.add_outputs(group)) for group in _by_cell(flops)]
    gate_groups = [(level, group, numbers.add_outputs(group))
                   for level, members in enumerate(_levels(gates, set(numbers.bits)), 1)
                   for group in _by_cell(members)]
    starts = accumulate(map(len, clock_gates), initial=1)
    _check_tied_off(flops, {bit: instance for instance in gates for bit in instance.driven()})
    return Netlist(name, tuple(numbers.names), clocks.port, input_nets,
                   {port: numbers.of(bits) for port, bits in outputs.items()},
                   tuple(_gates(level, group, numbers, nets) for level, group, nets in gate_groups),
                   tuple(_flops(group, numbers, nets, clocks) for group, nets in flop_groups),
                   tuple(_clock_gates(group, numbers, next(starts)) for group in clock_gates))


def _labels(module: Any) -> dict[Bit, str]:
    """Net → name; a hierarchical name is preferred to a mapper's."""
    labels: dict[Bit, str] = {}
    for name, net in sorted(module["netnames"].items(), key=lambda item: "." in item[0]):
        for index, bit in enumerate(net["bits"]):
            labels[bit] = name if len(net["bits"]) == 1 else f"{name}[{index}]"
    return labels


def _instance(name: str, cell: Any, library: Library) -> Instance:
    if cell["type"] not in library.cells:
        raise ValueError(f"cell {name} is a {cell['type']}, which library {library.name} does not have")
    kind = library.cells[cell["type"]]
    if kind.clock_gate is not None and not kind.clock_gate.latched:
        raise ValueError(f"clock gate {name} ({kind.name}) is a {kind.clock_gate.kind}; only latch_posedge gates "
                         "can be simulated")
    if kind.latch is not None and kind.clock_gate is None:
        raise ValueError(f"cell {name} ({kind.name}) is a latch; only gates and flip-flops can be simulated")
    bits = {pin: nets[0] for pin, nets in cell["connections"].items() if nets}
    for pin in kind.inputs:
        if bits.get(pin.name) in (None, "x", "z"):
            raise ValueError(f"input {pin.name} of cell {name} ({kind.name}) must be connected to a net or 0 or 1")
    return Instance(name, kind, bits)


def _check_drivers(instances: list[Instance], inputs: Mapping[str, list[Bit]], outputs: Mapping[str, list[Bit]],
                   labels: Mapping[Bit, str]) -> None:
    """Every net that is read has one driver."""
    driven: set[Bit] = {"0", "1"}
    for bit in (*(bit for bits in inputs.values() for bit in bits), *(b for i in instances for b in i.driven())):
        if bit in driven:
            raise ValueError(f"net {labels.get(bit, bit)} must have one driver, not several")
        driven.add(bit)
    readers = ((bit, f"cell {instance.name}") for instance in instances for bit in instance.read())
    ports = ((bit, f"port {port}") for port, bits in outputs.items() for bit in bits)
    for bit, reader in (*readers, *ports):
        if bit not in driven:
            raise ValueError(f"{reader} reads net {labels.get(bit, bit)}, which nothing drives")


def _levels(gates: list[Instance], known: set[Bit]) -> Iterator[list[Instance]]:
    """Gates in the order in which their inputs become known; ``known`` nets are so from the start."""
    readers: dict[Bit, list[int]] = defaultdict(list)
    missing = []
    for index, gate in enumerate(gates):
        unknown = set(gate.read()) - known
        missing.append(len(unknown))
        for bit in unknown:
            readers[bit].append(index)
    ready = [index for index, count in enumerate(missing) if not count]
    while ready:
        level, ready = [gates[index] for index in ready], []
        yield level
        for index in (reader for gate in level for bit in gate.driven() for reader in readers[bit]):
            missing[index] -= 1
            if not missing[index]:
                ready.append(index)
    for gate, count in zip(gates, missing, strict=True):
        if count:
            raise ValueError(f"cell {gate.name} is in a combinational loop, or behind one")


def _by_cell(instances: list[Instance]) -> list[list[Instance]]:
    groups: dict[str, list[Instance]] = defaultdict(list)
    for instance in instances:
        groups[instance.cell.name].append(instance)
    return list(groups.values())


def _check_tied_off(flops: list[Instance], drivers: Mapping[Bit, Instance]) -> None:
    """Asynchronous inputs are not simulated: they must be constants that do nothing."""
    for flop in flops:
        assert flop.cell.ff is not None
        for expression in filter(None, (flop.cell.ff.clear, flop.cell.ff.preset)):
            values = {pin: _constant(flop.bits[pin], drivers) for pin in parse(expression).pins()}
            if None in values.values() or parse(expression).evaluate(
                    {pin: np.array(value, np.uint64) for pin, value in values.items()}) & np.uint64(1):
                raise ValueError(f"flip-flop {flop.name} ({flop.cell.name}): its asynchronous {expression} must be "
                                 "tied off; only synchronous resets can be simulated")


def _constant(bit: Bit, drivers: Mapping[Bit, Instance]) -> int | None:
    """Value of a constant or of a tie cell's output."""
    if bit in ("0", "1"):
        return int(bit)
    for pin in drivers[bit].cell.outputs if bit in drivers else ():
        if pin.function in ("0", "1") and drivers[bit].bits.get(pin.name) == bit:
            return int(pin.function)
    return None


def _gates(level: int, group: list[Instance], numbers: _Numbers, outputs: dict[str, slice]) -> Gates:
    cell = group[0].cell
    functions = {}
    for pin in cell.outputs:
        if pin.function is None:
            raise ValueError(f"output {pin.name} of {cell.name} must have a function in the library")
        functions[pin.name] = parse(pin.function)
    return Gates(cell, level, tuple(i.name for i in group), numbers.of_inputs(group), outputs, functions)


def _flops(group: list[Instance], numbers: _Numbers, outputs: dict[str, slice], clocks: Clocks) -> Flops:
    cell, clock = group[0].cell, clock_pin(group[0].cell)
    assert cell.ff is not None
    assert clock is not None
    inverted = {pin: state == "IQN" for pin, state in cell.ff.outputs.items()}
    return Flops(cell, tuple(i.name for i in group), clock, np.array([clocks.numbers[i.bits[clock]] for i in group]),
                 numbers.of_inputs(group), outputs, parse(cell.ff.next_state), inverted)


def _clock_gates(group: list[Instance], numbers: _Numbers, start: int) -> ClockGates:
    cell = group[0].cell
    gate = cell.clock_gate
    assert gate is not None
    return ClockGates(cell, tuple(i.name for i in group), gate.clock, gate.output, slice(start, start + len(group)),
                      numbers.of_inputs(group), parse(gate.passes))
