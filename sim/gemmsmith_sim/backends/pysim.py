"""Runs an Amaranth component in Amaranth's own simulator: about 1000 cycles a second, nothing to compile."""

from __future__ import annotations

from typing import Any

import numpy as np
from amaranth.hdl import ClockDomain, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from amaranth.sim import Simulator

from .base import REGISTER_CYCLES, Backend, Event, check_memory_bytes
from .bus_model import Bus
from .memory import MemoryTiming
from .ports import INPUTS, OUTPUTS, Ports


class PySimBackend(Backend):
    """A component with flat port members in the clock domain ``sync``, elaborated in full.

    The bus models run as one process that samples the outputs at each rising edge and drives the inputs as a
    flip-flop on the same edge would.

    Parameters
    ----------
    dut : wiring.Component
        Members as :mod:`.ports` lists them. Not to be simulated or elaborated by anyone else afterwards.
    memory_bytes : int
        Size of the DRAM; a multiple of 4096.
    timing : MemoryTiming

    Raises
    ------
    ValueError
        The component's members are not a co-processor's ports.
    """

    def __init__(self, dut: wiring.Component, *, memory_bytes: int,
                 timing: MemoryTiming | None = None) -> None:
        super().__init__(np.zeros(check_memory_bytes(memory_bytes), np.uint8), timing or MemoryTiming())
        ports = _ports_of(dut)
        self._bus = Bus(self.memory, self.timing, ports)
        self._inputs = {name: getattr(dut, name) for name in INPUTS if name in ports.inputs}
        self._outputs = {name: getattr(dut, name) for name in OUTPUTS if name in ports.outputs}
        self._domain = ClockDomain("sync")
        module = Module()
        module.domains.sync = self._domain
        module.submodules.dut = dut
        self._simulator: Simulator | None = Simulator(module)
        self._simulator.add_clock(1e-9)
        self._simulator.add_process(self._drive_bus)
        self._finish_reset()
        self._record()

    async def _drive_bus(self, ctx: Any) -> None:
        driven: dict[str, int] = {}
        ctx.set(self._domain.rst, 1)
        async for _, _, *sampled in ctx.tick().sample(*self._outputs.values()):
            self._bus.step(dict(zip(self._outputs, sampled, strict=True)))
            ctx.set(self._domain.rst, self._bus.reset_left > 0)
            drive = self._bus.drive
            for name, signal in self._inputs.items():
                if driven.get(name) != drive[name]:
                    ctx.set(signal, drive[name])
            driven = drive

    def _step(self) -> None:
        if self._simulator is None:
            raise RuntimeError("the backend is closed")
        target = self._bus.cycles + 1
        while self._bus.cycles < target:
            self._simulator.advance()

    @property
    def cycles(self) -> int:
        return self._bus.cycles

    def _access(self, write: bool, offset: int, value: int) -> tuple[int, int] | None:
        registers = self._bus.registers
        registers.start(write, offset, value)
        for _ in range(REGISTER_CYCLES):
            self._step()
            if registers.result is not None:
                break
        return registers.result

    def _run_until_interrupt(self, max_cycles: int) -> int | None:
        for waited in range(1, max_cycles + 1):
            self._step()
            if self._bus.irq:
                return waited
        return None

    def _run(self, cycles: int) -> None:
        for _ in range(cycles):
            self._step()

    def _reset(self) -> None:
        self._bus.start_reset()
        self._finish_reset()

    def _finish_reset(self) -> None:
        while self._bus.resetting:
            self._step()

    def _take_events(self) -> list[Event]:
        return self._bus.log.take()

    def close(self) -> None:
        self._simulator = None


def _ports_of(dut: wiring.Component) -> Ports:
    widths: dict[bool, dict[str, int]] = {True: {}, False: {}}
    for (name, *rest), member, signal in dut.signature.flatten(dut):
        if rest:
            raise ValueError(f"the device's ports must be flat; {name} is not")
        widths[member.flow is In][str(name)] = len(signal)
    return Ports(inputs=widths[True], outputs=widths[False])
