"""Toy: a wide integer sum per group that a shared tail reads out in several words, with a control
side-channel from the row edge.

Lanes of 4 INT4 × INT4; a group is two beats (8 k); the core's 48-bit result leaves in three 16-bit words; the
tail puts it together, adds the edge's Σa of the group (which checks that sides arrive with their result), and
accumulates over groups. Output: the low 32 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed
from amaranth.lib import data

from gemmsmith.pe import Core, Edge, ProcessingElement, Tail
from gemmsmith.schemes import Axis, Cadence, Operand, Part, Scheme

LANES, BEATS, WORDS, SHIFT = 4, 2, 3, 30
"""SHIFT moves the sum up so that all three words matter."""


@dataclass(frozen=True, kw_only=True)
class Quire(Scheme):
    family: ClassVar[str] = "toyquire"

    @property
    def name(self) -> str:
        return "toyquire"

    short = name

    @property
    def k_multiple(self) -> int:
        return LANES * BEATS


class QuireElement(ProcessingElement):
    family = "toyquire"

    def __init__(self, *, scheme: Quire):
        self.scheme = scheme
        self.operands = (
            Operand(name="a_codes", axis=Axis.ROW, width=4 * LANES, cadence=Cadence.BEAT),
            Operand(name="w_codes", axis=Axis.COLUMN, width=4 * LANES, cadence=Cadence.BEAT),
            Operand(name="w_bias", axis=Axis.COLUMN, width=8, cadence=Cadence.GROUP, part=Part.TAIL, every=2),
        )
        self.group, self.result = LANES * BEATS, Cadence.GROUP
        self.result_width, self.result_words = 16, WORDS
        self.row_payload = self.column_payload = data.ArrayLayout(signed(4), LANES)
        self.row_side = 8
        self.edge_latency, self.core_latency, self.tail_latency = 1, 2, 2
        self.tail_interval, self.tail_loop = WORDS, 1

    def beats(self, mode: int) -> int:
        return BEATS

    def beats_signal(self, mode: Any) -> Any:
        return Signal(2, init=BEATS)

    def row_edge(self) -> Edge:
        return RowEdge(self, Axis.ROW)

    def column_edge(self) -> Edge:
        return ColumnEdge(self, Axis.COLUMN)

    def core(self) -> Core:
        return QuireCore(self)

    def tail(self, share: int) -> Tail:
        return QuireTail(self, share)


class RowEdge(Edge):
    def elaborate(self, platform: Any) -> Module:
        m = Module()
        total = Signal(signed(8))
        done = Signal(signed(8))
        codes = data.View(data.ArrayLayout(signed(4), LANES), self.a_codes)
        m.d.sync += [self.o.eq(self.a_codes), self.ctl_o.eq(self.ctl), self.side.eq(done)]
        m.d.sync += done.eq(total)  # core_latency after the payload, as the core's result
        with m.If(self.ctl.valid):
            m.d.sync += total.eq(Mux(self.ctl.first, 0, total) + codes[0] + codes[1] + codes[2] + codes[3])
        return m


class ColumnEdge(Edge):
    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.sync += self.o.eq(self.w_codes)
        return m


class QuireCore(Core):
    def elaborate(self, platform: Any) -> Module:
        m = Module()
        total = Signal(signed(16))
        shown = Signal(signed(48))
        a, w = self.a, self.w
        with m.If(self.ctl.valid):
            m.d.sync += total.eq(Mux(self.ctl.first, 0, total) + sum(a[i] * w[i] for i in range(LANES)))
        m.d.sync += shown.eq(total << SHIFT)
        m.d.comb += self.o.eq(shown)
        return m


class QuireTail(Tail):
    def elaborate(self, platform: Any) -> Module:
        m = Module()
        low = [Signal(16, name=f"low_{i}") for i in range(WORDS - 1)]
        totals = Array(Signal(signed(32), name=f"total_{i}") for i in range(self.share))
        whole = Signal(signed(48))
        last_word = Signal()
        m.d.comb += [last_word.eq(self.ctl.valid & (self.ctl.word == WORDS - 1)), whole.eq(Cat(*low, self.i))]
        for i, word in enumerate(low):
            with m.If(self.ctl.valid & (self.ctl.word == i)):
                m.d.sync += word.eq(self.i)
        new = Signal(signed(32))
        m.d.comb += new.eq(Mux(self.ctl.first, 0, totals[self.ctl.index]) + (whole >> SHIFT)
                           + self.row_side.as_signed() * self.w_bias.as_signed())
        out = Signal(signed(32))
        valid = Signal()
        m.d.sync += [valid.eq(last_word & self.ctl.last), self.o_valid.eq(valid), out.eq(new), self.o.eq(out)]
        with m.If(last_word):
            m.d.sync += totals[self.ctl.index].eq(new)
        return m
