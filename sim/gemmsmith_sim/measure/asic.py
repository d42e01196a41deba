"""Synthesis to standard cells with Yosys and ABC: the area of a design in a library.

Two fixed scripts, the same for every design and every library: ``"area"`` and ``"speed"``. Figures are pre-layout:
cell area without wires, clock tree, filler or scan.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .flat import APART
from .hierarchy import FlatModule, Module, module_tree
from .liberty.adder import FULL_ADDERS, full_adder_rule
from .liberty.boundary import boundary, constant_cell
from .liberty.gating import clock_gate_cell, count_gated, enable_rules, gate_commands, gate_module
from .liberty.model import Library
from .liberty.write import mapping_liberty
from .tools import ToolError
from .yosys import YOSYS, check_sources, check_top, keep_apart, read_commands, synthesis

__all__ = ["STYLES", "AsicResult", "asic_tree", "synthesize_asic"]


@dataclass(frozen=True)
class _Style:
    """What differs between the scripts."""

    adders: str
    """File of Yosys or of ours that says how carries are made."""
    abc: str


_ADDER_RULE = "full_adder.v"
_GATE, _ENABLES = "clock_gate.v", "enables.v"
_LONG = ("cells.lib", "ripple.v", _ENABLES)
"""Files that a result does not quote."""
_CLEAN = "strash; &get -n; &fraig -x; &put; scorr; dc2"
_STYLES = {
    "area": _Style(
        "ripple.v", f"{_CLEAN}; dch -f; amap -m; topo; buffer -c; topo; upsize -D 100000; dnsize -D 100000; stime -p"
    ),
    "speed": _Style(
        "+/choices/kogge-stone.v",
        f"{_CLEAN}; if -g -K 6; strash; dch -f; &get -n; &dch -f; &nf; &put; topo; buffer -c -N 16; topo; "
        "upsize -D 1; dnsize -D 1; stime -p",
    ),
}
STYLES = tuple(_STYLES)
"""The scripts: small, and fast."""

# Yosys makes carries with a Brent-Kung tree if not told otherwise; the name sorts before that of its own rule.
_RIPPLE = """\
(* techmap_celltype = "$lcu" *)
module _80_lcu_ripple (P, G, CI, CO);
  parameter WIDTH = 2;
  (* force_downto *) input [WIDTH-1:0] P, G;
  input CI;
  (* force_downto *) output [WIDTH-1:0] CO;
  assign CO = G | (P & {CO, CI});
endmodule
"""


@dataclass(frozen=True, kw_only=True)
class AsicResult:
    """Cells of one design in one library, before placement."""

    top: str
    library: str
    library_sha256: str
    style: str
    area_um2: float
    """Sum of the areas of the cells."""
    sequential_area_um2: float
    """That of flip-flops, latches and clock gates, part of ``area_um2``."""
    cells: Mapping[str, int]
    """Name of the cell → how many."""
    undriven: tuple[str, ...]
    """Wires that are used and have no driver: a sign that part of the design is missing."""
    seconds: float
    versions: Mapping[str, str]
    script: str
    """All that was run: Yosys' commands and, as comments, ABC's script and constraints."""
    netlist: Path
    """The mapped netlist, one flat module, as Yosys JSON."""
    verilog: Path
    """The same as Verilog."""
    log: Path
    clock_gating: bool = False
    """Whether registers that share an enable were given a clock gate."""
    clock_gates: int = 0
    gated_flip_flops: int = 0
    """Flip-flops that a clock gate clocks."""
    cached: bool = False

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON values."""
        return {**asdict(self), **{name: str(getattr(self, name)) for name in ("netlist", "verilog", "log")}}


def synthesize_asic(
    sources: Iterable[Path],
    top: str,
    library: Library,
    *,
    style: str = "area",
    clock_gating: bool = False,
    apart: Sequence[str] = (),
    fresh: bool = False,
    timeout: float = 3600,
    notify: Callable[[str], None] | None = None,
) -> AsicResult:
    """Map a design to the cells of a library and add up their areas.

    Parameters
    ----------
    sources, top, fresh, timeout, notify
        As in `synth.synthesize`.
    library
        From `liberty.library` or `liberty.load_liberty`. Cells marked ``dont_use`` are not used.
    style
        ``"area"`` (carries ripple, mapped for area) or ``"speed"`` (prefix adders, mapped for delay, sized up).
    clock_gating
        Clock the flip-flops that share an enable, where there are at least `liberty.gating.MIN_REGISTERS`, by one of
        the library's integrated clock gates.
    apart
        Patterns of modules that are mapped each by itself and flattened afterwards: cells then belong to one of them
        for certain (`FlatModule`), and nothing is optimised across their ports.

    Raises
    ------
    ValueError
        For arguments that are not as described, and for a library without a flip-flop or an inverter, or, with
        ``clock_gating``, without a clock gate.
    ToolError
        If Yosys fails, if a net has two drivers, if the netlist has no cells, or if something in it has no cell in
        the library (a latch in a library without latches, say).
    """
    if style not in _STYLES:
        raise ValueError(f"style must be one of {', '.join(_STYLES)}, not {style!r}")
    files = check_sources(sources)
    check_top(top)
    inputs = _inputs(library, style, clock_gating)
    script = _script(files, top, library, style, inputs, apart)

    def describe(work: Path, log: Path) -> dict[str, Any]:
        said = script + _comments({name: text for name, text in inputs.items() if name not in _LONG})
        return {"top": top, "library": library.name, "library_sha256": library.sha256, "style": style,
                "clock_gating": clock_gating, **_count(work, log, top, library), "script": said}  # fmt: skip

    fields = synthesis("asic", files, script, describe, key=[library.sha256], inputs=inputs, fresh=fresh,
                       timeout=timeout, notify=notify)  # fmt: skip
    return AsicResult(**fields, verilog=fields["netlist"].with_suffix(".v"))


def asic_tree(result: AsicResult, library: Library) -> Module:
    """The area of a mapped unit by module, µm²; what no name attributes stands at the root."""
    flat = FlatModule(json.loads(result.netlist.read_text())["modules"][result.top])
    cells = ((flat.scope(name), library.cell(cell["type"]).area) for name, cell in flat.cells.items())
    return module_tree(cells, top=result.top, types=flat.scopes)


def _inputs(library: Library, style: str, clock_gating: bool) -> dict[str, str]:
    """Files beside the sources, by name."""
    around = boundary(library)
    inputs = {
        "cells.lib": mapping_liberty(library),
        "abc.script": f"{_STYLES[style].abc}\n",
        "abc.constr": f"set_driving_cell {around.driver}\nset_load {around.output_load_ff:g}\n",
    }
    if _STYLES[style].adders == "ripple.v":
        inputs["ripple.v"] = _RIPPLE
    if rule := full_adder_rule(library):
        inputs[_ADDER_RULE] = rule
    if clock_gating:
        inputs |= {_GATE: gate_module(clock_gate_cell(library)), _ENABLES: enable_rules()}
    return inputs


def _script(files: Sequence[Path], top: str, library: Library, style: str, inputs: Mapping[str, str],
            apart: Sequence[str]) -> str:
    adders = f"-extra-map {_STYLES[style].adders}"
    constants = [
        f"-{option} {cell} {pin}"
        for option, value in (("hicell", 1), ("locell", 0))
        for cell, pin in [constant_cell(library, value) or ("", "")]
        if cell
    ]
    lines = [
        *read_commands(files),
        "read_liberty -lib cells.lib",  # so that the directions of their pins are known
        *([f"read_verilog -lib {_GATE}"] if _GATE in inputs else []),
        f"hierarchy -check -top {top}",
        *([f"chtype -set {FULL_ADDERS} t:*_{FULL_ADDERS}", f"techmap -map {_ADDER_RULE}"] if _ADDER_RULE in inputs
          else []),
        *keep_apart(apart),
        f"synth -flatten -booth {adders} -top {top} -run :fine",
        "opt -full",
        f"synth {adders} -run fine:check",
        "opt -full",
        "techmap",  # of multiplexers that opt made
        "opt",
        *(gate_commands(clock_gate_cell(library), _ENABLES) if _GATE in inputs else []),
        "dfflibmap -liberty cells.lib",
        "opt",
        "abc -liberty cells.lib -script abc.script -constr abc.constr",
        "opt_clean",
        "setundef -zero",
        *([f"hilomap -singleton {' '.join(constants)}"] if constants else []),
        "splitnets",
        "opt_clean",
        "autoname",
        *(["setattr -mod -unset keep_hierarchy *", "flatten", "opt_clean", f"setattr -mod -set {APART} 1 {top}"]
          if apart else []),
        "write_verilog -noattr netlist.v",
        "write_json netlist.json",
    ]
    return "\n".join(lines) + "\n"


def _comments(inputs: Mapping[str, str]) -> str:
    return "".join(f"# {name}: {line}\n" for name, text in inputs.items() for line in text.splitlines())


def _count(work: Path, log: Path, top: str, library: Library) -> dict[str, Any]:
    module = json.loads((work / "netlist.json").read_text())["modules"].get(top)
    if module is None:
        raise ToolError(YOSYS, f"the netlist has no module {top!r}", log)
    cells = Counter(cell["type"] for cell in module["cells"].values() if cell["type"] != "$scopeinfo")
    if not cells:
        raise ToolError(YOSYS, f"the netlist of {top!r} has no cells: its logic was optimised away", log)
    if foreign := sorted(cells.keys() - library.cells.keys()):
        raise ToolError(YOSYS, f"library {library.name!r} has no cell for {foreign[0]} of {top!r}", log)
    areas = {name: count * library.cells[name].area for name, count in cells.items()}
    stateful = {cell.name for cell in library.cells.values() if cell.ff or cell.latch or cell.clock_gate}
    gates, gated = count_gated(module["cells"].values(), library)
    return {
        "cells": dict(sorted(cells.items())),
        "area_um2": round(sum(areas.values()), 6),
        "sequential_area_um2": round(sum(area for name, area in areas.items() if name in stateful), 6),
        "clock_gates": gates,
        "gated_flip_flops": gated,
    }
