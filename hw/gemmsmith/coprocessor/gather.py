"""Gathering outputs that leave the array block by block into groups of 64 along a row."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from gemmsmith.coprocessor.buffer import NO_COLLISION
from gemmsmith.coprocessor.loader import store_layout
from gemmsmith.tile import output_layout
from gemmsmith.units.catcher import codes_layout
from gemmsmith.units.corner import GROUP


def panel_layout(addr_width: int, rows: int) -> data.StructLayout:
    """A *panel*: a group of 64 columns of each row of a block of rows. ``first``, ``last``: of its rows; ``addr``: in
    the first one, where the first row begins."""
    return data.StructLayout({"addr": addr_width, "last_row": range(rows), "first": 1, "last": 1})


class GroupGather(wiring.Component):
    """Takes 64 / ``cols`` blocks of outputs at a time, each row by row, and gives the same outputs row by row, each row
    64 outputs, filled with zeros where the matrix ends. One panel is taken while the one before is given: one output a
    cycle, but for the zeros.

    Members
    -------
    block: In(stream of store_layout): blocks in order. i: In(stream of output_layout(16)).
    panel: Out(stream of panel_layout), one with the last output of each panel.
    o: Out(stream of codes_layout(1)): ``last`` with the last output of the job.
    finished: Out(1): the last output of a block was taken.
    """

    def __init__(self, *, rows: int, cols: int, addr_width: int):
        self._rows, self._cols = rows, cols
        super().__init__({
            "block": In(stream.Signature(store_layout(addr_width, rows, cols, places=True))),
            "i": In(stream.Signature(output_layout(16))), "o": Out(stream.Signature(codes_layout(1))),
            "panel": Out(stream.Signature(panel_layout(addr_width, rows))), "finished": Out(1),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        row_bits = (self._rows - 1).bit_length()
        memory = Memory(shape=16, depth=2 * GROUP << row_bits, init=[], attrs=NO_COLLISION)
        m.submodules.memory = memory
        about = data.StructLayout({"last_row": range(self._rows), "count": range(GROUP + 1), "end": 1})
        slots = Array(Signal(about, name=f"slot{k}") for k in range(2))
        committed = Signal(2)
        self._take(m, memory.write_port(), slots, committed, row_bits)
        self._give(m, memory.read_port(), slots, committed, row_bits)
        return m

    def _take(self, m: Module, port: Any, slots: Any, committed: Signal, row_bits: int) -> None:
        block, i = self.block.payload, self.i.payload
        slot = Signal()
        row = Signal(row_bits)
        part = Signal(exact_log2(GROUP // self._cols))
        column = Signal(exact_log2(self._cols))
        first = Signal(init=1)
        addr = Signal.like(block.addr)
        taken = Signal()
        full = Signal()
        start = Mux(part == 0, block.addr, addr)
        m.d.comb += [
            self.i.ready.eq(self.block.valid & self.panel.ready & ~committed.bit_select(slot, 1)),
            taken.eq(self.i.valid & self.i.ready), self.finished.eq(taken & i.last),
            self.block.ready.eq(self.finished), full.eq(self.finished & (block.last | part.all())),
            port.addr.eq(Cat(column, part, row, slot)), port.data.eq(i.data), port.en.eq(taken),
            self.panel.valid.eq(full), self.panel.payload.addr.eq(start),
            self.panel.payload.last_row.eq(block.last_row), self.panel.payload.first.eq(first),
            self.panel.payload.last.eq(block.last),
        ]
        with m.If(taken):
            m.d.sync += column.eq(Mux(i.row_last, 0, column + 1))
            with m.If(i.row_last):
                m.d.sync += row.eq(Mux(i.last, 0, row + 1))
        with m.If(self.finished):
            m.d.sync += [part.eq(part + 1), addr.eq(start)]
        with m.If(full):
            m.d.sync += [part.eq(0), first.eq(block.last), slot.eq(~slot), committed.bit_select(slot, 1).eq(1),
                         slots[slot].eq(Cat(block.last_row, (Cat(column, part) + 1)[:7], block.end))]

    def _give(self, m: Module, port: Any, slots: Any, committed: Signal, row_bits: int) -> None:
        slot = Signal()
        row = Signal(row_bits)
        column = Signal(range(GROUP))
        there = Signal()
        step = Signal()
        fetch = Signal()
        ends = Signal()
        m.d.comb += [
            step.eq(~self.o.valid | self.o.ready), fetch.eq(step & committed.bit_select(slot, 1)),
            ends.eq(column.all() & (row == slots[slot].last_row)),
            port.addr.eq(Cat(column, row, slot)), port.en.eq(fetch),
            self.o.payload.codes.eq(Mux(there, port.data, 0)),
        ]
        with m.If(step):
            m.d.sync += self.o.valid.eq(fetch)
        with m.If(fetch):
            m.d.sync += [column.eq(column + 1), there.eq(column < slots[slot].count),
                         self.o.payload.last.eq(ends & slots[slot].end)]
            with m.If(column.all()):
                m.d.sync += row.eq(row + 1)
            with m.If(ends):
                m.d.sync += [row.eq(0), committed.bit_select(slot, 1).eq(0), slot.eq(~slot)]
