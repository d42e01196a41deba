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


def tree_registers(elements: int) -> int:
    """Registers of a tree over ``elements`` exponents: one every two levels, and at least one."""
    return max(1, -(-exact_log2(elements) // 2))


class ExponentCatcher(wiring.Component):
    """The largest effective exponent of each group of 64 elements, handed out with every beat of the group.

    A beat passes through a tree with a register behind every other level. If a group comes in several beats, they then
    wait in a queue until its exponent is known, while those of the next one come in; if a row ends within a group,
    beats of zeros fill it up. One beat a cycle either way.

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
            tree = self._tree(m, self.i)
            follow(m, tree, self.o, Value.cast(tree.payload))
        else:
            self._in_several_beats(m, GROUP // self._elements)
        return m

    def _tree(self, m: Module, source: Any) -> Any:
        """A stream of caught_layout: the beats of ``source``, each with its largest exponent."""
        codes, last = source.payload.codes, source.payload.last
        exponents = [effective_exponent(codes.word_select(k, CODE_WIDTH)) for k in range(self._elements)]
        for level in range(tree_registers(self._elements)):
            largest = _pairs(_pairs(exponents))
            m.submodules[f"tree{level}"] = register = Register(shape=data.StructLayout({
                "codes": len(codes), "exponent": EXPONENT_WIDTH * len(largest), "last": 1}))
            follow(m, source, register.i, Cat(codes, *largest, last))
            source, codes, last = register.o, register.o.payload.codes, register.o.payload.last
            exponents = [source.payload.exponent.word_select(k, EXPONENT_WIDTH) for k in range(len(largest))]
        return source

    def _in_several_beats(self, m: Module, beats: int) -> None:
        bits = exact_log2(beats)
        m.submodules.codes = codes = Fifo(shape=CODE_WIDTH * self._elements, depth=beats + AHEAD)
        m.submodules.groups = groups = Fifo(
            shape=data.StructLayout({"exponent": EXPONENT_WIDTH, "last": 1}), depth=AHEAD // 2 + 1)
        self._collect(m, self._tree(m, self._filled(m, bits)), codes.i, groups.i, bits)
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

    def _filled(self, m: Module, bits: int) -> Any:
        """The beats that come in, and beats of zeros where a row ends within a group; ``last`` is with these too."""
        filled = stream.Signature(self.i.payload.shape()).create()
        entered = Signal(bits)
        filling = Signal()
        m.d.comb += [
            filled.valid.eq(self.i.valid | filling), self.i.ready.eq(filled.ready & ~filling),
            filled.payload.codes.eq(Mux(filling, 0, self.i.payload.codes)),
            filled.payload.last.eq(filling | self.i.payload.last),
        ]
        with m.If(filled.valid & filled.ready):
            m.d.sync += [entered.eq(entered + 1), filling.eq(filled.payload.last & ~entered.all())]
        return filled

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


def _pairs(exponents: Sequence[Value]) -> list[Value]:
    """The larger of each two neighbours; a single one stays."""
    if len(exponents) == 1:
        return list(exponents)
    return [larger(a, b) for a, b in zip(exponents[::2], exponents[1::2], strict=True)]


def follow(m: Module, source: Any, sink: Any, payload: Value) -> None:
    """``sink`` takes what ``source`` offers, as ``payload``."""
    m.d.comb += [sink.valid.eq(source.valid), source.ready.eq(sink.ready), Value.cast(sink.payload).eq(payload)]
