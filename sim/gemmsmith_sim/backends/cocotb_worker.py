"""The simulator's side of :mod:`.cocotb`: a cocotb test that obeys the commands from a pipe."""

from __future__ import annotations

import mmap
import os
from multiprocessing.connection import Connection
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, First, RisingEdge, SimTimeoutError, Timer, with_timeout
from cocotb.utils import get_sim_time
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster

from gemmsmith_sim.backends.base import REGISTER_CYCLES, RESET_CYCLES
from gemmsmith_sim.backends.bus_common import EventLog
from gemmsmith_sim.backends.cocotb_memory import CocotbMemory, ProtocolWatch, pause
from gemmsmith_sim.backends.memory import Channel, MemoryTiming

PERIOD = 10
"""Nanoseconds of a clock cycle."""


class Host:
    """Commands by name; each leaves the simulation just after a rising edge."""

    def __init__(self, dut: Any, memory: mmap.mmap, timing: MemoryTiming) -> None:
        self._dut = dut
        self.log = EventLog()
        self._edge = RisingEdge(dut.aclk)
        dut.aresetn.value = 0
        self._registers = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.aclk, dut.aresetn,
                                        reset_active_level=False)
        CocotbMemory(AxiBus.from_prefix(dut, "m_axi"), dut, memory, timing, self.log, self.cycles)
        ProtocolWatch(dut, self.log, self.cycles)
        write, read = self._registers.write_if, self._registers.read_if
        for channel in (write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel):
            pause(channel, timing, Channel.REGISTERS)
        Clock(dut.aclk, PERIOD, "ns").start()

    def cycles(self) -> int:
        """Rising edges so far, one at this very moment included; the first was at time 0."""
        return int(get_sim_time("ns")) // PERIOD + 1

    async def reset(self) -> None:
        self._dut.aresetn.value = 0
        await ClockCycles(self._dut.aclk, RESET_CYCLES)
        self._dut.aresetn.value = 1

    async def run(self, cycles: int) -> None:
        if cycles:
            await ClockCycles(self._dut.aclk, cycles)

    async def access(self, write: bool, offset: int, value: int) -> tuple[int, int] | None:
        master = self._registers
        request = master.write(offset, value.to_bytes(4, "little")) if write else master.read(offset, 4)
        try:
            answer = await with_timeout(request, REGISTER_CYCLES * PERIOD, "ns")
        except SimTimeoutError:
            return None
        return int(answer.resp), 0 if write else int.from_bytes(answer.data, "little")

    async def wait_interrupt(self, max_cycles: int) -> int | None:
        start = self.cycles()
        if not self._dut.irq.value:
            await First(RisingEdge(self._dut.irq), Timer((max_cycles - 1) * PERIOD + 1, "ns"))
        await self._edge
        return self.cycles() - start if self._dut.irq.value else None


@cocotb.test()
async def serve(dut: Any) -> None:
    pipe = Connection(int(os.environ["GEMMSMITH_PIPE"]))
    memory_bytes, timing = pipe.recv()
    host = Host(dut, mmap.mmap(int(os.environ["GEMMSMITH_MEMORY"]), memory_bytes), timing)
    finished = False
    try:
        await host.reset()
        pipe.send((True, None, host.cycles(), host.log.take()))
        while True:
            name, *arguments = pipe.recv()
            result = await getattr(host, name)(*arguments)
            pipe.send((True, result, host.cycles(), host.log.take()))
    except EOFError:
        finished = True
    finally:
        if not finished:
            pipe.send((False, None, host.cycles(), host.log.take()))
