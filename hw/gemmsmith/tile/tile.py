"""The array: rows × columns of cores, output-stationary, fed by streams and drained by one."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from gemmsmith.hierarchy import place
from gemmsmith.pe import ProcessingElement, TailControl
from gemmsmith.schemes import Axis, Cadence, Operand, Part
from gemmsmith.tile.drain import Drain, output_layout
from gemmsmith.tile.feeder import Feeder, block_layout
from gemmsmith.tile.row import Row


class Tile(wiring.Component):
    """``rows × cols`` cores with their edges and tails.

    Parameters
    ----------
    pe: the processing element.
    rows, cols: size of the array, each at least 1.
    share: cores of a row behind one tail; a power of two that divides ``cols``.

    Members
    -------
    mode: run-time mode of ``pe``; must not change while blocks are in flight.
    block: stream of blocks (``block_layout``).
    <operand>: for each operand of ``pe``, a stream of its words for all rows (or columns) at once, in the
        order of ``Operand``.
    o: stream of outputs, row-major, only the wanted rows and columns of each block.
    flag: pulses when an edge saturated an operand. beat, stall: a beat was let in; a block waits.
    """

    _MustUse__silence = True  # also made only to be read: by the driver, by reports

    def __init__(self, pe: ProcessingElement, *, rows: int, cols: int, share: int = 1):
        for name, value in (("rows", rows), ("cols", cols)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a whole number, at least 1, not {value!r}")
        if share < 1 or share & (share - 1) or cols % share:
            raise ValueError(f"tail_share must be a power of two that divides cols ({cols}), not {share!r}")
        self.pe, self.rows, self.cols, self.share = pe, rows, cols, share
        members: dict[str, Any] = {
            "mode": In(pe.mode_width), "block": In(stream.Signature(block_layout(rows, cols))),
            "o": Out(stream.Signature(output_layout(pe.scheme.out_width))),
            "flag": Out(1), "beat": Out(1), "stall": Out(1),
        }
        for operand in pe.operands:
            members[operand.name] = In(stream.Signature(data.ArrayLayout(operand.width, self.count(operand.axis))))
        super().__init__(members)

    def count(self, axis: Axis) -> int:
        """Rows or columns of the array."""
        return self.rows if axis is Axis.ROW else self.cols

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.pe.key, self.rows, self.cols, self.share)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pe = self.pe
        m.submodules.feeder = feeder = Feeder(pe, rows=self.rows, cols=self.cols, share=self.share)
        m.submodules.drain = drain = Drain(rows=self.rows, cols=self.cols, width=pe.scheme.out_width)
        streams = [getattr(self, o.name) for o in pe.operands]
        wiring.connect(m, wiring.flipped(self.block), feeder.block)
        wiring.connect(m, drain.o, wiring.flipped(self.o))
        m.d.comb += [
            feeder.mode.eq(self.mode), feeder.valid.eq(Cat(s.valid for s in streams)), feeder.room.eq(drain.room),
            *(s.ready.eq(pop) for s, pop in zip(streams, feeder.pop, strict=True)),
            drain.take.eq(feeder.take), drain.last_row.eq(self.block.payload.last_row),
            drain.last_column.eq(self.block.payload.last_column),
            self.beat.eq(feeder.ctl.valid), self.stall.eq(feeder.stall),
        ]
        capture = _delayed(m, feeder.push, pe.edge_latency + pe.core_latency)
        held, first, last = self._held_for_tails(m, feeder, capture)
        tail_ctl, finished = self._tail_sequence(m, capture, first, last)
        m.d.comb += drain.done.eq(_delayed(m, finished, pe.tail_latency + 1))
        columns, column_flags = self._columns(m, feeder, capture, held)
        row_flags = []
        for r in range(self.rows):
            row = Row(pe, cols=self.cols, share=self.share)
            row_flags.append(row.flag)
            place(m, f"row_{r}", row, ctl=feeder.ctl, mode=self.mode, capture=capture, tail_ctl=tail_ctl,
                  read=drain.read, **columns,
                  **{o.name: getattr(self, o.name).payload[r] for o in pe.select(Axis.ROW, Part.EDGE)},
                  **{o.name: held[o.name][r] for o in pe.select(Axis.ROW, Part.TAIL)})
            m.d.comb += drain.read_data[r].eq(row.read_data)
        self._flag(m, row_flags, column_flags)
        return m

    def _flag(self, m: Module, row_flags: list[Signal], column_flags: list[Signal]) -> None:
        """Only rows and columns whose outputs are wanted count: the others see whatever their buffers hold."""
        block = self.block.payload
        for flags, last in ((row_flags, block.last_row), (column_flags, block.last_column)):
            wanted = Signal(len(flags))
            m.d.sync += wanted.eq(Cat(i <= last for i in range(len(flags))))
            with m.If((Cat(flags) & wanted).any()):
                m.d.comb += self.flag.eq(1)

    def _columns(self, m: Module, feeder: Feeder, capture: Signal,
                 held: dict[str, Any]) -> tuple[dict[str, Any], list[Signal]]:
        """The column edges; returns what every row sees of the columns, and the edges' flags."""
        pe = self.pe
        payload = Signal(data.ArrayLayout(pe.column_payload, self.cols))
        side = Signal(data.ArrayLayout(max(1, pe.column_side), self.cols), reset_less=True)
        flags = []
        for c in range(self.cols):
            edge = pe.column_edge()
            flags.append(edge.flag)
            place(m, f"column_{c}", edge, ctl=feeder.ctl, mode=self.mode,
                  **{o.name: getattr(self, o.name).payload[c] for o in pe.select(Axis.COLUMN, Part.EDGE)})
            m.d.comb += payload[c].eq(edge.o)
            if pe.column_side:
                with m.If(capture):
                    m.d.sync += side[c].eq(edge.side)
        shown: dict[str, Any] = {"w": payload}
        if pe.column_side:
            shown["column_side"] = side
        return shown | {o.name: held[o.name] for o in pe.select(Axis.COLUMN, Part.TAIL)}, flags

    def _held_for_tails(self, m: Module, feeder: Feeder, capture: Signal) -> tuple[dict[str, Any], Signal, Signal]:
        """Tail operands wait in a small memory while their result is in the cores, and are held while tails
        use it."""
        operands = self.pe.select(None, Part.TAIL)
        layout = data.StructLayout({"first": 1, "last": 1, **{o.name: self._words(o) for o in operands}})
        shortest = self.pe.result_interval(self.share)
        if self.pe.result is Cadence.GROUP:
            shortest = max(shortest, *(self.pe.beats(mode) for mode in self.pe.modes[:1]))
        in_flight = -(-(self.pe.edge_latency + self.pe.core_latency) // shortest) + 1
        m.submodules.waiting = waiting = Memory(shape=layout, depth=1 << (in_flight - 1).bit_length(), init=[])
        write, read = waiting.write_port(), waiting.read_port(domain="comb")
        m.d.comb += [write.en.eq(feeder.push), write.data.first.eq(feeder.push_first),
                     write.data.last.eq(feeder.push_last)]
        m.d.comb += [write.data[o.name].eq(getattr(self, o.name).payload) for o in operands]
        held = Signal(layout, reset_less=True)
        with m.If(feeder.push):
            m.d.sync += write.addr.eq(write.addr + 1)
        with m.If(capture):
            m.d.sync += [read.addr.eq(read.addr + 1), held.eq(read.data)]
        return {o.name: held[o.name] for o in operands}, held.first, held.last

    def _words(self, o: Operand) -> data.ArrayLayout:
        return data.ArrayLayout(o.width, self.count(o.axis))

    def _tail_sequence(self, m: Module, capture: Signal, first: Signal, last: Signal) -> tuple[Signal, Signal]:
        """From the cycle after a capture, walks over the cores of each tail; ``finished`` with a block's last
        word."""
        pe = self.pe
        ctl = Signal(TailControl(self.share, pe.result_words))
        active = Signal()
        phase = Signal(range(max(2, pe.tail_interval)))
        index = Signal(range(max(2, self.share)))
        finished = Signal()
        step, end = phase == pe.tail_interval - 1, index == self.share - 1
        m.d.comb += [ctl.valid.eq(active & (phase < pe.result_words)), ctl.index.eq(index), ctl.word.eq(phase),
                     ctl.first.eq(first), ctl.last.eq(last),
                     finished.eq(ctl.valid & last & end & (phase == pe.result_words - 1))]
        with m.If(active):
            m.d.sync += phase.eq(phase + 1)
            with m.If(step):
                m.d.sync += [phase.eq(0), index.eq(index + 1), active.eq(~end)]
        with m.If(capture):
            m.d.sync += [active.eq(1), phase.eq(0), index.eq(0)]
        return ctl, finished


def _delayed(m: Module, signal: Signal, cycles: int) -> Signal:
    """``signal``, ``cycles`` later."""
    line = Signal(cycles)
    m.d.sync += line.eq(Cat(signal, line)[:cycles])
    return line[-1]
