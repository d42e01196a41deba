"""A co-processor in simulation: its Verilog made, compiled, connected to the driver."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from gemmsmith.coprocessor import Coprocessor
from gemmsmith.emit import BuildConfig, ConfigError
from gemmsmith_cli.console import Reporter, working
from gemmsmith_cli.verilog import emit_cached
from gemmsmith_sim.backends.base import MissingToolError, SimulationTimeout
from gemmsmith_sim.backends.build import build_library
from gemmsmith_sim.backends.verilator import VerilatorBackend
from gemmsmith_sim.driver.driver import Driver, Transport
from gemmsmith_sim.measure import ToolError

SMALL_ARRAY: Mapping[str, str] = {"rows": "2", "cols": "4"}
"""What is simulated unless the user chooses: small enough to compile within a minute."""
MEMORY_BYTES = 1 << 29
"""Of the simulated memory; pages that are not touched take none of the host's."""
STRIDE = 100_000
"""Cycles between two reports."""


def resolve_rtl(scheme: str, choices: Mapping[str, str]) -> BuildConfig:
    """The co-processor to simulate. Raises ``ConfigError``, also for a level that has no driver."""
    config = BuildConfig.resolve(scheme, {**SMALL_ARRAY, **choices})
    if config.level != "coprocessor":
        raise ConfigError(f"level must be coprocessor for the rtl backend, not {config.level!r}")
    return config


@contextmanager
def open_rtl(config: BuildConfig, *, verilog: str | None = None) -> Iterator[tuple[Driver, Coprocessor]]:
    """A driver connected to the simulated co-processor of ``config``, and the co-processor's description.

    Making the Verilog and compiling it take up to a minute the first time; the results are kept by content.

    Parameters
    ----------
    verilog: the text, if it has been made already.

    Raises
    ------
    ToolError, MissingToolError: Verilator or the C++ compiler is missing or fails.
    """
    if verilog is None:
        with working(f"writing Verilog of {config.name}") as reporter:
            verilog = emit_cached(config, reporter)
    with working(f"compiling the simulator of {config.name} (kept for the next time)"):
        _compile(verilog, config.name)
    memory = min(MEMORY_BYTES, 1 << config.axi_addr_width)
    with VerilatorBackend(verilog, top=config.name, memory_bytes=memory) as backend:
        device = config.coprocessor()
        yield Driver(backend, device), device


def _compile(verilog: str, top: str) -> None:
    try:
        build_library(verilog, top)
    except MissingToolError:
        raise
    except (OSError, subprocess.SubprocessError, RuntimeError, ValueError) as error:
        raise ToolError("verilator", str(error)) from None


class ReportingTransport:
    """A transport that reports the cycles of a long job while it runs.

    Parameters
    ----------
    transport: of a simulator. reporter: told of every ``STRIDE`` cycles. expected: cycles of all jobs, about.
    """

    def __init__(self, transport: Transport, reporter: Reporter, expected: int):
        self._transport, self._reporter, self._expected = transport, reporter, expected
        self._waited = 0
        self.memory = transport.memory
        self.write_register, self.read_register = transport.write_register, transport.read_register

    def wait_interrupt(self, max_cycles: int) -> int:
        """As ``Backend.wait_interrupt``."""
        for start in range(0, max_cycles, STRIDE):
            try:
                last = self._transport.wait_interrupt(min(STRIDE, max_cycles - start))
            except SimulationTimeout:
                self._reporter.update(self._waited + start + STRIDE, self._expected)
                continue
            self._waited += start + last
            return start + last
        raise SimulationTimeout(f"no interrupt within {max_cycles} cycles")


def expected_cycles(device: Coprocessor, *, m: int, n: int, k: int) -> int:
    """About how many cycles a product takes: the array's time or the bus's, whichever is longer."""
    pe = device.pe
    groups = pe.groups(k)
    blocks = -(-m // device.rows) * -(-n // device.cols)
    compute = pe.schedule(groups=groups, mode=pe.mode, share=device.share).block
    traffic = sum(device.plan.stride(o, groups=groups, mode=pe.mode) * device.tile.count(o.axis) for o in pe.operands)
    return blocks * max(compute, traffic * 8 // device.plan.bus_width)
