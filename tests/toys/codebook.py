"""Toy: weights are 2-bit indices into a table of four INT8 values, which the column edge loads before the
beats.

Every part is as small as it can be; what it proves is that a warm-up, an operand per block for an edge, and a
result per block pass the tile and the co-processor unchanged. The output is the raw INT32 sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data

from gemmsmith.pe import Core, Edge, ProcessingElement, Tail
from gemmsmith.schemes import Axis, Cadence, Operand, Scheme

TABLE = 4


@dataclass(frozen=True, kw_only=True)
class Codebook(Scheme):
    family: ClassVar[str] = "toycodebook"

    @property
    def name(self) -> str:
        return "toycodebook"

    short = name

    @property
    def k_multiple(self) -> int:
        return 1


class CodebookElement(ProcessingElement):
    family = "toycodebook"

    def __init__(self, *, scheme: Codebook):
        self.scheme = scheme
        self.operands = (
            Operand(name="a_code", axis=Axis.ROW, width=8, cadence=Cadence.BEAT),
            Operand(name="w_index", axis=Axis.COLUMN, width=2, cadence=Cadence.BEAT),
            Operand(name="w_table", axis=Axis.COLUMN, width=8, cadence=Cadence.BLOCK, words=TABLE),
        )
        self.group, self.result, self.result_width = 1, Cadence.BLOCK, 32
        self.row_payload = self.column_payload = signed(8)
        self.edge_latency, self.core_latency, self.tail_latency = 1, 1, 1

    def beats(self, mode: int) -> int:
        return 1

    def beats_signal(self, mode: Any) -> Any:
        return Signal(1, init=1)

    def row_edge(self) -> Edge:
        return RowEdge(self, Axis.ROW)

    def column_edge(self) -> Edge:
        return ColumnEdge(self, Axis.COLUMN)

    def core(self) -> Core:
        return CodebookCore(self)

    def tail(self, share: int) -> Tail:
        return CodebookTail(self, share)


class RowEdge(Edge):
    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.sync += [self.o.eq(self.a_code), self.ctl_o.eq(self.ctl)]
        return m


class ColumnEdge(Edge):
    def elaborate(self, platform: Any) -> Module:
        m = Module()
        table = Signal(data.ArrayLayout(signed(8), TABLE))
        loaded = Signal(range(TABLE))
        with m.If(self.ctl.load):
            m.d.sync += [table[loaded].eq(self.w_table), loaded.eq(loaded + 1)]
        m.d.sync += self.o.eq(table[self.w_index])
        return m


class CodebookCore(Core):
    def elaborate(self, platform: Any) -> Module:
        m = Module()
        total = Signal(signed(32))
        with m.If(self.ctl.valid):
            m.d.sync += total.eq(Mux(self.ctl.first, 0, total) + self.a * self.w)
        m.d.comb += self.o.eq(total)
        return m


class CodebookTail(Tail):
    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.sync += [self.o.eq(self.i), self.o_valid.eq(self.ctl.valid & self.ctl.last)]
        return m
