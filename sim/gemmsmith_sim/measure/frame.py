"""A frame of registers around a synthesised unit, for routers that give every port a pin.

Units have hundreds of ports, chips do not have as many pins, and without registers outside the ports a path from
or to one of them would have no length. The frame needs the unit's clocks and two pins more::

    scan ─▶ shift register ─▶ port registers ─▶ unit ─▶ port registers ─▶ parity tree, a register a level ─▶ out

No path of the frame's own has more than one LUT between two registers. The frame only serves to find the frequency:
cells are counted on the bare unit, whose mapped netlist is put in unchanged.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ..cache import atomic_dir, atomic_write, cache_dir, digest
from .targets import Target
from .tools import ToolError, run, version
from .yosys import YOSYS

__all__ = ["UNIT", "Framed", "frame"]

UNIT = "unit"
"""Name of the unit within its frame: the names of its cells begin with it and a dot."""

_TREE = 4  # inputs of a LUT


@dataclass(frozen=True)
class Framed:
    """A unit in its frame."""

    netlist: Path
    """Yosys JSON, one flat module."""
    ports: tuple[str, ...]
    """Clocks first."""


def frame(
    netlist: Path, family: Target, *, timeout: float = 600, notify: Callable[[str], None] | None = None
) -> Framed:
    """The mapped netlist of a unit in a frame of registers mapped for the same family.

    Parameters
    ----------
    netlist
        Yosys JSON of a unit without pads.
    timeout, notify
        As in `tools.run`.

    Raises
    ------
    ToolError
        If the unit has no clock at any port, or ports that are both input and output; if Yosys fails.
    """
    text = netlist.read_text()
    top, module = top_module(json.loads(text))
    widths = {way: {p: len(port["bits"]) for p, port in module["ports"].items() if port["direction"] == way}
              for way in ("input", "output", "inout")}  # fmt: skip
    clocks = _clocks(module, family.clock_pins)
    if not clocks:
        raise ToolError(YOSYS, f"no port of {top!r} is the clock of a register: there is no frequency")
    if both := list(widths["inout"]):
        raise ToolError(YOSYS, f"port {both[0]!r} of {top!r} is both input and output: it cannot be placed")
    inputs = {name: width for name, width in widths["input"].items() if name not in clocks}
    ports = [f"clk{i}" for i in range(len(clocks))]
    verilog = _verilog(top, dict(zip(clocks, ports, strict=True)), inputs, widths["output"])
    script = _script(family, f"{top}_frame", top)
    directory = cache_dir("frame") / digest("frame 1", version(YOSYS), script, verilog, text)
    if not directory.is_dir():
        log = cache_dir("logs") / f"frame-{directory.name[:16]}.log"
        with atomic_dir(directory) as work:
            (work / "frame.v").write_text(verilog)
            (work / "unit.json").write_text(text)
            run(YOSYS, ["-q", "-p", script], cwd=work, log=log, timeout=timeout, notify=notify)
            whole = json.loads((work / "netlist.json").read_text())["modules"][f"{top}_frame"]
            _open_first_carries(whole)
            # Without the cell library, which is most of the text.
            atomic_write(work / "netlist.json", json.dumps({"modules": {f"{top}_frame": whole}}))
            (work / "unit.json").unlink()
    return Framed(directory / "netlist.json", (*ports, "out", "scan") if inputs else (*ports, "out"))


def top_module(netlist: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and content of the top module of a netlist in Yosys' JSON."""
    return next((name, module) for name, module in netlist["modules"].items()
                if int(str(module["attributes"].get("top", "0")), 2))  # fmt: skip


def _clocks(module: dict[str, Any], clock_pins: Mapping[str, str]) -> list[str]:
    """Input ports of one bit that clock a cell."""
    clocked = {
        bit
        for cell in module["cells"].values()
        for kind, pins in clock_pins.items()
        if fnmatchcase(cell["type"], kind)
        for pin, bits in cell["connections"].items()
        if fnmatchcase(pin, pins)
        for bit in bits
    }
    return [name for name, port in module["ports"].items()
            if port["direction"] == "input" and len(port["bits"]) == 1 and port["bits"][0] in clocked]  # fmt: skip


def _verilog(top: str, clocks: Mapping[str, str], inputs: Mapping[str, int], outputs: Mapping[str, int]) -> str:
    """The frame, and the unit as a black box; ``clocks``: port of the unit → port of the frame."""
    n, o = sum(inputs.values()), sum(outputs.values())
    box = ", ".join([*(f"input \\{name} " for name in clocks),
                     *(f"input [{width - 1}:0] \\{name} " for name, width in inputs.items()),
                     *(f"output [{width - 1}:0] \\{name} " for name, width in outputs.items())])  # fmt: skip
    pins = ", ".join([*(f".\\{name} ({port})" for name, port in clocks.items()),
                      *_slices(inputs, "q"), *_slices(outputs, "o")])  # fmt: skip
    ports = ", ".join(f"input {port}" for port in [*clocks.values(), *(["scan"] if n else [])])
    registers, body = _tree(o)
    if n:
        registers = [f"[{n - 1}:0] s, q", *registers]
        body = ["s <= {s, scan};", "q <= ~s;", *body]  # inverted: else q[i] is s[i + 1], and they are merged
    lines = [
        f"(* blackbox *) module \\{top} ({box}); endmodule",
        f"module \\{top}_frame ({ports}, output out);",
        f"  wire [{o - 1}:0] o;",
        *(f"  reg {register};" for register in registers),
        f"  \\{top} {UNIT} ({pins});",
        f"  always @(posedge {next(iter(clocks.values()))}) begin",
        *(f"    {line}" for line in body),
        "  end",
        f"  assign out = t{_levels(o)};",
        "endmodule",
    ]
    return "\n".join(lines) + "\n"


def _slices(widths: Mapping[str, int], vector: str) -> list[str]:
    """Connections of ports to consecutive slices of a vector."""
    connections, low = [], 0
    for name, width in widths.items():
        connections.append(f".\\{name} ({vector}[{low + width - 1}:{low}])")
        low += width
    return connections


def _levels(width: int) -> int:
    """Levels of the parity tree over ``width`` bits."""
    return math.ceil(math.log(width, _TREE) - 1e-9)


def _tree(width: int) -> tuple[list[str], list[str]]:
    """Registers and assignments: t0 takes the outputs, each further level the parities of four bits."""
    registers, body = [f"[{width - 1}:0] t0"], ["t0 <= o;"]
    for level in range(1, _levels(width) + 1):
        below, width = width, math.ceil(width / _TREE)
        parities = (f"^t{level - 1}[{min(_TREE * i + _TREE, below) - 1}:{_TREE * i}]" for i in reversed(range(width)))
        registers.append(f"[{width - 1}:0] t{level}")
        body.append(f"t{level} <= {{{', '.join(parities)}}};")
    return registers, body


def _script(family: Target, top: str, unit: str) -> str:
    """Maps the frame, puts the unit in place of its black box, and flattens both to one module."""
    synth = family.synth_command(top, dsp=False, flatten=True, pads=True).removesuffix(" -json netlist.json")
    # Libraries come again with the unit's netlist; `=` reaches black boxes.
    return (f"read_verilog frame.v; {synth}; delete =A:blackbox =A:whitebox; read_json unit.json; "
            f"hierarchy -top {top}; flatten; opt_clean; write_json netlist.json")  # fmt: skip


def _open_first_carries(module: dict[str, Any]) -> None:
    """Disconnect carry inputs of Nexus from constant 0, which is what an open one reads.

    Yosys makes them (YosysHQ/yosys#4081) and nextpnr refuses them.
    """
    low = {bit for cell in module["cells"].values() if cell["type"] == "VLO" for bit in cell["connections"]["Z"]}
    for cell in module["cells"].values():
        if cell["type"] == "CCU2" and set(cell["connections"].get("CIN", [])) <= low | {"0"}:
            cell["connections"]["CIN"] = []
