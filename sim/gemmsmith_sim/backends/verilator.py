"""Runs Verilog as compiled C++, bus models included: 0.3 to 1 million cycles a second, for whole models."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, byref, c_int, c_uint8, c_uint32, c_uint64, c_void_p
from functools import cache
from pathlib import Path

import numpy as np

from .base import REGISTER_CYCLES, Backend, Event, Rule, check_memory_bytes
from .build import build_library
from .bus_common import StallGenerator
from .memory import Channel, MemoryTiming, Response

CHUNK = 200_000
"""Cycles between two moments in which Python can see Ctrl-C."""


class _ErrorRange(Structure):
    _fields_ = [("start", c_uint64), ("stop", c_uint64), ("response", c_uint64)]


class _Timing(Structure):
    _fields_ = [("read_latency", c_uint64), ("write_latency", c_uint64), ("outstanding", c_uint64),
                ("stall_threshold", c_uint64 * len(Channel)), ("stall_state", c_uint64 * len(Channel)),
                ("error_count", c_uint64), ("errors", POINTER(_ErrorRange))]


class _Event(Structure):
    _fields_ = [("cycle", c_uint64), ("address", c_uint64), ("channel", c_uint32), ("rule", c_uint32),
                ("response", c_uint32), ("unused", c_uint32)]


_SIGNATURES = {
    "harness_create": (c_void_p, [c_void_p, c_uint64, POINTER(_Timing)]),
    "harness_destroy": (None, [c_void_p]),
    "harness_cycles": (c_uint64, [c_void_p]),
    "harness_run": (None, [c_void_p, c_uint64]),
    "harness_start_reset": (None, [c_void_p]),
    "harness_finish_reset": (None, [c_void_p]),
    "harness_access": (c_int, [c_void_p, c_int, c_uint32, c_uint32, c_uint64,
                               POINTER(c_uint32), POINTER(c_uint32)]),
    "harness_wait_interrupt": (c_uint64, [c_void_p, c_uint64]),
    "harness_take_events": (c_uint64, [c_void_p, POINTER(_Event), c_uint64]),
}


@cache
def _load(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class VerilatorBackend(Backend):
    """A Verilog module with the ports of :mod:`.ports`, ``aclk`` and ``aresetn``.

    The first use compiles it (seconds); later ones find it in the cache (:mod:`gemmsmith_sim.cache`).
    Cycle by cycle the same as :class:`.pysim.PySimBackend`, stalls included.

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

    def __init__(self, verilog: str, *, top: str, memory_bytes: int,
                 timing: MemoryTiming | None = None) -> None:
        super().__init__(np.zeros(check_memory_bytes(memory_bytes), np.uint8), timing or MemoryTiming())
        self._library = _load(build_library(verilog, top))
        self._final_cycles = 0
        self._harness: int | None = self._library.harness_create(
            self.memory.ctypes.data_as(POINTER(c_uint8)), memory_bytes, byref(_pack_timing(self.timing)))
        self._library.harness_finish_reset(self._harness)
        self._record()

    @property
    def cycles(self) -> int:
        return self._library.harness_cycles(self._harness) if self._harness else self._final_cycles

    def _open(self) -> int:
        if self._harness is None:
            raise RuntimeError("the backend is closed")
        return self._harness

    def _access(self, write: bool, offset: int, value: int) -> tuple[int, int] | None:
        response, data = c_uint32(), c_uint32()
        ended = self._library.harness_access(self._open(), write, offset, value, REGISTER_CYCLES,
                                             byref(response), byref(data))
        return (response.value, data.value) if ended else None

    def _run_until_interrupt(self, max_cycles: int) -> int | None:
        for start in range(0, max_cycles, CHUNK):
            if waited := self._library.harness_wait_interrupt(self._open(), min(CHUNK, max_cycles - start)):
                return start + waited
        return None

    def _run(self, cycles: int) -> None:
        for start in range(0, cycles, CHUNK):
            self._library.harness_run(self._open(), min(CHUNK, cycles - start))

    def _reset(self) -> None:
        self._library.harness_start_reset(self._open())
        self._library.harness_finish_reset(self._open())

    def _take_events(self) -> list[Event]:
        room = (_Event * 256)()
        taken: list[Event] = []
        while count := self._library.harness_take_events(self._open(), room, len(room)):
            taken += [Event(e.cycle, Channel(e.channel), Rule(e.rule), e.address, Response(e.response))
                      for e in room[:count]]
        return taken

    def close(self) -> None:
        if self._harness is not None:
            self._final_cycles = self.cycles
            self._library.harness_destroy(self._harness)
            self._harness = None

    def __del__(self) -> None:
        if getattr(self, "_harness", None) is not None:
            self.close()


def _pack_timing(timing: MemoryTiming) -> _Timing:
    stalls = [StallGenerator(timing.stall_of[channel], timing.seed, channel) for channel in Channel]
    errors = (_ErrorRange * len(timing.error_at))(
        *(_ErrorRange(e.start, e.stop, e.response) for e in timing.error_at))
    stall_words = c_uint64 * len(Channel)
    return _Timing(timing.read_latency, timing.write_latency, timing.outstanding,
                   stall_words(*(stall.threshold for stall in stalls)),
                   stall_words(*(stall.state for stall in stalls)), len(errors), errors)
