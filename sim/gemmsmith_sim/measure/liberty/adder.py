"""The full-adder cell of a library, and the rule that maps our full adders to it."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from .expression import parse
from .model import Cell, Library, Pin
from .write import is_mappable

__all__ = ["FULL_ADDERS", "full_adder_rule"]

FULL_ADDERS = "mirror_adder"
"""How the names of modules end that are full adders with complemented outputs, in builds for ``target=asic``."""

_ROWS = np.arange(8, dtype=np.uint64)
_INPUTS = [_ROWS >> np.uint64(place) & np.uint64(1) for place in range(3)]
_SUM, _CARRY = 0b10010110, 0b11101000
"""Truth tables of a sum's two bits, row 0 lowest."""


def full_adder_rule(library: Library) -> str:
    """Verilog for Yosys' ``techmap``: each full adder becomes the smallest full-adder cell. Empty if there is none.

    The modules are of the type ``FULL_ADDERS``: inputs a, b and c, and the complements of sum and carry.
    """
    found = [(cell.area, cell.name, outputs) for cell in library.cells.values() if (outputs := _outputs(cell))]
    if not found:
        return ""
    _, name, outputs = min(found, key=lambda each: each[:2])
    inputs = ", ".join(f".{pin.name}({port})" for pin, port in zip(library.cells[name].inputs, "abc", strict=True))
    return (f"module {FULL_ADDERS} (input a, b, c, output sum_n, carry_n);\n"
            "  wire sum, carry;\n"
            f"  {name} _TECHMAP_REPLACE_ ({inputs}, {_port('sum', outputs)}, {_port('carry', outputs)});\n"
            f"{_complements(outputs)}endmodule\n")


class _Output(NamedTuple):
    pin: str
    complemented: bool


def _outputs(cell: Cell) -> Mapping[str, _Output]:
    """Which outputs of a full adder are ``sum`` and ``carry``; empty for other cells."""
    if not is_mappable(cell) or cell.ff or (len(cell.inputs), len(cell.outputs)) != (3, 2):
        return {}
    known = {_SUM: ("sum", False), _SUM ^ 0xFF: ("sum", True), _CARRY: ("carry", False), _CARRY ^ 0xFF: ("carry", True)}
    kinds = {kind: _Output(pin.name, complemented) for pin in cell.outputs
             for kind, complemented in [known.get(_table(cell, pin), ("", False))]}
    return kinds if kinds.keys() == {"sum", "carry"} else {}


def _table(cell: Cell, pin: Pin) -> int:
    values = {source.name: row for source, row in zip(cell.inputs, _INPUTS, strict=True)}
    ones = np.broadcast_to(parse(str(pin.function)).evaluate(values), _ROWS.shape) & np.uint64(1)
    return int((ones << _ROWS).sum())


def _port(kind: str, outputs: Mapping[str, _Output]) -> str:
    return f".{outputs[kind].pin}({kind}{'_n' if outputs[kind].complemented else ''})"


def _complements(outputs: Mapping[str, _Output]) -> str:
    return "".join(f"  assign {kind}_n = ~{kind};\n" for kind, output in outputs.items() if not output.complemented)
