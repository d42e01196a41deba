"""cocotbext-axi's memory with the latency, stalls and errors of ``MemoryTiming``, and a watch on the device."""

from __future__ import annotations

import mmap
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiRamRead, AxiRamWrite

from .base import Rule
from .bus_common import EventLog, StabilityCheck, check_burst
from .memory import Channel, MemoryTiming, Response

PAYLOADS = {
    Channel.AR: ("araddr", "arlen", "arsize", "arburst"),
    Channel.AW: ("awaddr", "awlen", "awsize", "awburst"),
    Channel.W: ("wdata", "wstrb", "wlast"),
}


class BusFault(Exception):
    """Makes cocotbext-axi answer with an error."""


class _Half:
    """What reads and writes have in common: which addresses err, and the response that is then due.

    cocotbext-axi answers every fault with SLVERR; ``correct`` puts the right code into the answer.
    """

    def __init__(self, timing: MemoryTiming, size: int, channel: Channel, log: EventLog,
                 cycles: Callable[[], int]) -> None:
        self._timing, self._size, self._channel, self._log, self._cycles = timing, size, channel, log, cycles
        self._due = Response.OKAY

    def check(self, address: int, length: int) -> None:
        response = next((error.response for error in self._timing.error_at
                         if address < error.stop and address + length > error.start), Response.OKAY)
        if address + length > self._size:
            response = Response.DECERR
        if response is not Response.OKAY:
            self._due = response
            self._log.add(self._cycles(), self._channel, Rule.ERROR_RESPONSE, address, response)
            raise BusFault

    def correct(self, answer: Any, field: str) -> None:
        if getattr(answer, field) != Response.OKAY:
            setattr(answer, field, int(self._due))


class CocotbMemory:
    """The slave of ``m_axi`` on a shared memory."""

    def __init__(self, bus: Any, dut: Any, memory: mmap.mmap, timing: MemoryTiming, log: EventLog,
                 cycles: Callable[[], int]) -> None:
        arguments = {"clock": dut.aclk, "reset": dut.aresetn, "reset_active_level": False, "mem": memory}
        reading = _Half(timing, len(memory), Channel.R, log, cycles)
        writing = _Half(timing, len(memory), Channel.B, log, cycles)

        class Read(AxiRamRead):
            async def _read(self, address: int, length: int) -> bytes:
                reading.check(address, length)
                return await super()._read(address, length)

        class Write(AxiRamWrite):
            async def _write(self, address: int, data: bytes) -> None:
                writing.check(address, len(data))
                await super()._write(address, data)

        read, write = Read(bus.read, **arguments), Write(bus.write, **arguments)
        for channel, place in ((read.ar_channel, Channel.AR), (read.r_channel, Channel.R),
                               (write.aw_channel, Channel.AW), (write.w_channel, Channel.W),
                               (write.b_channel, Channel.B)):
            pause(channel, timing, place)
        for requests in (read.ar_channel, write.aw_channel):
            requests.queue_occupancy_limit = timing.outstanding
        _delay_requests(read.ar_channel, dut.aclk, timing.read_latency)
        _correct_answers(read.r_channel, lambda answer: reading.correct(answer, "rresp"), dut.aclk, 1)
        _correct_answers(write.b_channel, lambda answer: writing.correct(answer, "bresp"), dut.aclk,
                         timing.write_latency)


def pause(channel: Any, timing: MemoryTiming, place: Channel) -> None:
    """Let ``channel`` stall at random."""
    def stalls() -> Iterator[bool]:
        generator = random.Random(f"{timing.seed} {place.name} {type(channel).__name__}")
        while True:
            yield generator.random() < timing.stall_of[place]

    if timing.stall_of[place]:
        channel.set_pause_generator(stalls())


def _delay_requests(channel: Any, clock: Any, latency: int) -> None:
    receive: Callable[[], Awaitable[Any]] = channel.recv

    async def delayed() -> Any:
        request = await receive()
        if latency > 1:
            await ClockCycles(clock, latency - 1)
        return request

    channel.recv = delayed


def _correct_answers(channel: Any, correct: Callable[[Any], None], clock: Any, latency: int) -> None:
    send: Callable[[Any], Awaitable[None]] = channel.send

    async def corrected(answer: Any) -> None:
        correct(answer)
        if latency > 1:
            await ClockCycles(clock, latency - 1)
        await send(answer)

    channel.send = corrected


class ProtocolWatch:
    """Checks what cocotbext-axi takes for granted: stable requests, sane bursts, quiet in reset."""

    def __init__(self, dut: Any, log: EventLog, cycles: Callable[[], int]) -> None:
        self._dut, self._log, self._cycles = dut, log, cycles
        self._data_bytes = len(dut.m_axi_wdata) // 8
        self._valid = {c: getattr(dut, f"m_axi_{c.name.lower()}valid") for c in PAYLOADS}
        self._ready = {c: getattr(dut, f"m_axi_{c.name.lower()}ready") for c in PAYLOADS}
        self._payload = {c: [getattr(dut, f"m_axi_{name}") for name in names] for c, names in PAYLOADS.items()}
        cocotb.start_soon(self._run())

    async def _run(self) -> None:
        edge = RisingEdge(self._dut.aclk)
        checks: dict[Channel, StabilityCheck] = {}
        settled = False  # in the first cycle of a reset the outputs may move
        while True:
            await edge
            if self._dut.aresetn.value:
                settled = False
                for channel, check in checks.items():
                    self._step(channel, check)
            else:
                if settled:
                    self._check_reset()
                settled = True
                checks = {channel: StabilityCheck(self._log, channel) for channel in PAYLOADS}

    def _step(self, channel: Channel, stable: StabilityCheck) -> None:
        valid = int(self._valid[channel].value)
        if not valid:
            stable.step(self._cycles(), 0, 0, ())
            return
        ready = int(self._ready[channel].value)
        payload = tuple(int(signal.value) for signal in self._payload[channel])
        address = 0 if channel is Channel.W else payload[0]
        stable.step(self._cycles(), 1, ready, payload, address)
        if ready and channel is not Channel.W:
            address, length, size, burst = payload
            check_burst(self._log, self._cycles(), channel, address, length, size, burst, self._data_bytes)

    def _check_reset(self) -> None:
        for channel, valid in self._valid.items():
            if valid.value:
                self._log.add(self._cycles(), channel, Rule.VALID_IN_RESET)
