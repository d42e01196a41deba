"""Runs Verilog under cocotb, with the bus models of cocotbext-axi: an opinion of its own on the protocol.

cocotb owns the process of its simulator, so that the simulator is a process of its own, which runs
:mod:`.cocotb_worker` and takes commands through a pipe; the memory is shared.
"""

from __future__ import annotations

import mmap
import subprocess
import tempfile
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import numpy as np

from .base import Backend, Event, ProtocolError, check_memory_bytes
from .cocotb_build import start_simulator
from .memory import MemoryTiming

WORKER = "gemmsmith_sim.backends.cocotb_worker"
CLOSE_SECONDS = 10


class CocotbBackend(Backend):
    """A Verilog module with the ports of :mod:`.ports`, ``aclk`` and ``aresetn``; some 10 000 cycles a second.

    It differs from the other backends in what cocotbext-axi does: cycle counts are its own, the memory serves
    one burst after the other (each pays ``read_latency``), and a fault that cocotbext-axi asserts (WLAST) ends
    the simulation with a :class:`ProtocolError`.

    Parameters
    ----------
    verilog : str
        The source text.
    top : str
        Name of the module.
    memory_bytes : int
        Size of the DRAM; a multiple of 4096.
    timing : MemoryTiming

    Raises
    ------
    MissingToolError, ValueError
        As :func:`.build.build_library`.
    """

    def __init__(self, verilog: str, *, top: str, memory_bytes: int, timing: MemoryTiming | None = None) -> None:
        check_memory_bytes(memory_bytes)
        self._cycles = 0
        self._new: list[Event] = []
        self._directory = tempfile.TemporaryDirectory()
        self._log_path = Path(self._directory.name) / "simulator.log"
        self._process: subprocess.Popen[str] | None = None
        with tempfile.TemporaryFile() as shared:
            shared.truncate(memory_bytes)
            memory = np.frombuffer(mmap.mmap(shared.fileno(), memory_bytes), np.uint8)
            super().__init__(memory, timing or MemoryTiming())
            self._start(verilog, top, shared.fileno())
        self._call(memory_bytes, self.timing)
        self._record()

    def _start(self, verilog: str, top: str, memory: int) -> None:
        self._pipe, theirs = Pipe()
        with theirs, self._log_path.open("w") as log:
            numbers = {"GEMMSMITH_PIPE": theirs.fileno(), "GEMMSMITH_MEMORY": memory}
            self._process = start_simulator(
                verilog, top, WORKER, Path(self._directory.name), log=log, pass_fds=tuple(numbers.values()),
                extra={name: str(number) for name, number in numbers.items()})

    def _call(self, *command: Any) -> Any:
        """Send a command and wait for its result."""
        if self._process is None:
            raise RuntimeError("the backend is closed")
        try:
            self._pipe.send(command)
            alive, result, self._cycles, events = self._pipe.recv()
        except (EOFError, OSError):
            alive, result, events = False, None, []
        self._new += events
        if not alive:
            self._process.wait()
            tail = self._log_path.read_text()[-3000:]
            self.close()
            self.events += self._take_events()
            seen = "\n".join(map(str, self.events))
            raise ProtocolError(f"the simulation ended early\n{seen}\n{tail}")
        return result

    @property
    def cycles(self) -> int:
        return self._cycles

    def _access(self, write: bool, offset: int, value: int) -> tuple[int, int] | None:
        return self._call("access", write, offset, value)

    def _run_until_interrupt(self, max_cycles: int) -> int | None:
        return self._call("wait_interrupt", max_cycles)

    def _run(self, cycles: int) -> None:
        self._call("run", cycles)

    def _reset(self) -> None:
        self._call("reset")

    def _take_events(self) -> list[Event]:
        taken, self._new = self._new, []
        return taken

    def close(self) -> None:
        if self._process is None:
            return
        self._pipe.close()  # the worker ends when it finds the pipe closed
        try:
            self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        self._directory.cleanup()

    def __del__(self) -> None:
        if getattr(self, "_process", None) is not None:
            self.close()
