"""The host and the memory around a device, cycle by cycle, in Python.

Each model has ``step(cycle, outputs)``: it takes the device's outputs as they stand just before a clock edge,
and leaves in ``drive`` the device's inputs for the following cycle, as a flip-flop would. ``bus_model.h``
holds the same models in C++, step for step, so that both give the same cycle counts; change them together.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .axi_memory import AxiMemory
from .base import RESET_CYCLES, Rule
from .bus_common import EventLog, StabilityCheck, StallGenerator
from .memory import Channel, MemoryTiming
from .ports import INPUTS, Ports


class RegisterMaster:
    """The master of ``s_axil``: one access at a time; address and data of a write rise independently."""

    def __init__(self, timing: MemoryTiming, log: EventLog) -> None:
        self._log = log
        self._stall = StallGenerator(timing.stall_of[Channel.REGISTERS], timing.seed, Channel.REGISTERS)
        self.reset()

    def reset(self) -> None:
        self._wants: set[str] = set()
        self._next: tuple[bool, int, int] | None = None
        self._offset = 0
        self._stable = [StabilityCheck(self._log, Channel.REGISTERS) for _ in range(2)]
        self.result: tuple[int, int] | None = None
        self.drive = {name: 0 for name in INPUTS if name.startswith("s_axil_")}

    def start(self, write: bool, offset: int, value: int = 0) -> None:
        """Begin an access after the next clock edge; ``result`` becomes (response, data) at its end."""
        self._next = (write, offset, value)
        self.result = None

    def step(self, cycle: int, o: Mapping[str, int]) -> None:
        drive = self.drive
        b, r = (o["s_axil_bresp"],), (o["s_axil_rdata"], o["s_axil_rresp"])
        self._stable[0].step(cycle, o["s_axil_bvalid"], drive["s_axil_bready"], b, self._offset)
        self._stable[1].step(cycle, o["s_axil_rvalid"], drive["s_axil_rready"], r, self._offset)
        for channel in ("aw", "w", "ar"):
            if drive[f"s_axil_{channel}valid"] and o[f"s_axil_{channel}ready"]:
                drive[f"s_axil_{channel}valid"] = 0
                self._wants.discard(channel)
        for channel, requests in (("b", {"aw", "w"}), ("r", {"ar"})):
            if not o[f"s_axil_{channel}valid"]:
                continue
            if channel not in self._wants or requests & self._wants:
                self._log.add(cycle, Channel.REGISTERS, Rule.RESPONSE_UNASKED, self._offset)
            elif drive[f"s_axil_{channel}ready"]:
                self._wants.discard(channel)
                self.result = (o[f"s_axil_{channel}resp"], o["s_axil_rdata"])
        self._begin()
        for channel in ("aw", "w", "ar"):
            if channel in self._wants and not drive[f"s_axil_{channel}valid"]:
                drive[f"s_axil_{channel}valid"] = int(not self._stall())
        for channel in ("b", "r"):
            drive[f"s_axil_{channel}ready"] = int(channel in self._wants and not self._stall())

    def _begin(self) -> None:
        if self._next is None:
            return
        write, self._offset, value = self._next
        self._next = None
        if write:
            self._wants = {"aw", "w", "b"}
            self.drive.update(s_axil_awaddr=self._offset, s_axil_wdata=value, s_axil_wstrb=0b1111)
        else:
            self._wants = {"ar", "r"}
            self.drive.update(s_axil_araddr=self._offset)


class Bus:
    """Everything around the device: memory, host, and the reset, which is high in the first cycles."""

    def __init__(self, memory: NDArray[np.uint8], timing: MemoryTiming, ports: Ports) -> None:
        self.log = EventLog()
        self.memory = AxiMemory(memory, timing, ports.data_bytes, self.log)
        self.registers = RegisterMaster(timing, self.log)
        self.cycles = 0
        self.irq = False
        self.reset_left = RESET_CYCLES
        self._reset_wanted = False
        self._defaults = ports.defaults

    def start_reset(self) -> None:
        """Raise the reset after the next clock edge."""
        self._reset_wanted = True

    @property
    def resetting(self) -> bool:
        return self._reset_wanted or self.reset_left > 0

    @property
    def drive(self) -> dict[str, int]:
        """The device's inputs for the coming cycle."""
        return self.memory.drive | self.registers.drive

    def step(self, outputs: Mapping[str, int]) -> None:
        """One clock edge: ``outputs`` are those that the device has, sampled before it."""
        o = {**self._defaults, **outputs}
        self.irq = bool(o["irq"])
        if self.reset_left:
            self._check_reset(o)
            self.reset_left -= 1
        else:
            self.memory.step(self.cycles, o)
            self.registers.step(self.cycles, o)
        if self._reset_wanted:
            self._reset_wanted = False
            self.reset_left = RESET_CYCLES
            self.memory.reset()
            self.registers.reset()
        self.cycles += 1

    def _check_reset(self, o: Mapping[str, int]) -> None:
        """The outputs may move in the first cycle of a synchronous reset; they are judged in the last."""
        if self.reset_left > 1:
            return
        for channel in (Channel.AR, Channel.AW, Channel.W):
            if o[f"m_axi_{channel.name.lower()}valid"]:
                self.log.add(self.cycles, channel, Rule.VALID_IN_RESET)
        if o["s_axil_bvalid"] or o["s_axil_rvalid"]:
            self.log.add(self.cycles, Channel.REGISTERS, Rule.VALID_IN_RESET)
