"""The loader: walks over blocks, chunks, operands and lines, and asks the reader for each line."""

from __future__ import annotations

from math import gcd
from typing import Any

from amaranth.hdl import Array, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from gemmsmith.bus.burst import request_layout
from gemmsmith.coprocessor.plan import Plan
from gemmsmith.coprocessor.registers import SIZE_WIDTH
from gemmsmith.schemes import Axis, Cadence, Operand
from gemmsmith.tile import GROUPS_WIDTH, block_layout


def tag_layout(plan: Plan, rows: int, cols: int) -> data.StructLayout:
    """What travels with a request: the operand, and its bank (or, with a marker, the words of the chunk, or that the
    chunk before is to be read ``again``)."""
    words = max(plan.slot_words(o) for o in plan.pe.operands)
    return data.StructLayout({"operand": range(max(2, len(plan.pe.operands))),
                              "value": range(max(rows, cols, words + 1)), "again": 1})


class Loader(wiring.Component):
    """Tiles a job: for each block of rows, for each block of columns, for each chunk of K, for each operand,
    one request a line.

    A *line* is what one row (of A or W) contributes to a chunk of one operand: consecutive bus words. Behind
    the lines of an operand goes a marker, with which its buffer takes over the chunk. Lines beyond M or N are
    not read: what the array computes from stale operands there is never written back.

    If all of K is one chunk, rows of A stay in their buffers while the array goes through the blocks of columns: then
    only a marker goes behind the first block's.

    Members
    -------
    start: begins a job with the sizes, ``mode`` and addresses that stand at the inputs until ``busy`` falls.
        busy: a job is being tiled.
    address, stride: per operand. o_address, o_stride: of the output.
    free: per operand, its buffer can take a chunk. committed: per operand, the marker has arrived.
    request: to the reader. block: to the array. store: to the storer: first output's address, rows and
        columns of the block; with ``places`` also its place among the others (see ``store_layout``).
    """

    def __init__(self, plan: Plan, *, rows: int, cols: int, addr_width: int, places: bool = False):
        self.plan, self.pe, self.rows, self.cols, self._places = plan, plan.pe, rows, cols, places
        count = len(self.pe.operands)
        self._addr_width = addr_width
        self._tag = tag_layout(plan, rows, cols)
        members: dict[str, Any] = {
            "start": In(1), "busy": Out(1), "m": In(SIZE_WIDTH), "n": In(SIZE_WIDTH), "groups": In(GROUPS_WIDTH),
            "mode": In(self.pe.mode_width), "address": In(data.ArrayLayout(addr_width, count)),
            "stride": In(data.ArrayLayout(32, count)), "o_address": In(addr_width), "o_stride": In(32),
            "free": In(count), "committed": In(count),
            "request": Out(stream.Signature(request_layout(
                addr_width=addr_width, beats_width=16, tag_width=self._tag.size))),
            "block": Out(stream.Signature(block_layout(rows, cols))),
            "store": Out(stream.Signature(store_layout(addr_width, rows, cols, places=places))),
        }
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        operands = self.pe.operands
        width, count = self._addr_width, len(operands)
        block_start = Array(Signal(width, name=f"block_start_{o.name}") for o in operands)
        next_start = Array(Signal(width, name=f"next_start_{o.name}") for o in operands)
        chunk_start = Array(Signal(width, name=f"chunk_start_{o.name}") for o in operands)
        line = Signal(width)
        bank = Signal(range(max(self.rows, self.cols)))
        m_left = Signal(SIZE_WIDTH)
        n_left = Signal(SIZE_WIDTH)
        groups_left = Signal(GROUPS_WIDTH)
        o_row = Signal(width)
        o_block = Signal(width)
        operand = Signal(range(max(2, count)))
        pending = Signal(count)
        first_chunk = Signal()
        first_column = Signal()
        chunk = Signal((max(self.plan.span(o) for o in operands) // self.plan.groups - 1).bit_length())
        m.d.sync += pending.eq(pending & ~self.committed)

        last_row, last_column = _last(m_left, self.rows), _last(n_left, self.cols)
        of_row = Array(Const(o.axis is Axis.ROW, 1) for o in operands)[operand]
        last_bank = Mux(of_row, last_row, last_column)
        skipped = Array(self._held(o, chunk, first_chunk) for o in operands)[operand]
        again = of_row & ~first_column & (self.groups <= self.plan.groups)
        words, bus_words = self._sizes(m, groups_left)
        tag = Signal(self._tag)
        m.d.comb += [
            self.request.payload.addr.eq(line), self.request.payload.tag.eq(tag), tag.operand.eq(operand),
            tag.again.eq(again),
            self.block.payload.groups.eq(self.groups), self.block.payload.last_row.eq(last_row),
            self.block.payload.last_column.eq(last_column), self.store.payload.addr.eq(o_block),
            self.store.payload.last_row.eq(last_row), self.store.payload.last_column.eq(last_column),
        ]
        if self._places:
            self._place(m, n_left, m_left)
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [m_left.eq(self.m), n_left.eq(self.n), o_row.eq(self.o_address), o_block.eq(self.o_address)]
                m.d.sync += [s.eq(a) for s, a in zip(block_start, self.address, strict=True)]
                m.d.sync += first_column.eq(1)
                with m.If(self.start):
                    m.d.sync += self.busy.eq(1)
                    m.next = "BLOCK"
            with m.State("BLOCK"):  # both queues take the block, or neither
                m.d.comb += [self.block.valid.eq(self.store.ready), self.store.valid.eq(self.block.ready)]
                m.d.sync += [groups_left.eq(self.groups), first_chunk.eq(1), chunk.eq(0), operand.eq(0)]
                m.d.sync += [c.eq(b) for c, b in zip(chunk_start, block_start, strict=True)]
                with m.If(self.block.ready & self.store.ready):
                    m.next = "OPERAND"
            with m.State("OPERAND"):
                m.d.sync += [line.eq(chunk_start[operand]), bank.eq(0)]
                with m.If(skipped):
                    m.next = "NEXT"
                with m.Elif(again):
                    with m.If(~pending.bit_select(operand, 1)):
                        m.next = "MARKER"
                with m.Elif((self.free & ~pending).bit_select(operand, 1)):
                    m.next = "LINE"
            with m.State("LINE"):
                m.d.comb += [self.request.valid.eq(1), self.request.payload.beats.eq(bus_words[operand]),
                             tag.value.eq(bank)]
                with m.If(self.request.ready):
                    m.d.sync += [line.eq(line + Array(self.stride)[operand]), bank.eq(bank + 1)]
                    with m.If(bank == last_bank):
                        m.next = "MARKER"
            with m.State("MARKER"):
                m.d.comb += [self.request.valid.eq(1), tag.value.eq(words[operand])]
                with m.If(self.request.ready):
                    m.d.sync += [pending.bit_select(operand, 1).eq(1),
                                 chunk_start[operand].eq(chunk_start[operand] + self._chunk_bytes()[operand])]
                    with m.If(first_chunk & ~again):
                        m.d.sync += next_start[operand].eq(line)
                    m.next = "NEXT"
            with m.State("NEXT"):
                m.d.sync += operand.eq(operand + 1)
                m.next = "OPERAND"
                with m.If(operand == count - 1):
                    m.d.sync += [operand.eq(0), first_chunk.eq(0), chunk.eq(chunk + 1),
                                 groups_left.eq(groups_left - self.plan.groups)]
                    with m.If(groups_left <= self.plan.groups):
                        m.next = "ADVANCE"
            with m.State("ADVANCE"):
                m.next = "BLOCK"
                m.d.sync += first_column.eq(n_left <= self.cols)
                with m.If(n_left > self.cols):
                    m.d.sync += [n_left.eq(n_left - self.cols),
                                 o_block.eq(o_block + self.cols * self.pe.scheme.out_width // 8)]
                    m.d.sync += self._restart(block_start, next_start, Axis.COLUMN)
                with m.Else():
                    following = o_row + self.o_stride * self.rows
                    m.d.sync += [n_left.eq(self.n), m_left.eq(m_left - self.rows), o_row.eq(following),
                                 o_block.eq(following)]
                    m.d.sync += self._restart(block_start, next_start, Axis.ROW)
                    m.d.sync += self._restart(block_start, self.address, Axis.COLUMN)
                    with m.If(m_left <= self.rows):
                        m.d.sync += self.busy.eq(0)
                        m.next = "IDLE"
        return m

    def _held(self, o: Operand, chunk: Signal, first_chunk: Signal) -> Value:
        """Whether the operand's words for this chunk came with an earlier one."""
        if o.cadence is Cadence.BLOCK:
            return ~first_chunk
        return chunk[:(self.plan.span(o) // self.plan.groups - 1).bit_length()].any()

    def _place(self, m: Module, n_left: Signal, m_left: Signal) -> None:
        """Whether a block ends its rows, and the job."""
        last = n_left <= self.cols
        m.d.comb += [self.store.payload.last.eq(last), self.store.payload.end.eq(last & (m_left <= self.rows))]

    def _restart(self, block_start: Any, source: Any, axis: Axis) -> list[Any]:
        """Statements that let the operands of an axis begin their next block at ``source``."""
        return [block_start[i].eq(source[i]) for i, o in enumerate(self.pe.operands) if o.axis is axis]

    def _sizes(self, m: Module, groups_left: Signal) -> tuple[Array, Array]:
        """Words and bus words of a line of this chunk, per operand. A register behind the counters: the
        chunk's first request comes two cycles after they change."""
        words, bus_words = [], []
        for o in self.pe.operands:
            span = self.plan.span(o)
            groups = Signal(range(span + 1), name=f"groups_{o.name}")
            size = Signal(range(self.plan.slot_words(o) + 1), name=f"words_{o.name}")
            m.d.comb += groups.eq(Mux(groups_left > span, span, groups_left))
            m.d.sync += size.eq(self._words(o, groups))
            words.append(size)
            bus_words.append(_scaled(size, o.pitch, self.plan.bus_width))
        return Array(words), Array(bus_words)

    def _words(self, o: Operand, groups: Value) -> Value:
        if o.cadence is Cadence.BEAT:
            return groups * self.pe.beats_signal(self.mode) if self.pe.max_beats > 1 else groups
        if o.cadence is Cadence.GROUP:
            return (groups + (o.every - 1)) >> (o.every.bit_length() - 1)
        return Const(o.words)

    def _chunk_bytes(self) -> Array:
        """Bytes that the lines of a full slot take of a row, per operand."""
        sizes = []
        for o in self.pe.operands:
            groups = self.plan.span(o)
            if o.cadence is Cadence.BEAT:
                sizes.append(self.pe.beats_signal(self.mode) * Const(groups * o.pitch // 8))
            else:
                sizes.append(Const(groups // o.every * o.pitch // 8 if o.cadence is Cadence.GROUP else 0))
        return Array(sizes)


def store_layout(addr_width: int, rows: int, cols: int, *, places: bool = False) -> data.StructLayout:
    """A block of outputs: address of its first, and its last row and column. With ``places`` also whether it is the
    last block of its rows, and whether it ends the job."""
    marks = {"last": 1, "end": 1} if places else {}
    return data.StructLayout({"addr": addr_width, "last_row": range(rows), "last_column": range(cols), **marks})


def _last(left: Signal, size: int) -> Value:
    """Index of the last row (or column) of a block when ``left`` are left."""
    return Mux(left > size, size - 1, (left - 1)[:max(1, (size - 1).bit_length())])


def _scaled(words: Signal, pitch: int, bus_width: int) -> Value:
    """Bus words that hold ``words`` words of ``pitch`` bits."""
    step = gcd(pitch, bus_width)
    return (words * (pitch // step) + (bus_width // step - 1)) >> exact_log2(bus_width // step)
