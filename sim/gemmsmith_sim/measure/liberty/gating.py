"""Clock gating with the integrated clock gates of a library: which cell, and how Yosys is told of it."""

from collections.abc import Iterable
from typing import Any

from .model import Cell, Library

__all__ = ["MIN_REGISTERS", "clock_gate_cell", "count_gated", "enable_rules", "gate_commands", "gate_module"]

MIN_REGISTERS = 4
"""Flip-flops that must share an enable to get a clock gate. With fewer, the gate's own clock pin costs about what it
saves: between 2 and 8 no unit differs by 1 % (docs/asic.md)."""


def clock_gate_cell(library: Library) -> Cell:
    """The smallest clock gate with a latch for the rising edge.

    ``dont_use`` does not count: libraries mark these cells so that mapping of logic leaves them alone.

    Raises ``ValueError`` if the library has none.
    """
    found = [cell for cell in library.cells.values() if cell.clock_gate and cell.clock_gate.latched]
    if not found:
        raise ValueError(f"clock_gating needs an integrated clock gate (of the kind latch_posedge), which library "
                         f"{library.name!r} does not have")
    return min(found, key=lambda cell: (cell.area, cell.name))


def gate_module(cell: Cell) -> str:
    """The cell as a Verilog module without content, so that the directions of its pins are known."""
    ports = ", ".join(f"{pin.direction} {pin.name}" for pin in cell.pins.values())
    return f"(* blackbox *)\nmodule {cell.name} ({ports});\nendmodule\n"


def gate_commands(cell: Cell, rules: str) -> list[str]:
    """Yosys commands that put the cell before flip-flops that share an enable; ``rules``: file of `enable_rules`."""
    gate = cell.clock_gate
    assert gate is not None
    test = f" -tie_lo {gate.test}" if gate.test else ""
    return [
        f"techmap -map {rules}",
        "simplemap",
        "opt_merge",  # each bit of a register got an enable of its own
        "opt_clean",  # the next does not see that two names are one net
        f"clockgate -pos {cell.name} {gate.enable}:{gate.clock}:{gate.output}{test} -min_net_size {MIN_REGISTERS}",
        "opt_clean",
    ]


def enable_rules() -> str:
    """Verilog for Yosys' ``techmap``: flip-flops with an enable and a synchronous reset become ones with an enable.

    The reset becomes logic of the data; where it overrides the enable, it also enables the clock.
    """
    return "".join(_rule(kind, reset, value, enable) for kind in ("SDFFE", "SDFFCE")
                   for reset in "PN" for value in "01" for enable in "PN")


def _rule(kind: str, reset: str, value: str, enable: str) -> str:
    """Of one of Yosys' cells, such as ``$_SDFFE_PN0P_``: clock edge, level of the reset, its value, level of the
    enable."""
    suffix = f"P{reset}{value}{enable}"
    clear = "R" if reset == "P" else "~R"
    enabled = "E" if enable == "P" else "~E"
    name = f"$_{kind}_{suffix}_"
    passes = f"{enabled} | {clear}" if kind == "SDFFE" else enabled
    data = f"D & ~{clear}" if value == "0" else f"D | {clear}"
    return (f'(* techmap_celltype = "{name}" *)\n'
            f"module _80_{kind}_{suffix} (input C, R, E, D, output Q);\n"
            f"  \\$_DFFE_PP_ _TECHMAP_REPLACE_ (.C(C), .E({passes}), .D({data}), .Q(Q));\nendmodule\n")


def count_gated(cells: Iterable[dict[str, Any]], library: Library) -> tuple[int, int]:
    """Clock gates of a netlist, and flip-flops that they clock; ``cells`` as in Yosys' JSON."""
    known = [(library.cells[cell["type"]], cell["connections"]) for cell in cells if cell["type"] in library.cells]
    gated = {bit for cell, pins in known if cell.clock_gate for bit in pins[cell.clock_gate.output]}
    clocks = [bit for cell, pins in known if cell.ff for pin in cell.inputs if pin.clock for bit in pins[pin.name]]
    return sum(cell.clock_gate is not None for cell, _ in known), sum(bit in gated for bit in clocks)
