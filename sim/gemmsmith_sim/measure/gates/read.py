"""Reads netlists from Yosys JSON."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..liberty.expression import parse
from ..liberty.model import Cell, Library
from .netlist import Flops, Gates, Netlist, Nets

__all__ = ["read_netlist"]

Bit = int | str
"""A net as Yosys JSON calls it; ``"0"`` and ``"1"`` are constants."""


@dataclass(frozen=True)
class _Instance:
    name: str
    cell: Cell
    bits: Mapping[str, Bit]
    """Pin → net; open outputs are left out."""

    def driven(self) -> Iterator[Bit]:
        return (self.bits[pin.name] for pin in self.cell.outputs if pin.name in self.bits)

    def read(self) -> Iterator[Bit]:
        return (self.bits[pin.name] for pin in self.cell.inputs)


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

    def add_outputs(self, group: list[_Instance]) -> dict[str, slice]:
        return {pin.name: self.add(instance.bits.get(pin.name) for instance in group) for pin in group[0].cell.outputs}

    def of(self, bits: Iterable[Bit]) -> Nets:
        return np.array([self.bits[bit] for bit in bits], np.intp)

    def of_inputs(self, group: list[_Instance], but: str | None = None) -> dict[str, Nets]:
        return {pin.name: self.of(instance.bits[pin.name] for instance in group)
                for pin in group[0].cell.inputs if pin.name != but}


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
    gates = [instance for instance in instances if instance.cell.ff is None]
    ports = {port: (entry["direction"], entry["bits"]) for port, entry in module["ports"].items()}
    inputs = {port: bits for port, (direction, bits) in ports.items() if direction == "input"}
    outputs = {port: bits for port, (direction, bits) in ports.items() if direction == "output"}
    if len(inputs) + len(outputs) < len(ports):
        raise ValueError("ports must be inputs or outputs, not inout")
    clock = _clock(flops, gates, inputs, labels)
    inputs.pop(clock or "", None)
    _check_drivers(instances, inputs, outputs, labels, module["ports"][clock]["bits"] if clock else [])
    numbers = _Numbers(labels)
    input_nets = {port: np.r_[numbers.add(bits)] for port, bits in inputs.items()}
    flop_groups = [(group, numbers.add_outputs(group)) for group in _by_cell(flops)]
    gate_groups = [(level, group, numbers.add_outputs(group))
                   for level, members in enumerate(_levels(gates, set(numbers.bits)), 1)
                   for group in _by_cell(members)]
    _check_tied_off(flops, {bit: instance for instance in gates for bit in instance.driven()})
    return Netlist(name, tuple(numbers.names), clock, input_nets,
                   {port: numbers.of(bits) for port, bits in outputs.items()},
                   tuple(_gates(level, group, numbers, nets) for level, group, nets in gate_groups),
                   tuple(_flops(group, numbers, nets) for group, nets in flop_groups))


def _labels(module: Any) -> dict[Bit, str]:
    """Net → name; a hierarchical name is preferred to a mapper's."""
    labels: dict[Bit, str] = {}
    for name, net in sorted(module["netnames"].items(), key=lambda item: "." in item[0]):
        for index, bit in enumerate(net["bits"]):
            labels[bit] = name if len(net["bits"]) == 1 else f"{name}[{index}]"
    return labels


def _instance(name: str, cell: Any, library: Library) -> _Instance:
    if cell["type"] not in library.cells:
        raise ValueError(f"cell {name} is a {cell['type']}, which library {library.name} does not have")
    kind = library.cells[cell["type"]]
    if kind.latch is not None:
        raise ValueError(f"cell {name} ({kind.name}) is a latch; only gates and flip-flops can be simulated")
    bits = {pin: nets[0] for pin, nets in cell["connections"].items() if nets}
    for pin in kind.inputs:
        if bits.get(pin.name) in (None, "x", "z"):
            raise ValueError(f"input {pin.name} of cell {name} ({kind.name}) must be connected to a net or 0 or 1")
    return _Instance(name, kind, bits)


def _clock(flops: list[_Instance], gates: list[_Instance], inputs: Mapping[str, list[Bit]],
           labels: Mapping[Bit, str]) -> str | None:
    """The port that clocks all flip-flops."""
    clocks: set[Bit] = set()
    for flop in flops:
        pin = _clock_pin(flop.cell)
        if pin not in flop.bits:
            raise ValueError(f"flip-flop {flop.name} ({flop.cell.name}) is clocked on {pin!r}, not on a rising edge")
        clocks.add(flop.bits[pin])
    if not clocks:
        return None
    if len(clocks) > 1:
        named = ", ".join(sorted(labels.get(bit, str(bit)) for bit in clocks))
        raise ValueError(f"all flip-flops must have the same clock, not {named}")
    (clock,) = clocks
    ports = [port for port, bits in inputs.items() if bits == [clock]]
    if not ports or any(clock in gate.read() for gate in gates) or any(
            flop.bits[pin.name] == clock for flop in flops for pin in flop.cell.inputs
            if pin.name != _clock_pin(flop.cell)):
        raise ValueError(f"clock {labels.get(clock, clock)} must come straight from a port and drive flip-flops only")
    return ports[0]


def _clock_pin(cell: Cell) -> str:
    assert cell.ff is not None
    return cell.ff.clocked_on.strip("() ")


def _check_drivers(instances: list[_Instance], inputs: Mapping[str, list[Bit]], outputs: Mapping[str, list[Bit]],
                   labels: Mapping[Bit, str], clock: list[Bit]) -> None:
    """Every net that is read has one driver."""
    driven: set[Bit] = {"0", "1", *clock}
    for bit in (*(bit for bits in inputs.values() for bit in bits), *(b for i in instances for b in i.driven())):
        if bit in driven:
            raise ValueError(f"net {labels.get(bit, bit)} must have one driver, not several")
        driven.add(bit)
    readers = ((bit, f"cell {instance.name}") for instance in instances for bit in instance.read())
    ports = ((bit, f"port {port}") for port, bits in outputs.items() for bit in bits)
    for bit, reader in (*readers, *ports):
        if bit not in driven:
            raise ValueError(f"{reader} reads net {labels.get(bit, bit)}, which nothing drives")


def _levels(gates: list[_Instance], known: set[Bit]) -> Iterator[list[_Instance]]:
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


def _by_cell(instances: list[_Instance]) -> list[list[_Instance]]:
    groups: dict[str, list[_Instance]] = defaultdict(list)
    for instance in instances:
        groups[instance.cell.name].append(instance)
    return list(groups.values())


def _check_tied_off(flops: list[_Instance], drivers: Mapping[Bit, _Instance]) -> None:
    """Asynchronous inputs are not simulated: they must be constants that do nothing."""
    for flop in flops:
        assert flop.cell.ff is not None
        for expression in filter(None, (flop.cell.ff.clear, flop.cell.ff.preset)):
            values = {pin: _constant(flop.bits[pin], drivers) for pin in parse(expression).pins()}
            if None in values.values() or parse(expression).evaluate(
                    {pin: np.array(value, np.uint64) for pin, value in values.items()}) & np.uint64(1):
                raise ValueError(f"flip-flop {flop.name} ({flop.cell.name}): its asynchronous {expression} must be "
                                 "tied off; only synchronous resets can be simulated")


def _constant(bit: Bit, drivers: Mapping[Bit, _Instance]) -> int | None:
    """Value of a constant or of a tie cell's output."""
    if bit in ("0", "1"):
        return int(bit)
    for pin in drivers[bit].cell.outputs if bit in drivers else ():
        if pin.function in ("0", "1") and drivers[bit].bits.get(pin.name) == bit:
            return int(pin.function)
    return None


def _gates(level: int, group: list[_Instance], numbers: _Numbers, outputs: dict[str, slice]) -> Gates:
    cell = group[0].cell
    functions = {}
    for pin in cell.outputs:
        if pin.function is None:
            raise ValueError(f"output {pin.name} of {cell.name} must have a function in the library")
        functions[pin.name] = parse(pin.function)
    return Gates(cell, level, tuple(i.name for i in group), numbers.of_inputs(group), outputs, functions)


def _flops(group: list[_Instance], numbers: _Numbers, outputs: dict[str, slice]) -> Flops:
    cell = group[0].cell
    assert cell.ff is not None
    clock = _clock_pin(cell)
    inverted = {pin: state == "IQN" for pin, state in cell.ff.outputs.items()}
    return Flops(cell, tuple(i.name for i in group), clock, numbers.of_inputs(group, but=clock), outputs,
                 parse(cell.ff.next_state), inverted)
