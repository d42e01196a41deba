"""What the bus models share: stalls, the log, and rules of the protocol."""

from __future__ import annotations

from .base import Event, Rule
from .memory import Channel, Response
from .ports import BURST_INCR

MASK64 = (1 << 64) - 1


class StallGenerator:
    """Decides, cycle by cycle, whether a channel stalls.

    The high half of a 64-bit linear congruential generator (Knuth's MMIX constants) is held against a
    threshold. A probability of 0 draws nothing.
    """

    def __init__(self, probability: float, seed: int, channel: Channel) -> None:
        self.threshold = int(probability * 2**32)
        self.state = (seed * 0x9E37_79B9_7F4A_7C15 + channel * 0xBF58_476D_1CE4_E5B9 + 1) & MASK64

    def __call__(self) -> bool:
        if self.threshold == 0:
            return False
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & MASK64
        return (self.state >> 32) < self.threshold


class EventLog:
    """Collects events until the backend takes them."""

    def __init__(self) -> None:
        self.new: list[Event] = []

    def add(self, cycle: int, channel: Channel, rule: Rule, address: int = 0,
            response: Response = Response.OKAY) -> None:
        self.new.append(Event(cycle, channel, rule, address, response))

    def take(self) -> list[Event]:
        taken, self.new = self.new, []
        return taken


class StabilityCheck:
    """VALID, once high, stays high with the same payload until READY."""

    def __init__(self, log: EventLog, channel: Channel) -> None:
        self._log, self._channel = log, channel
        self._waiting: tuple[int, ...] | None = None

    def step(self, cycle: int, valid: int, ready: int, payload: tuple[int, ...], address: int = 0) -> None:
        if self._waiting is not None and not valid:
            self._log.add(cycle, self._channel, Rule.VALID_DROPPED, address)
        elif self._waiting is not None and payload != self._waiting:
            self._log.add(cycle, self._channel, Rule.PAYLOAD_CHANGED, address)
        self._waiting = payload if valid and not ready else None


def check_burst(log: EventLog, cycle: int, channel: Channel, address: int, length: int, size: int, burst: int,
                data_bytes: int) -> int:
    """Log what is wrong with a burst's address beat; returns its ``size``, or the bus's own if that is less."""
    if burst != BURST_INCR:
        log.add(cycle, channel, Rule.BURST_TYPE, address)
    if 1 << size > data_bytes:
        log.add(cycle, channel, Rule.SIZE_TOO_WIDE, address)
        size = data_bytes.bit_length() - 1
    end = (address & -(1 << size)) + ((length + 1) << size)
    if address >> 12 != (end - 1) >> 12:
        log.add(cycle, channel, Rule.CROSSES_4K, address)
    return size
