"""Synthesis with Yosys: count the cells of a design on an FPGA family.

The scripts are fixed, the same for every design, so that two designs can be compared; they appear in the
result. Figures are pre-layout: what the mapper makes, before anything is placed.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .targets import KINDS, Target, get_target
from .tools import ToolError
from .yosys import YOSYS, check_sources, check_top, keep_apart, read_commands, synthesis

__all__ = ["SynthResult", "synthesize"]


@dataclass(frozen=True, kw_only=True)
class SynthResult:
    """Cells of one design on one target, before placement."""

    top: str
    target: str
    dsp: bool
    """Whether multipliers might become DSP blocks."""
    flatten: bool
    cells: Mapping[str, int]
    """Name of the cell → how many."""
    luts: int
    carries: int
    ffs: int
    dsps: int
    brams: int
    lutrams: int
    """Memories made of LUTs, as cells."""
    muxes: int
    """Dedicated multiplexers behind LUTs (PFUMX, L6MUX21, MUXF7, MUX2_LUT5...); they take no LUT."""
    lutram_luts: int
    """LUT sites that ``lutrams`` take; a 16×4 memory takes six on ECP5 and Nexus, eight on Gowin."""
    eq: int | None
    """LUT sites, on families whose carry cells take some: LUTs + 2·CCU2C (ECP5), 2·CCU2 (Nexus) or ALU (Gowin) +
    ``lutram_luts``. ``None`` elsewhere: there carries stand beside LUTs that ``luts`` counts. Block RAMs and DSP blocks
    are not in it: it is the whole cost of a design only where ``brams`` and ``dsps`` are 0."""
    logic_depth: int | None
    """Cells on the longest path between registers, a carry cell being one; within one module. ``None`` if
    the netlist has a combinational loop. Paths end at memories, and on iCE40, Nexus and Xilinx at DSP blocks."""
    undriven: tuple[str, ...]
    """Wires that are used and have no driver: a sign that part of the design is missing."""
    seconds: float
    versions: Mapping[str, str]
    script: str
    netlist: Path
    """The mapped netlist as Yosys JSON, for place and route."""
    log: Path
    cached: bool = False

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON values."""
        return {**asdict(self), "netlist": str(self.netlist), "log": str(self.log)}


def synthesize(
    sources: Iterable[Path],
    top: str,
    target: str,
    *,
    dsp: bool | None = None,
    flatten: bool = True,
    apart: Sequence[str] = (),
    options: Sequence[str] = (),
    fresh: bool = False,
    timeout: float = 3600,
    notify: Callable[[str], None] | None = None,
) -> SynthResult:
    """Synthesise a design and count its cells.

    Parameters
    ----------
    sources
        ``.v``, ``.sv`` and ``.il`` (RTLIL) files, read in this order, and the ``.vh``/``.svh`` files that
        they include by bare name. File names must differ, since they are brought into one directory.
    top
        Name of the top module.
    target
        ``"ecp5"``, ``"ice40"``, ``"nexus"``, ``"gowin"`` or ``"xcup"``.
    dsp
        Whether multipliers may become DSP blocks; default: the family's habit (iCE40 no, others yes).
    apart
        Patterns of modules that are not flattened into those above them.
    options
        Further options of the synthesis command, such as ``"-nobram"``.
    fresh
        Measure even if the cache has the result.
    timeout, notify
        As in `tools.run`.

    Raises
    ------
    ValueError
        For arguments that are not as described.
    ToolError
        If Yosys fails, if a net has two drivers (Yosys then deletes logic, and the design looks small), or
        if the netlist has no cells.
    """
    family = get_target(target)
    files = check_sources(sources)
    check_top(top)
    dsp = family.dsp_default if dsp is None else dsp
    script = _script(family, files, top, dsp=dsp, flatten=flatten, apart=apart, options=options)

    def describe(work: Path, log: Path) -> dict[str, Any]:
        return {"top": top, "target": target, "dsp": dsp, "flatten": flatten, **_count(family, work, log, top),
                "script": script}  # fmt: skip

    return SynthResult(**synthesis("synth", files, script, describe, fresh=fresh, timeout=timeout, notify=notify))


def _script(family: Target, files: list[Path], top: str, *, dsp: bool, flatten: bool, apart: Sequence[str],
            options: Sequence[str]) -> str:
    first, *others = family.depth_stops
    stops = " ".join([f"t:{first}", *(f"t:{other} %u" for other in others)])  # a union, in Yosys' postfix
    lines = [
        *read_commands(files),
        *keep_apart(apart),
        family.synth_command(top, dsp=dsp, flatten=flatten, options=options),
        f"tee -q -o stat.json stat -json -top {top}",
        f"tee -q -o depth.txt ltp -noff * {stops} %d",
    ]
    return "\n".join(lines) + "\n"


def _count(family: Target, work: Path, log: Path, top: str) -> dict[str, Any]:
    stat = json.loads((work / "stat.json").read_text())
    modules = {name.removeprefix("\\") for name in stat["modules"]}
    cells = {
        cell: count
        for cell, count in stat["design"]["num_cells_by_type"].items()
        if cell not in modules and cell != "$scopeinfo"
    }
    kinds = dict.fromkeys(KINDS, 0)
    lutram_luts = 0
    for cell, count in cells.items():
        if kind := family.kind(cell):
            kinds[kind] += count * (family.luts_per_cell.get(cell, 1) if kind == "luts" else 1)
        lutram_luts += family.lutram_luts.get(cell, 0) * count
    if not any(kinds.values()):
        raise ToolError(YOSYS, f"the netlist of {top!r} has no cells: its logic was optimised away", log)
    eq = None
    if family.luts_per_carry is not None:
        eq = kinds["luts"] + family.luts_per_carry * kinds["carries"] + lutram_luts
    depth = _depth((work / "depth.txt").read_text())
    return {"cells": cells, **kinds, "lutram_luts": lutram_luts, "eq": eq, "logic_depth": depth}


def _depth(ltp: str) -> int | None:
    if "Detected loop" in ltp:
        return None
    return max((int(length) for length in re.findall(r"\(length=(-?\d+)\)", ltp)), default=0)
