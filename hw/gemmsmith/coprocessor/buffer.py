"""Double-buffered store of operands between a bus and an array."""

from abc import abstractmethod
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Component, In, Out
from amaranth.utils import exact_log2

__all__ = ["Buffer", "OperandBuffer"]

MOST_PASSES = 15
"""Commits that may wait."""
NO_COLLISION = {"no_rw_check": 1}
"""Only a free slot is written and only a committed one read, so no row is read and written at once. Told so, Yosys
does not add logic (a comparator and a bypass as wide as the memory) to define what such a read returns."""


class Buffer(Component):
    """Two slots ("ping-pong") of operand words for `banks` consumers that step together.

    One slot is written in bus words while the other is read in operand words. Memory order is little-endian:
    the low bits of a bus word are the earlier operand word; of an operand word, the earlier bus word.

    Write side: while `free` is high, any number of bus words may be written in any order; `commit` (also in
    the cycle of the last write) hands the slot over with its first `words` operand words valid, and the other
    slot is written next. A `commit` with `again` writes nothing: the slot handed over last is to be read once more.

    Read side: for each commit, operand words 0 to `words` − 1 of all banks appear on `o`, one a cycle while `o.ready`
    is high. A slot is free when its last word, for the last time, is in the output register and the other slot has
    been handed over.

    Latency: two cycles from `commit` to `o.valid`; none between slots. `o.ready` enables the memories
    combinationally.

    Parameters
    ----------
    width : int
        Bits of an operand word of one bank.
    banks : int
        Operand words delivered side by side.
    bus_width : int
        Bits of a bus word: a power of two, 32 to 512.
    slot_words : int
        Operand words per bank in a slot: a power of two, at least one bus word.

    Members
    -------
    write : In({valid, bank, address, data})
        One bus word; `address` counts bus words within a bank's part of the slot.
    commit : In(1)
    again : In(1), with `commit`; at most 15 commits may wait for their last word
    words : In(range(slot_words + 1)), sampled with a `commit` that is not `again`, at least 1
    free : Out(1)
    o : Out(stream of ArrayLayout(unsigned(width), banks))

    Raises
    ------
    ValueError
        If a parameter is not as said above.
    """

    _MustUse__silence = True  # also made only to be read: by reports

    def __init__(self, *, width: int, banks: int, bus_width: int, slot_words: int, **members: Any):
        if banks < 1:
            raise ValueError(f"banks must be positive, not {banks!r}")
        if bus_width not in (32, 64, 128, 256, 512):
            raise ValueError(f"bus_width must be a power of two from 32 to 512, not {bus_width!r}")
        if slot_words < 1 or slot_words & (slot_words - 1) or slot_words * width < bus_width:
            raise ValueError(f"slot_words must be a power of two that fills a bus word, not {slot_words!r}")
        self._width = width
        self._banks = banks
        self._bus_width = bus_width
        self._slot_words = slot_words
        write = wiring.Signature({
            "valid": Out(1),
            "bank": Out(range(banks)),
            "address": Out(range(self.slot_bus_words)),
            "data": Out(bus_width),
        })
        super().__init__({
            "write": In(write),
            "commit": In(1),
            "again": In(1),
            "words": In(range(slot_words + 1)),
            "free": Out(1),
            "o": Out(stream.Signature(data.ArrayLayout(unsigned(width), banks))),
            **members,
        })

    @property
    def slot_bus_words(self) -> int:
        """Bus words in a bank's part of a slot."""
        return -(-self._slot_words * self._width // self._bus_width)

    @property
    @abstractmethod
    def memories(self) -> tuple[int, int, int]:
        """Memories of a bank; bits of a row of each, and rows."""

    @abstractmethod
    def _store(self, m: Module, write_slot: Signal, read_slot: Signal, position: Signal, fetch: Signal) -> None:
        """Add the memories: the word at `position` of `read_slot` stands on `o` after a cycle with `fetch`."""

    def _next(self, m: Module, position: Signal, fetch: Signal) -> Value:
        """Place of the word that is read behind that at `position`; behind the last of a slot, its number of words."""
        return position + 1

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        read_slot = Signal()
        write_slot = Signal()
        words = Signal(data.ArrayLayout(self.words.shape(), 2))
        passes = [Signal(range(MOST_PASSES + 1), name=f"passes_{k}") for k in range(2)]
        begun = Signal()
        position = Signal(exact_log2(self._slot_words))
        following = Signal.like(self.words)
        step = Signal()
        fetch = Signal()

        due = Cat(count.any() for count in passes)
        slot = write_slot ^ self.again  # what a commit is about
        last = fetch & (following == words[read_slot])
        m.d.comb += [
            self.free.eq(~due.bit_select(write_slot, 1)),
            step.eq(~self.o.valid | self.o.ready),
            read_slot.eq(begun ^ ~due.bit_select(begun, 1)),  # the other one, once this one has been read
            fetch.eq(step & due.any()),
            following.eq(self._next(m, position, fetch)),
        ]
        for k, count in enumerate(passes):
            m.d.sync += count.eq(count + (self.commit & (slot == k)) - (last & (read_slot == k)))
        with m.If(self.commit & ~self.again):
            m.d.sync += [words[write_slot].eq(self.words), write_slot.eq(~write_slot)]
        with m.If(step):
            m.d.sync += self.o.valid.eq(fetch)
        with m.If(due.any()):
            m.d.sync += begun.eq(read_slot)
        with m.If(fetch):
            m.d.sync += position.eq(Mux(last, 0, following))
        self._store(m, write_slot, read_slot, position, fetch)
        return m

    def _memory(self, m: Module, name: str) -> tuple[Any, Any]:
        """A memory, of both slots; returns its write and its read port."""
        _, width, rows = self.memories
        memory = Memory(shape=width, depth=rows, init=[], attrs=NO_COLLISION)
        m.submodules[name] = memory
        return memory.write_port(), memory.read_port()


class OperandBuffer(Buffer):
    """Words in containers: `width` is a power of two, at least 8.

    Parameters
    ----------
    descending : bool
        The words of a slot are groups of `beats` ≥ 2; of each, the first is read first, then the others from the last
        to the second. `words` is a multiple of `beats`.

    Members
    -------
    beats : In(range(slot_words + 1)), with `descending` only; stable while anything is committed
    """

    def __init__(self, *, width: int, banks: int, bus_width: int, slot_words: int, descending: bool = False):
        if width < 8 or width & (width - 1):
            raise ValueError(f"width must be a power of two of at least 8, not {width!r}")
        self._descending = descending
        members = {"beats": In(range(slot_words + 1))} if descending else {}
        super().__init__(width=width, banks=banks, bus_width=bus_width, slot_words=slot_words, **members)

    @property
    def memories(self) -> tuple[int, int, int]:
        # An operand word wider than the bus is spread over several memories; of a narrower one several share
        # a row.
        return max(1, self._width // self._bus_width), self._bus_width, 2 * min(self._slot_words, self.slot_bus_words)

    def _next(self, m: Module, position: Signal, fetch: Signal) -> Value:
        if not self._descending:
            return super()._next(m, position, fetch)
        # From a group's first word to its last, and from its second to the next group's first: the same distance.
        beat = Signal.like(self.beats)
        last = Signal()
        m.d.comb += last.eq(beat == self.beats - 1)
        with m.If(fetch):
            m.d.sync += beat.eq(Mux(last, 0, beat + 1))
        return position + Mux((beat == 0) | last, self.beats - 1, -1)

    def _store(self, m: Module, write_slot: Signal, read_slot: Signal, position: Signal, fetch: Signal) -> None:
        part_bits = exact_log2(self.memories[0])
        share_bits = exact_log2(max(1, self._bus_width // self._width))
        share = Signal(share_bits)
        with m.If(fetch):
            m.d.sync += share.eq(position[:share_bits])
        for bank in range(self._banks):
            parts = []
            for part in range(1 << part_bits):
                write, read = self._memory(m, f"bank{bank}_part{part}")
                chosen = (self.write.bank == bank) & (self.write.address[:part_bits] == part)
                m.d.comb += [
                    write.addr.eq(Cat(self.write.address[part_bits:], write_slot)),
                    write.data.eq(self.write.data),
                    write.en.eq(self.write.valid & self.free & chosen),
                    read.addr.eq(Cat(position[share_bits:], read_slot)),
                    read.en.eq(fetch),
                ]
                parts.append(read.data)
            m.d.comb += self.o.payload[bank].eq(Cat(parts).word_select(share, self._width))
