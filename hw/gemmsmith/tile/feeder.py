"""The feeder: decides, cycle by cycle, which beat enters the array."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.pe import Control, ProcessingElement
from gemmsmith.schemes import Cadence, Operand, Part

GROUPS_WIDTH = 20
"""Bits of the number of groups of a block."""


def block_layout(rows: int, cols: int) -> data.StructLayout:
    """What the array must know of a block: groups, and the last row and column whose outputs are wanted."""
    return data.StructLayout({"groups": GROUPS_WIDTH, "last_row": range(rows), "last_column": range(cols)})


class Feeder(wiring.Component):
    """Steps through warm-up, groups and beats of each block, as operands, result buffer and tails allow.

    There is no stall behind it: a beat is let in only when all its operands are there, a block is begun only
    when the result buffer has ``room``, and the last beat of a result keeps ``pe.result_interval`` cycles'
    distance from the one before.

    Members
    -------
    block: stream of blocks. The head stays until the block's last beat. mode: must not change while a block
        is in flight.
    valid, pop: per operand of the processing element, in its order: a word is there; the word is taken at the
        end of this cycle.
    room: a result slot is free. take: the block takes one.
    ctl: the beat. push: this beat is the last of a result; push_first, push_last: of the block's first, last
        result.
    stall: a block wants to go on and cannot.
    """

    def __init__(self, pe: ProcessingElement, *, rows: int, cols: int, share: int):
        self.pe, self.share = pe, share
        super().__init__({
            "block": In(stream.Signature(block_layout(rows, cols))), "mode": In(pe.mode_width),
            "valid": In(len(pe.operands)), "pop": Out(len(pe.operands)), "room": In(1), "take": Out(1),
            "ctl": Out(Control), "push": Out(1), "push_first": Out(1), "push_last": Out(1), "stall": Out(1),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pe, per_group = self.pe, self.pe.result is Cadence.GROUP
        loaded = Signal(range(pe.warmup + 1))
        group = Signal(GROUPS_WIDTH)
        beat = Signal(range(pe.max_beats))
        started = Signal()
        loading = Signal()
        fire = Signal()
        load = Signal()
        last_beat = Signal()
        last_group = Signal()
        go = self.block.valid & (started | self.room)
        m.d.comb += [
            last_beat.eq(beat == (pe.beats_signal(self.mode) - 1)[:len(beat)]),
            last_group.eq(group == (self.block.payload.groups - 1)[:GROUPS_WIDTH]),
            loading.eq(loaded != pe.warmup),
            load.eq(go & loading & self._ready(self._warmup_wants(loaded))),
            fire.eq(go & ~loading & self._ready(self._beat_wants()) & (~self.push_due(last_beat, last_group)
                                                                       | self._spaced(m))),
            self.ctl.load.eq(load),
            self.ctl.valid.eq(fire),
            self.ctl.first.eq((beat == 0) & (Const(per_group) | (group == 0))),
            self.ctl.last.eq(self.push_due(last_beat, last_group)),
            self.push.eq(fire & self.ctl.last),
            self.push_first.eq((group == 0) | Const(not per_group)),
            self.push_last.eq(last_group),
            self.block.ready.eq(fire & last_beat & last_group),
            self.take.eq((fire | load) & ~started),
            self.stall.eq(self.block.valid & ~fire & ~load),
        ]
        with m.If(fire | load):
            m.d.sync += started.eq(~self.block.ready)
        with m.If(load):
            m.d.sync += loaded.eq(loaded + 1)
        with m.If(fire):
            m.d.sync += beat.eq(beat + 1)
            with m.If(last_beat):
                m.d.sync += [beat.eq(0), group.eq(group + 1)]
                with m.If(last_group):
                    m.d.sync += [group.eq(0), loaded.eq(0)]
        ends = {"beat": fire, "group": fire & last_beat, "block": fire & last_beat & last_group}
        m.d.comb += self.pop.eq(Cat(load & (loaded < o.words) if _in_warmup(o) else self._pop(o, ends, group)
                                    for o in pe.operands))
        return m

    def push_due(self, last_beat: Value, last_group: Value) -> Value:
        """Whether the beat at hand is the last of a result."""
        return last_beat if self.pe.result is Cadence.GROUP else last_beat & last_group

    def _ready(self, wanted: list[Value]) -> Value:
        """All operands that are wanted are there."""
        return Cat(v | ~w for v, w in zip(self.valid, wanted, strict=True)).all()

    def _warmup_wants(self, loaded: Signal) -> list[Value]:
        return [loaded < o.words if _in_warmup(o) else Const(0) for o in self.pe.operands]

    def _beat_wants(self) -> list[Value]:
        return [Const(not _in_warmup(o)) for o in self.pe.operands]

    def _spaced(self, m: Module) -> Value:
        """The last result is far enough behind."""
        least = self.pe.result_interval(self.share)
        if least == 1:
            return Const(1)
        since = Signal(range(least), init=least - 1)
        with m.If(self.push):
            m.d.sync += since.eq(0)
        with m.Elif(since != least - 1):
            m.d.sync += since.eq(since + 1)
        return since == least - 1

    @staticmethod
    def _pop(o: Operand, ends: dict[str, Value], group: Signal) -> Value:
        """A word ends with its beat, its block, or the last of the groups that share it (or of the block)."""
        if o.cadence is not Cadence.GROUP or o.every == 1:
            return ends[o.cadence.value]
        return ends["block"] | (ends["group"] & ((group % o.every) == o.every - 1))


def _in_warmup(o: Operand) -> bool:
    return (o.cadence, o.part) == (Cadence.BLOCK, Part.EDGE)
