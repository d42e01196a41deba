"""The drain: reads finished blocks out of the rows' result buffers, row by row, as a stream."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from gemmsmith.tile.row import SLOTS

DEPTH = 4
"""Outputs between read and stream: two registers, and room to go on while the stream stops for a cycle."""


def output_layout(width: int) -> data.StructLayout:
    """One output; ``row_last`` with the last of a row, ``last`` with the last of the block."""
    return data.StructLayout({"data": width, "row_last": 1, "last": 1})


class Drain(wiring.Component):
    """Reads rows 0 … last_row, columns 0 … last_column of each finished block, one output a cycle.

    Members
    -------
    take: a block takes a slot; last_row, last_column: what will be wanted of it. room: a slot is free.
    done: the oldest block that is in flight stands complete in its slot.
    read: address for the rows' buffers; read_data: their answers, a cycle later. o: the outputs.
    """

    def __init__(self, *, rows: int, cols: int, width: int):
        self.rows = rows
        super().__init__({
            "take": In(1), "last_row": In(range(rows)), "last_column": In(range(cols)), "room": Out(1), "done": In(1),
            "read": Out(data.StructLayout({"slot": range(SLOTS), "column": range(cols)})),
            "read_data": In(data.ArrayLayout(width, rows)), "o": Out(stream.Signature(output_layout(width))),
        })
        self._width = width

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        wanted = Array(Signal(data.StructLayout({"row": self.last_row.shape(), "column": self.last_column.shape()}),
                              name=f"wanted_{s}") for s in range(SLOTS))
        taken = Signal(range(SLOTS + 1))
        complete = Signal(range(SLOTS + 1))
        begin_slot = Signal(range(SLOTS))
        slot = Signal(range(SLOTS))
        row = Signal(self.last_row.shape())
        column = Signal(self.last_column.shape())
        credit = Signal(range(DEPTH + 1), init=DEPTH)
        issue = Signal()
        row_last = Signal()
        last = Signal()
        m.d.comb += [
            self.room.eq(taken != SLOTS),
            issue.eq((complete != 0) & (credit != 0)),
            row_last.eq(column == wanted[slot].column),
            last.eq(row_last & (row == wanted[slot].row)),
            self.read.slot.eq(slot),
            self.read.column.eq(column),
        ]
        release = issue & last
        m.d.sync += [taken.eq(taken + self.take - release), complete.eq(complete + self.done - release),
                     credit.eq(credit - issue + (self.o.valid & self.o.ready))]
        with m.If(self.take):
            m.d.sync += [wanted[begin_slot].row.eq(self.last_row), wanted[begin_slot].column.eq(self.last_column),
                         begin_slot.eq(begin_slot + 1)]
        with m.If(issue):
            m.d.sync += column.eq(column + 1)
            with m.If(row_last):
                m.d.sync += [column.eq(0), row.eq(row + 1)]
            with m.If(last):
                m.d.sync += [row.eq(0), slot.eq(slot + 1)]
        self._deliver(m, issue, row, row_last, last)
        return m

    def _deliver(self, m: Module, issue: Signal, row: Signal, row_last: Signal, last: Signal) -> None:
        """Two registers (in the row, and behind the choice of the row), then a queue as deep as the
        credit."""
        layout = self.o.payload.shape()
        m.submodules.queue = queue = SyncFIFO(width=layout.size, depth=DEPTH)
        flags = Signal(data.StructLayout({"valid": 1, "row": row.shape(), "row_last": 1, "last": 1}))
        output = Signal(layout)
        valid = Signal()
        m.d.sync += [
            flags.valid.eq(issue), flags.row.eq(row), flags.row_last.eq(row_last), flags.last.eq(last),
            valid.eq(flags.valid), output.row_last.eq(flags.row_last), output.last.eq(flags.last),
            output.data.eq(Array(self.read_data[r] for r in range(self.rows))[flags.row]),
        ]
        m.d.comb += [queue.w_en.eq(valid), queue.w_data.eq(output), self.o.valid.eq(queue.r_rdy),
                     self.o.payload.eq(queue.r_data), queue.r_en.eq(self.o.ready)]
