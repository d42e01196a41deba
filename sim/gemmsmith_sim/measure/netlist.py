"""Mapped netlists as Verilog, to simulate what synthesis made of a design."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from ..cache import atomic_dir, cache_dir, digest
from .synth import SynthResult
from .targets import get_target, yosys_share
from .tools import run, version
from .yosys import YOSYS

__all__ = ["cell_models", "netlist_verilog"]

_WRITE = "read_json netlist.json; write_verilog -noattr netlist.v"

# Unused pins of a mapped cell are left open, and the models were not written for Verilator's linter.
_LINT_OFF = "".join(
    f"/* verilator lint_off {rule} */\n"
    for rule in ("DECLFILENAME", "GENUNNAMED", "INITIALDLY", "MULTITOP", "PINMISSING", "TIMESCALEMOD",
                 "UNDRIVEN", "UNUSEDPARAM", "UNUSEDSIGNAL", "WIDTHEXPAND", "WIDTHTRUNC")
)  # fmt: skip

_NO_LOGIC = re.compile(r"//[^\n]*|/\*.*?\*/|\(\*(?!\)).*?\*\)|\bspecify\b.*?\bendspecify\b", re.DOTALL)
"""Comments, attributes, delays."""

_MODULE = re.compile(r"\bmodule\s+([\w$\\]+).*?\bendmodule\b", re.DOTALL)
"""A module; its name is the group."""


def netlist_verilog(
    result: SynthResult, *, timeout: float = 600, notify: Callable[[str], None] | None = None
) -> list[Path]:
    """The Verilog files that simulate a synthesised design: its netlist and the models of its cells.

    The top module keeps its name and its ports. The files need no include path. The models are those that
    come with Yosys; they have no delays.

    Raises
    ------
    ValueError
        If the netlist has cells without a model (block RAMs and DSP blocks of ECP5 and Xilinx): synthesise
        with ``dsp=False``, or ``options=("-nobram",)``.
    ToolError
        If Yosys fails.
    """
    family = get_target(result.target)
    if black := sorted(set(result.cells) & set(family.unmodelled)):
        raise ValueError(f"no simulation model of {', '.join(black)}; synthesise with dsp=False or -nobram")
    key = digest("netlist 2", version(YOSYS), result.target, result.netlist)
    directory = cache_dir("netlist") / key
    if not directory.is_dir():
        log = cache_dir("logs") / f"netlist-{key[:16]}.log"
        with atomic_dir(directory) as work:
            (work / "netlist.json").write_bytes(result.netlist.read_bytes())
            run(YOSYS, ["-q", "-p", _WRITE], cwd=work, log=log, timeout=timeout, notify=notify)
            (work / "netlist.json").unlink()
            netlist = work / "netlist.v"
            netlist.write_text(_LINT_OFF + netlist.read_text())
            (work / "cells.v").write_text(cell_models(result.target, result.cells))
    return [directory / "netlist.v", directory / "cells.v"]


def cell_models(target: str, cells: Iterable[str]) -> str:
    """Verilog models, without delays and attributes, of those of the ``cells`` that the family of ``target`` has.

    Raises ``ValueError`` for an unknown target.
    """
    return _LINT_OFF + _only(cells, _with_includes(yosys_share() / get_target(target).models, set()))


def _with_includes(path: Path, seen: set[Path]) -> str:
    """The text of a Verilog file with its includes put in, each once, without comments, attributes and delays."""
    if path in seen:
        return ""
    seen.add(path)
    text = _NO_LOGIC.sub("", path.read_text())
    return re.sub(r'`include "([^"]+)"', lambda match: _with_includes(path.parent / match[1], seen), text)


def _only(cells: Iterable[str], text: str) -> str:
    """Drop the modules that ``cells`` do not need: a large memory's model takes minutes to read.

    What stands between modules, compiler directives, is kept.
    """
    bodies = {match[1]: match[0] for match in _MODULE.finditer(text)}
    needed: set[str] = set()
    pending = {cell for cell in cells if cell in bodies}
    while pending:
        needed |= pending
        words = {word for cell in pending for word in re.findall(r"[\w$\\]+", bodies[cell])}
        pending = (words & bodies.keys()) - needed
    return _MODULE.sub(lambda match: match[0] if match[1] in needed else "", text)
