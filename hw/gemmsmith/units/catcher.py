"""Catching a group's largest exponent before its elements go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from gemmsmith.stream import Fifo, Register
from gemmsmith.units.align import CODE_WIDTH, EXPONENT_WIDTH, effective_exponent, larger
from gemmsmith.units.corner import GROUP

AHEAD = 8
"""Beats that may come while a group waits for its exponent, beyond those of the next group."""


def codes_layout(elements: int) -> data.StructLayout:
    """A beat of FP16 codes, element i in bits 16i+15..16i; ``last`` ends a row."""
    return data.StructLayout({"codes": CODE_WIDTH * elements, "last": 1})


def caught_layout(elements: int) -> data.StructLayout:
    """A beat of codes and the exponent of their group; ``last`` is with the last beat of a row's last group."""
    return data.StructLayout({"codes": CODE_WIDTH * elements, "exponent": EXPONENT_WIDTH, "last": 1})


class ExponentCatcher(wiring.Component):
    """The largest effective exponent of each group of 64 elements, handed out with every beat of the group.

    A group that comes in one beat passes through a tree with a register in the middle and one at the end. One that
    comes in several waits in a queue until its exponent is known, while the next one comes in; if a row ends
    within a group, beats of zeros fill it up. One beat a cycle either way.

    Parameters
    ----------
    elements: codes a beat, a power of two up to 64.

    Members
    -------
    i: In(stream of codes_layout), finite codes. o: Out(stream of caught_layout), whole groups.
    """

    def __init__(self, *, elements: int):
        self._elements = elements
        super().__init__({"i": In(stream.Signature(codes_layout(elements))),
                          "o": Out(stream.Signature(caught_layout(elements)))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        if self._elements == GROUP:
            self._in_one_beat(m)
        else:
            self._in_several_beats(m, GROUP // self._elements)
        return m

    def _in_one_beat(self, m: Module) -> None:
        half = _levels(_exponents(self.i.payload.codes), 3)
        m.submodules.half = middle = Register(shape=data.StructLayout({
            "beat": self.i.payload.shape(), "exponents": data.ArrayLayout(EXPONENT_WIDTH, len(half))}))
        m.submodules.end = end = Register(shape=self.o.payload.shape())
        whole, = _levels([middle.o.payload.exponents[k] for k in range(len(half))], 3)
        follow(m, self.i, middle.i, Cat(self.i.payload, *half))
        follow(m, middle.o, end.i, Cat(middle.o.payload.beat.codes, whole, middle.o.payload.beat.last))
        wiring.connect(m, end.o, wiring.flipped(self.o))

    def _in_several_beats(self, m: Module, beats: int) -> None:
        bits = exact_log2(beats)
        m.submodules.beat = beat = Register(shape=caught_layout(self._elements))
        m.submodules.codes = codes = Fifo(shape=CODE_WIDTH * self._elements, depth=beats + AHEAD)
        m.submodules.groups = groups = Fifo(
            shape=data.StructLayout({"exponent": EXPONENT_WIDTH, "last": 1}), depth=AHEAD // 2 + 1)
        entered = Signal(bits)
        filling = Signal()
        ends = Signal()
        offered = Mux(filling, 0, self.i.payload.codes)
        largest, = _levels(_exponents(offered), exact_log2(self._elements))
        m.d.comb += [
            beat.i.valid.eq(self.i.valid | filling), self.i.ready.eq(beat.i.ready & ~filling),
            ends.eq(filling | self.i.payload.last),
            Value.cast(beat.i.payload).eq(Cat(offered, largest, ends)),
        ]
        with m.If(beat.i.valid & beat.i.ready):
            m.d.sync += [entered.eq(entered + 1), filling.eq(ends & ~entered.all())]
        self._collect(m, beat.o, codes.i, groups.i, bits)
        left = Signal(bits)
        m.d.comb += [
            self.o.valid.eq(codes.o.valid & groups.o.valid), self.o.payload.codes.eq(codes.o.payload),
            self.o.payload.exponent.eq(groups.o.payload.exponent),
            self.o.payload.last.eq(groups.o.payload.last & left.all()),
            codes.o.ready.eq(self.o.ready & groups.o.valid),
            groups.o.ready.eq(self.o.ready & codes.o.valid & left.all()),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += left.eq(left + 1)

    def _collect(self, m: Module, beat: Any, codes: Any, groups: Any, bits: int) -> None:
        """Each beat into the queue of codes; with the last of a group its exponent into the queue of groups."""
        position = Signal(bits)
        running = Signal(EXPONENT_WIDTH)
        room = codes.ready & groups.ready
        largest = Mux(position == 0, beat.payload.exponent, larger(running, beat.payload.exponent))
        m.d.comb += [
            beat.ready.eq(room), codes.valid.eq(beat.valid & groups.ready), codes.payload.eq(beat.payload.codes),
            groups.valid.eq(beat.valid & codes.ready & position.all()), groups.payload.exponent.eq(largest),
            groups.payload.last.eq(beat.payload.last),
        ]
        with m.If(beat.valid & room):
            m.d.sync += [position.eq(position + 1), running.eq(largest)]


def _exponents(codes: Value) -> list[Value]:
    return [effective_exponent(codes.word_select(k, CODE_WIDTH)) for k in range(len(codes) // CODE_WIDTH)]


def _levels(exponents: Sequence[Value], levels: int) -> list[Value]:
    """The largest of each 2^``levels`` exponents."""
    for _ in range(levels):
        exponents = [larger(a, b) for a, b in zip(exponents[::2], exponents[1::2], strict=True)]
    return list(exponents)


def follow(m: Module, source: Any, sink: Any, payload: Value) -> None:
    """``sink`` takes what ``source`` offers, as ``payload``."""
    m.d.comb += [sink.valid.eq(source.valid), source.ready.eq(sink.ready), Value.cast(sink.payload).eq(payload)]
