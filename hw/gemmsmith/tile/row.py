"""One row of the array: an activation edge, a core per column, tails, and the results they leave."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from gemmsmith.hierarchy import place
from gemmsmith.pe import Control, ProcessingElement, TailControl
from gemmsmith.schemes import Axis, Part

SLOTS = 2
"""Blocks whose results the array holds: one drains while the next is computed."""


class Row(wiring.Component):
    """``cols`` cores behind one row edge, a tail per ``share`` of them, and a double result buffer.

    Members
    -------
    ctl, mode: to the edge. capture: the cores' results are valid in this cycle. tail_ctl: sequence over the
        captured results.
    w: the columns' payloads. <operand>: the row's own word, or a word per column (tail operands of the column
        axis).
    column_side: what the column edges sent to the tails, if they do.
    read: slot and column; read_data: that output, one cycle later. flag: an operand was saturated.

    Tail operands and sides must be stable while ``tail_ctl`` runs over a result.
    """

    def __init__(self, pe: ProcessingElement, *, cols: int, share: int):
        self.pe, self.cols, self.share = pe, cols, share
        members: dict[str, Any] = {
            "ctl": In(Control), "mode": In(pe.mode_width), "capture": In(1),
            "tail_ctl": In(TailControl(share, pe.result_words)),
            "w": In(data.ArrayLayout(pe.column_payload, cols)),
            "read": In(data.StructLayout({"slot": range(SLOTS), "column": range(cols)})),
            "read_data": Out(pe.scheme.out_width), "flag": Out(1),
        }
        for operand in pe.select(Axis.ROW, None):
            members[operand.name] = In(operand.width)
        for operand in pe.select(Axis.COLUMN, Part.TAIL):
            members[operand.name] = In(data.ArrayLayout(operand.width, cols))
        if pe.column_side:
            members["column_side"] = In(data.ArrayLayout(pe.column_side, cols))
        super().__init__(members)

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.pe.key, self.cols, self.share)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.edge = edge = self.pe.row_edge()
        m.d.comb += [edge.ctl.eq(self.ctl), edge.mode.eq(self.mode), self.flag.eq(edge.flag)]
        for operand in self.pe.select(Axis.ROW, Part.EDGE):
            m.d.comb += getattr(edge, operand.name).eq(getattr(self, operand.name))

        held = []
        for c in range(self.cols):
            core = self.pe.core()
            place(m, f"core_{c}", core, ctl=edge.ctl_o, mode=self.mode, a=edge.o, w=self.w[c])
            hold = Signal(self.pe.result_width * self.pe.result_words, name=f"hold_{c}", reset_less=True)
            with m.If(self.capture):
                m.d.sync += hold.eq(core.o)
            held.append(hold)

        row_side = Signal(max(1, self.pe.row_side), reset_less=True)
        if self.pe.row_side:
            with m.If(self.capture):
                m.d.sync += row_side.eq(edge.side)
        outputs = [self._tail(m, t, held, row_side) for t in range(self.cols // self.share)]
        m.d.sync += self.read_data.eq(Array(outputs)[self.read.column // self.share])
        return m

    def _tail(self, m: Module, t: int, held: list[Signal], row_side: Signal) -> Any:
        """Adds tail ``t`` and its result memory; returns what the memory shows at ``read``."""
        pe, share, tail = self.pe, self.share, self.pe.tail(self.share)
        mine = slice(t * share, (t + 1) * share)
        index = self.tail_ctl.index

        def select(words: Any) -> Any:
            return Array(words[mine])[index] if share > 1 else words[t]

        inputs = {"ctl": self.tail_ctl, "mode": self.mode,
                  "i": select(held).word_select(self.tail_ctl.word, pe.result_width)}
        inputs |= {o.name: getattr(self, o.name) for o in pe.select(Axis.ROW, Part.TAIL)}
        for operand in pe.select(Axis.COLUMN, Part.TAIL):
            words = getattr(self, operand.name)
            inputs[operand.name] = select([words[c] for c in range(self.cols)])
        if pe.row_side:
            inputs["row_side"] = row_side
        if pe.column_side:
            inputs["column_side"] = select([self.column_side[c] for c in range(self.cols)])
        place(m, f"tail_{t}", tail, **inputs)

        m.submodules[f"results_{t}"] = results = Memory(shape=pe.scheme.out_width, depth=SLOTS * share, init=[])
        write, read = results.write_port(), results.read_port(domain="comb")
        m.d.comb += [write.en.eq(tail.o_valid), write.data.eq(tail.o),
                     read.addr.eq(self.read.slot * share + self.read.column % share)]
        with m.If(tail.o_valid):
            m.d.sync += write.addr.eq(Mux(write.addr == SLOTS * share - 1, 0, write.addr + 1))
        return read.data
