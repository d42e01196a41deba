"""Which nets of a netlist are clocks: one port, and the outputs of the clock gates behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..liberty.model import Cell

__all__ = ["Bit", "Clocks", "Instance", "clock_pin", "find_clocks"]

Bit = int | str
"""A net as Yosys JSON calls it; ``"0"`` and ``"1"`` are constants."""


@dataclass(frozen=True)
class Instance:
    """One cell of a netlist."""

    name: str
    cell: Cell
    bits: Mapping[str, Bit]
    """Pin → net; open outputs are left out."""

    def driven(self) -> Iterator[Bit]:
        return (self.bits[pin.name] for pin in self.cell.outputs if pin.name in self.bits)

    def read(self) -> Iterator[Bit]:
        return (self.bits[pin.name] for pin in self.cell.inputs)


@dataclass(frozen=True)
class Clocks:
    """The port that clocks, ``None`` if nothing is clocked, and the number of each net that is a clock."""

    port: str | None
    numbers: Mapping[Bit, int]


def clock_pin(cell: Cell) -> str | None:
    """Of a flip-flop or a clock gate."""
    if cell.clock_gate is not None:
        return cell.clock_gate.clock
    return cell.ff.clocked_on.strip("() ") if cell.ff else None


def find_clocks(instances: list[Instance], clock_gates: list[list[Instance]], inputs: Mapping[str, list[Bit]],
                outputs: Mapping[str, list[Bit]], labels: Mapping[Bit, str]) -> Clocks:
    """The clocks of all ``instances``, numbered as in `Netlist`.

    Raises ``ValueError`` if there is another clock, or one that something else than clock pins reads.
    """
    gates = enumerate((gate for group in clock_gates for gate in group), 1)
    gated = {bit: number for number, gate in gates for bit in gate.driven()}
    roots = set()
    for instance in instances:
        pin = clock_pin(instance.cell)
        if pin is None:
            continue
        if pin not in instance.bits:
            raise ValueError(f"flip-flop {instance.name} ({instance.cell.name}) is clocked on {pin!r}, not on a rising "
                             "edge")
        if instance.bits[pin] not in gated:
            roots.add(instance.bits[pin])
        elif instance.cell.clock_gate is not None:
            raise ValueError(f"clock gate {instance.name} must be clocked by a port, not by another clock gate")
    if not roots:
        return Clocks(None, {})
    named = ", ".join(sorted(str(labels.get(bit, bit)) for bit in roots))
    if len(roots) > 1:
        raise ValueError(f"all flip-flops must have the same clock, or one gated from it, not {named}")
    (root,) = roots
    ports = [port for port, bits in inputs.items() if bits == [root]]
    if not ports:
        raise ValueError(f"clock {named} must come straight from a port")
    clocks = Clocks(ports[0], {root: 0, **gated})
    _check_readers(instances, outputs, clocks, labels)
    return clocks


def _check_readers(instances: list[Instance], outputs: Mapping[str, list[Bit]], clocks: Clocks,
                   labels: Mapping[Bit, str]) -> None:
    readers = {instance.bits[pin.name]: f"cell {instance.name}" for instance in instances
               for pin in instance.cell.inputs if pin.name != clock_pin(instance.cell)}
    readers |= {bit: f"port {port}" for port, bits in outputs.items() for bit in bits}
    for bit in clocks.numbers.keys() & readers.keys():
        raise ValueError(f"clock {labels.get(bit, bit)} must drive clock pins only, not {readers[bit]}")
