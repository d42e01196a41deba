"""Compiles Verilog to a simulator that cocotb owns, and runs it.

This stands in for cocotb's own runner, which needs Verilator's Perl script and make, and makes every signal of the
design visible, at several times the run time. Here the ports of the top module are visible, and nothing else.
"""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from .base import MissingToolError
from .toolchain import (
    FAST,
    cached,
    compile_units,
    compiler,
    model_units,
    run_compiler,
    runtime_objects,
    verilate,
)

PREFIX = "Vtop"
"""Name of the class that cocotb's main program expects."""


def build_simulator(verilog: str, top: str) -> Path:
    """The executable for the module ``top``, from the cache or compiled now; raises as ``build_library`` does."""
    if find_spec("cocotb_tools") is None or find_spec("cocotbext") is None:
        raise MissingToolError("cocotb and cocotbext-axi are not installed: pip install gemmsmith[cocotb,sim]")
    from cocotb_tools import config

    main = Path(config.share_dir) / "lib" / "verilator" / "verilator.cpp"
    inputs = (verilog, top, main.read_text(), Path(__file__).read_text())
    return cached("simulator", inputs,
                  lambda scratch: _compile_simulator(verilog, top, main, Path(config.libs_dir), scratch))


def _compile_simulator(verilog: str, top: str, main: Path, libraries: Path, scratch: Path) -> Path:
    visible = scratch / "visible.vlt"
    visible.write_text(f'`verilator_config\npublic_flat_rw -module "{top}" -var "*"\n')
    verilate(verilog, top, scratch, prefix=PREFIX, flags=("--vpi", visible))
    with ThreadPoolExecutor(1) as pool:
        runtime = pool.submit(runtime_objects, ("verilated", "verilated_threads", "verilated_vpi"))
        objects = compile_units(scratch, {**model_units(scratch, PREFIX), main: FAST})
        objects += runtime.result()
    executable = scratch / "simulator"
    run_compiler([*compiler(), "-o", executable, *objects, f"-Wl,-rpath,{libraries}", f"-L{libraries}",
                  "-lcocotbvpi_verilator", "-pthread"])
    return executable


def environment(top: str, test_module: str, results: Path) -> dict[str, str]:
    """What cocotb must find in the simulator's environment."""
    import find_libpython
    from cocotb_tools import config

    users = f"{find_libpython.find_libpython()};{config.pygpi_entry_point()}"
    return {**os.environ, "COCOTB_TOPLEVEL": top, "COCOTB_TEST_MODULES": test_module, "TOPLEVEL_LANG": "verilog",
            "COCOTB_RESULTS_FILE": str(results), "COCOTB_TRUST_INERTIAL_WRITES": "1", "COCOTB_ANSI_OUTPUT": "0",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYGPI_PYTHON_BIN": sys.executable,
            "GPI_USERS": users}


def start_simulator(verilog: str, top: str, test_module: str, directory: Path, *, log: IO[str],
                    extra: Mapping[str, str] | None = None,
                    pass_fds: Sequence[int] = ()) -> subprocess.Popen[str]:
    """The simulator, running the tests in ``test_module``; it leaves ``results.xml`` in ``directory``."""
    variables = environment(top, test_module, directory / "results.xml") | dict(extra or {})
    return subprocess.Popen([build_simulator(verilog, top)], cwd=directory, env=variables, text=True, stdout=log,
                            stderr=subprocess.STDOUT, pass_fds=pass_fds)


def run_tests(verilog: str, top: str, test_module: str, directory: Path, *,
              extra: Mapping[str, str] | None = None, timeout: float = 600) -> list[str]:
    """Run the cocotb tests of a Python module on the module ``top``; returns the names of those that passed.

    Raises
    ------
    AssertionError
        A test failed, or there was none; the message ends with the simulator's log.
    """
    log_path, results = directory / "simulator.log", directory / "results.xml"
    results.unlink(missing_ok=True)
    with log_path.open("w") as log, start_simulator(verilog, top, test_module, directory, log=log,
                                                    extra=extra) as process:
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
    cases = ElementTree.parse(results).getroot().iter("testcase") if results.exists() else ()
    by_outcome: dict[bool, list[str]] = {True: [], False: []}
    for case in cases:
        failed = case.find("failure") is not None or case.find("error") is not None
        by_outcome[not failed].append(case.get("name", "?"))
    if by_outcome[False] or not by_outcome[True]:
        what = f"failed: {', '.join(by_outcome[False])}" if by_outcome[False] else f"{test_module} ran no test"
        raise AssertionError(f"{what}\n{log_path.read_text()[-6000:]}")
    return by_outcome[True]
