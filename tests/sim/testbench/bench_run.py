"""Writes a build with its test bench and runs that bench as a user would: with its Makefile."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from gemmsmith.emit import BuildConfig, emit_build
from gemmsmith_sim.backends.base import MissingToolError
from gemmsmith_sim.backends.toolchain import compiler, verilator_root
from gemmsmith_sim.testbench import testbench_files as bench_files


@dataclass(frozen=True)
class BenchRun:
    """What `make` did: whether it succeeded, and what the bench printed."""

    succeeded: bool
    log: str


class BenchDirectory:
    """A build's ``rtl/`` and ``tb/`` in ``directory``."""

    def __init__(self, directory: Path, scheme: str, **choices: str):
        self.config = BuildConfig.resolve(scheme, choices)
        self.name = self.config.name
        self.tb, self.rtl = directory / "tb", directory / "rtl" / f"{self.name}.v"
        files = {**bench_files(self.config), f"rtl/{self.name}.v": emit_build(self.config).verilog}
        for path, text in files.items():
            (directory / path).parent.mkdir(exist_ok=True)
            (directory / path).write_text(text)

    def vectors(self, name: str) -> Path:
        return self.tb / f"{self.name}_{name}.hex"

    def run(self, simulator: str) -> BenchRun:
        """Runs the bench; compiles it if it has not been compiled yet, or the Verilog has changed."""
        variables = _verilator() if simulator == "verilator" else {}
        done = subprocess.run(["make", f"SIM={simulator}", *(f"{k}={v}" for k, v in variables.items())], cwd=self.tb,
                              capture_output=True, text=True, timeout=500)
        log = self.tb / f"run_{simulator}" / "log"
        assert log.is_file(), f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return BenchRun(done.returncode == 0, log.read_text())


def require(simulator: str) -> None:
    """Skips the test unless the simulator is there."""
    programs = ["make", *(["iverilog", "vvp"] if simulator == "iverilog" else ["ar", "perl"])]
    if missing := [program for program in programs if shutil.which(program) is None]:
        pytest.skip(f"{missing[0]} is not installed")
    if simulator == "verilator":
        try:
            verilator_root(), compiler()
        except MissingToolError as error:
            pytest.skip(str(error))


def _verilator() -> dict[str, str]:
    """Variables of make for the Verilator of the Python package: its makefile names tools of where it was built."""
    cxx = " ".join(compiler())
    return {"VERILATOR": f"VERILATOR_ROOT={verilator_root()} {verilator_root()}/bin/verilator_bin",
            "CXX": cxx, "LINK": cxx, "AR": "ar", "PYTHON3": sys.executable, "PERL": "perl",
            "CFG_CXXFLAGS_PCH_I": "-include", "CFG_CXXFLAGS_STD": "-std=gnu++20", "CFG_CXXFLAGS_COROUTINES": "",
            "CFG_LDLIBS_THREADS": "-pthread"}
