"""One interface to every way of running a co-processor: registers, an interrupt, and a memory.

The device under test has an AXI4-Lite slave (``s_axil_*``, 32 bits), an AXI4 master (``m_axi_*``) and a level
interrupt (``irq``). A backend plays the host on the slave, the DRAM on the master, and counts clock cycles.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import IntEnum
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from .memory import Channel, MemoryTiming, Response

RESET_CYCLES = 4
"""Clock edges for which :meth:`Backend.reset` holds the reset."""

REGISTER_CYCLES = 2_000
"""Clock cycles after which a register access without a response is given up."""


class SimulationTimeout(RuntimeError):
    """The device did not answer, or did not raise its interrupt, within the cycles it was given."""


class RegisterError(RuntimeError):
    """The device answered a register access with an error response."""


class ProtocolError(RuntimeError):
    """The device broke a rule of AXI; the message lists what was seen, with the clock cycle of each."""


class MissingToolError(RuntimeError):
    """A package or program that a backend needs is not installed."""


class Rule(IntEnum):
    """What the memory model records. ``ERROR_RESPONSE`` is no offence of the device, all others are."""

    ERROR_RESPONSE = 0
    VALID_DROPPED = 1
    PAYLOAD_CHANGED = 2
    CROSSES_4K = 3
    BURST_TYPE = 4
    SIZE_TOO_WIDE = 5
    WLAST_MISPLACED = 6
    STROBE_OUTSIDE_LANES = 7
    VALID_IN_RESET = 8
    RESPONSE_UNASKED = 9

    @property
    def text(self) -> str:
        return _RULE_TEXT[self]


_RULE_TEXT = {
    Rule.ERROR_RESPONSE: "the memory answered with an error",
    Rule.VALID_DROPPED: "VALID fell before READY",
    Rule.PAYLOAD_CHANGED: "payload changed while VALID waited for READY",
    Rule.CROSSES_4K: "burst crosses a 4 KiB boundary",
    Rule.BURST_TYPE: "burst type is not INCR",
    Rule.SIZE_TOO_WIDE: "beat is wider than the data bus",
    Rule.WLAST_MISPLACED: "WLAST is not on the last beat, or on another one",
    Rule.STROBE_OUTSIDE_LANES: "WSTRB is set in a byte lane outside the beat",
    Rule.VALID_IN_RESET: "VALID is high in reset",
    Rule.RESPONSE_UNASKED: "response without a request",
}


@dataclass(frozen=True)
class Event:
    """Something the bus models recorded: a broken rule, or an error response they gave.

    ``address`` is the byte address of the burst or the beat, or the register offset; ``response`` is OKAY for
    broken rules.
    """

    cycle: int
    channel: Channel
    rule: Rule
    address: int = 0
    response: Response = Response.OKAY

    def __str__(self) -> str:
        said = f": {self.response.name}" if self.rule is Rule.ERROR_RESPONSE else ""
        return f"cycle {self.cycle}, {self.channel.name} at {self.address:#x}: {self.rule.text}{said}"


class Backend(ABC):
    """A device in a simulator, reset and ready.

    Every backend is built with ``memory_bytes`` and ``timing`` and is a context manager. Calls block until
    the device has answered. Each raises :class:`ProtocolError` if the device broke a rule of AXI meanwhile.

    Members
    -------
    memory : numpy array of uint8
        The DRAM; index 0 is address 0. Read and write it at any time between calls.
    timing : MemoryTiming
    events : list of Event
        Everything recorded so far: broken rules and error responses.
    """

    def __init__(self, memory: NDArray[np.uint8], timing: MemoryTiming) -> None:
        self.memory = memory
        self.timing = timing
        self.events: list[Event] = []

    @property
    @abstractmethod
    def cycles(self) -> int:
        """Clock edges so far, resets included."""

    @property
    def violations(self) -> list[Event]:
        """The events in which the device broke a rule."""
        return [event for event in self.events if event.rule is not Rule.ERROR_RESPONSE]

    def write_register(self, offset: int, value: int) -> None:
        """Write all 32 bits of the register at byte ``offset``.

        Raises
        ------
        RegisterError
            The device did not answer OKAY.
        SimulationTimeout
            It did not answer within ``REGISTER_CYCLES``.
        """
        if not 0 <= value < 2**32:
            raise ValueError(f"a register holds 32 unsigned bits, not {value!r}")
        self._checked_access(True, offset, value)

    def read_register(self, offset: int) -> int:
        """Read the 32-bit register at byte ``offset``; raises as :meth:`write_register` does."""
        return self._checked_access(False, offset, 0)

    def wait_interrupt(self, max_cycles: int) -> int:
        """Run until ``irq`` is high, at least one cycle; returns the cycles it took.

        Raises
        ------
        SimulationTimeout
            ``irq`` stayed low for ``max_cycles``.
        """
        if max_cycles < 1:
            raise ValueError(f"max_cycles must be at least 1, not {max_cycles!r}")
        waited = self._run_until_interrupt(max_cycles)
        self._record()
        if waited is None:
            raise SimulationTimeout(f"no interrupt within {max_cycles} cycles")
        return waited

    def run(self, cycles: int) -> None:
        """Let ``cycles`` clock cycles pass."""
        self._run(cycles)
        self._record()

    def reset(self) -> None:
        """Hold the reset for ``RESET_CYCLES``, in mid-burst too; the memory keeps its contents."""
        self._reset()
        self._record()

    @abstractmethod
    def close(self) -> None:
        """Free the simulator; the memory stays readable. Closing twice is allowed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()

    @abstractmethod
    def _access(self, write: bool, offset: int, value: int) -> tuple[int, int] | None:
        """One register access: (response, data read), or None after ``REGISTER_CYCLES``."""

    @abstractmethod
    def _run_until_interrupt(self, max_cycles: int) -> int | None:
        """Cycles until the interrupt, or None if it did not come."""

    @abstractmethod
    def _run(self, cycles: int) -> None: ...

    @abstractmethod
    def _reset(self) -> None: ...

    @abstractmethod
    def _take_events(self) -> list[Event]:
        """The events since the last call."""

    def _checked_access(self, write: bool, offset: int, value: int) -> int:
        if offset < 0 or offset % 4:
            raise ValueError(f"a register offset must be a multiple of 4, not {offset!r}")
        result = self._access(write, offset, value)
        self._record()
        access = f"{'write' if write else 'read'} of register {offset:#x}"
        if result is None:
            raise SimulationTimeout(f"no answer to the {access} within {REGISTER_CYCLES} cycles")
        response, data = result
        if response != Response.OKAY:
            raise RegisterError(f"the {access} was answered {Response(response).name}")
        return data

    def _record(self) -> None:
        """Keep what has happened, and raise if the device is to blame for some of it."""
        new = self._take_events()
        self.events.extend(new)
        if broken := [str(event) for event in new if event.rule is not Rule.ERROR_RESPONSE]:
            more = f"\n... and {len(broken) - 10} more" if len(broken) > 10 else ""
            raise ProtocolError("the device broke the AXI protocol:\n" + "\n".join(broken[:10]) + more)


def check_memory_bytes(memory_bytes: int) -> int:
    """``memory_bytes``; raises ValueError unless they are a positive multiple of 4096."""
    if memory_bytes < 4096 or memory_bytes % 4096:
        raise ValueError(f"memory_bytes must be a positive multiple of 4096, not {memory_bytes!r}")
    return memory_bytes
