"""A cycle-accurate AXI memory in Python; ``bus_model.h`` has its twin in C++, see :mod:`.bus_model`."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .base import Rule
from .bus_common import EventLog, StabilityCheck, StallGenerator, check_burst
from .memory import Channel, MemoryTiming, Response
from .ports import INPUTS

BEATS_AHEAD = 512
"""Write beats that the memory buffers before it has seen their address."""


@dataclass
class Burst:
    """A burst under way: ``due`` is the first cycle in which it may be answered."""

    address: int
    id: int
    beats: int
    size: int
    due: int = 0
    done: int = 0
    response: Response = Response.OKAY

    @property
    def complete(self) -> bool:
        return self.done == self.beats

    def beat_span(self) -> tuple[int, int]:
        """First byte and end of the next beat."""
        bytes_ = 1 << self.size
        aligned = self.address & -bytes_
        start = aligned + self.done * bytes_ if self.done else self.address
        return start, aligned + (self.done + 1) * bytes_


class AxiMemory:
    """The slave of ``m_axi``: in-order, INCR bursts of any beat width, several outstanding."""

    def __init__(self, memory: NDArray[np.uint8], timing: MemoryTiming, data_bytes: int,
                 log: EventLog) -> None:
        self._memory, self._timing, self._data_bytes, self._log = memory, timing, data_bytes, log
        self._stall = {channel: StallGenerator(timing.stall_of[channel], timing.seed, channel)
                       for channel in Channel}
        self.reset()

    def reset(self) -> None:
        """Forget all bursts; the stall generators go on."""
        self._reads: deque[Burst] = deque()
        self._writes: deque[Burst] = deque()
        self._beats: deque[tuple[int, int, int]] = deque()
        self._stable = {c: StabilityCheck(self._log, c) for c in (Channel.AR, Channel.AW, Channel.W)}
        self.drive = {name: 0 for name in INPUTS if name.startswith("m_axi_")}

    def step(self, cycle: int, o: Mapping[str, int]) -> None:
        ar = (o["m_axi_araddr"], o["m_axi_arid"], o["m_axi_arlen"], o["m_axi_arsize"], o["m_axi_arburst"])
        aw = (o["m_axi_awaddr"], o["m_axi_awid"], o["m_axi_awlen"], o["m_axi_awsize"], o["m_axi_awburst"])
        w = (o["m_axi_wdata"], o["m_axi_wstrb"], o["m_axi_wlast"])
        drive = self.drive
        self._stable[Channel.AR].step(cycle, o["m_axi_arvalid"], drive["m_axi_arready"], ar, ar[0])
        self._stable[Channel.AW].step(cycle, o["m_axi_awvalid"], drive["m_axi_awready"], aw, aw[0])
        self._stable[Channel.W].step(cycle, o["m_axi_wvalid"], drive["m_axi_wready"], w)
        if o["m_axi_arvalid"] and drive["m_axi_arready"]:
            self._reads.append(self._accept(cycle, Channel.AR, *ar))
        if drive["m_axi_rvalid"] and o["m_axi_rready"]:
            drive["m_axi_rvalid"] = 0
            self._reads[0].done += 1
            if self._reads[0].complete:
                self._reads.popleft()
        if o["m_axi_awvalid"] and drive["m_axi_awready"]:
            self._writes.append(self._accept(cycle, Channel.AW, *aw))
        if o["m_axi_wvalid"] and drive["m_axi_wready"]:
            self._beats.append(w)
        self._commit(cycle)
        if drive["m_axi_bvalid"] and o["m_axi_bready"]:
            drive["m_axi_bvalid"] = 0
            self._writes.popleft()
        self._drive_reads(cycle)
        self._drive_writes(cycle)

    def _accept(self, cycle: int, channel: Channel, address: int, id_: int, length: int, size: int,
                burst: int) -> Burst:
        size = check_burst(self._log, cycle, channel, address, length, size, burst, self._data_bytes)
        return Burst(address, id_, length + 1, size, due=cycle + self._timing.read_latency)

    def _commit(self, cycle: int) -> None:
        """Give buffered write beats to their bursts."""
        for burst in self._writes:
            while self._beats and not burst.complete:
                self._write_beat(cycle, burst, *self._beats.popleft())
                burst.due = cycle + self._timing.write_latency

    def _write_beat(self, cycle: int, burst: Burst, data: int, strobes: int, last: int) -> None:
        start, end = burst.beat_span()
        word = start & -self._data_bytes
        lanes = (1 << (end - word)) - (1 << (start - word))
        if strobes & ~lanes:
            self._log.add(cycle, Channel.W, Rule.STROBE_OUTSIDE_LANES, start)
        response = self._respond(cycle, Channel.B, burst, start, end)
        burst.done += 1
        if bool(last) != burst.complete:
            self._log.add(cycle, Channel.W, Rule.WLAST_MISPLACED, start)
        if response is Response.OKAY:
            for lane, byte in enumerate(data.to_bytes(self._data_bytes, "little")):
                if strobes >> lane & 1:
                    self._memory[word + lane] = byte

    def _respond(self, cycle: int, channel: Channel, burst: Burst, start: int, end: int) -> Response:
        """The response to one beat; the first error of a burst is kept and logged."""
        response = Response.OKAY
        if end > len(self._memory):
            response = Response.DECERR
        else:
            response = next((error.response for error in self._timing.error_at
                             if start < error.stop and end > error.start), Response.OKAY)
        if response is not Response.OKAY and burst.response is Response.OKAY:
            burst.response = response
            self._log.add(cycle, channel, Rule.ERROR_RESPONSE, start, response)
        return response

    def _drive_reads(self, cycle: int) -> None:
        drive = self.drive
        drive["m_axi_arready"] = int(len(self._reads) < self._timing.outstanding
                                     and not self._stall[Channel.AR]())
        if drive["m_axi_rvalid"] or not self._reads or self._reads[0].due > cycle + 1:
            return
        if self._stall[Channel.R]():
            return
        burst = self._reads[0]
        start, end = burst.beat_span()
        response = self._respond(cycle, Channel.R, burst, start, end)
        word = start & -self._data_bytes
        data = self._memory[word:word + self._data_bytes].tobytes() if response is Response.OKAY else b""
        drive.update(m_axi_rvalid=1, m_axi_rid=burst.id, m_axi_rdata=int.from_bytes(data, "little"),
                     m_axi_rresp=int(response), m_axi_rlast=int(burst.done == burst.beats - 1))

    def _drive_writes(self, cycle: int) -> None:
        drive = self.drive
        drive["m_axi_awready"] = int(len(self._writes) < self._timing.outstanding
                                     and not self._stall[Channel.AW]())
        drive["m_axi_wready"] = int(len(self._beats) < BEATS_AHEAD and not self._stall[Channel.W]())
        if drive["m_axi_bvalid"] or not self._writes or not self._writes[0].complete:
            return
        burst = self._writes[0]
        if burst.due <= cycle + 1 and not self._stall[Channel.B]():
            drive.update(m_axi_bvalid=1, m_axi_bid=burst.id, m_axi_bresp=int(burst.response))
