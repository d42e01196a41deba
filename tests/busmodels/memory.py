"""A memory behind AXI4 that stalls at random, answers errors where told, and checks the manager's rules."""

import random
from collections import deque
from dataclasses import dataclass
from typing import Any

from gemmsmith.bus.axi import PAGE_BYTES, Burst, Response

from .streams import Bench, drive, watch

__all__ = ["AxiMemory", "Transfer"]


@dataclass
class Transfer:
    """One burst as its address channel announced it."""

    addr: int
    beats: int


class AxiMemory:
    """Subordinate for an `Axi4Read` (`add_reader`) or `Axi4Write` (`add_writer`) interface.

    Reads and writes go to `data`, a bytearray of random bytes. `errors` maps bus word numbers to the response
    that a read beat, or a burst written to them, gets. Every burst is recorded in `reads` or `writes`.
    """

    def __init__(
        self, *, data_width: int, max_burst: int = 16, size: int = 1 << 15, seed: int = 0, rate: float = 0.5
    ):
        self.rng = random.Random(seed)
        self.rate = rate
        self.word_bytes = data_width // 8
        self.max_burst = max_burst
        self.data = bytearray(self.rng.randbytes(size))
        self.errors: dict[int, Response] = {}
        self.reads: list[Transfer] = []
        self.writes: list[Transfer] = []
        self.most_outstanding = 0
        self.beats_read = 0
        self.beats_written = 0
        self.forget()

    def forget(self) -> None:
        """Drop what is under way, as a reset does."""
        self._r: deque[dict[str, int]] = deque()
        self._aw: deque[Transfer] = deque()
        self._w: deque[Any] = deque()
        self._b: deque[dict[str, int]] = deque()
        self.bursts_open = 0

    def word(self, number: int) -> int:
        """Bus word `number`."""
        start = number * self.word_bytes
        return int.from_bytes(self.data[start : start + self.word_bytes], "little")

    def add_reader(self, bench: Bench, bus: Any) -> None:
        """Serve the channels AR and R."""
        options = {"rng": self.rng, "rate": self.rate, "background": True}
        bench.add(watch, bus.ar, self._on_ar, **options)
        bench.add(drive, bus.r, self._next_r, **options)

    def add_writer(self, bench: Bench, bus: Any) -> None:
        """Serve the channels AW, W and B."""
        options = {"rng": self.rng, "rate": self.rate, "background": True}
        bench.add(watch, bus.aw, self._on_aw, **options)
        bench.add(watch, bus.w, self._on_w, **options)
        bench.add(drive, bus.b, self._next_b, **options)

    def _burst(self, payload: Any) -> Transfer:
        beats = payload.len + 1
        assert payload.id == 0
        assert payload.burst == Burst.INCR
        assert 1 << payload.size == self.word_bytes, "only full-width beats are wanted"
        assert payload.addr % self.word_bytes == 0, "the address must be aligned"
        assert beats <= self.max_burst
        first, last = payload.addr, payload.addr + beats * self.word_bytes - 1
        assert first // PAGE_BYTES == last // PAGE_BYTES, f"burst {first:#x}..{last:#x} crosses a page"
        assert last < len(self.data), f"burst {first:#x}..{last:#x} lies outside the memory"
        self.bursts_open += 1
        self.most_outstanding = max(self.most_outstanding, self.bursts_open)
        return Transfer(payload.addr, beats)

    def _on_ar(self, payload: Any) -> None:
        burst = self._burst(payload)
        self.reads.append(burst)
        first = burst.addr // self.word_bytes
        for k in range(burst.beats):
            resp = self.errors.get(first + k, Response.OKAY)
            last = k == burst.beats - 1
            self._r.append({"id": 0, "data": self.word(first + k), "resp": resp, "last": last})

    def _next_r(self) -> dict[str, int] | None:
        if not self._r:
            return None
        beat = self._r.popleft()
        self.beats_read += 1
        self.bursts_open -= beat["last"]
        return beat

    def _on_aw(self, payload: Any) -> None:
        burst = self._burst(payload)
        self.writes.append(burst)
        self._aw.append(burst)
        self._finish_write()

    def _on_w(self, payload: Any) -> None:
        self.beats_written += 1
        self._w.append(payload)
        self._finish_write()

    def _finish_write(self) -> None:
        """Carry out the oldest burst once its address and all its data have come, in whatever order."""
        while self._aw and len(self._w) >= self._aw[0].beats:
            burst = self._aw.popleft()
            first = burst.addr // self.word_bytes
            resp = Response.OKAY
            for k in range(burst.beats):
                beat = self._w.popleft()
                assert beat.last == (k == burst.beats - 1), "WLAST is misplaced"
                self._store(first + k, beat)
                resp = max(resp, self.errors.get(first + k, Response.OKAY))
            self._b.append({"id": 0, "resp": resp})

    def _store(self, number: int, beat: Any) -> None:
        lanes = beat.data.to_bytes(self.word_bytes, "little")
        for lane in range(self.word_bytes):
            if beat.strb >> lane & 1:
                self.data[number * self.word_bytes + lane] = lanes[lane]

    def _next_b(self) -> dict[str, int] | None:
        if not self._b:
            return None
        self.bursts_open -= 1
        return self._b.popleft()
