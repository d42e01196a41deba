"""A storer that can compress outputs on their way to memory."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from gemmsmith.bus.burst import request_layout
from gemmsmith.coprocessor.gather import GroupGather
from gemmsmith.coprocessor.loader import store_layout
from gemmsmith.coprocessor.planes import WORD, PlaneWriter
from gemmsmith.coprocessor.storer import Storer
from gemmsmith.stream import Fifo
from gemmsmith.tile import output_layout
from gemmsmith.units import Compressor
from gemmsmith.units.corner import GROUP

PANELS = 9
"""Panels gathered and not yet written. With one row a panel is one group, of which the compressor holds a few."""


def check_compression(*, cols: int, data_width: int) -> None:
    """Raise ``ValueError`` unless outputs of an array of ``cols`` columns can be compressed for a bus."""
    if GROUP % cols:
        raise ValueError(f"cols must divide {GROUP} to compress outputs, not {cols!r}")
    if data_width < WORD:
        raise ValueError(f"axi_data_width must be at least {WORD} to compress outputs, not {data_width!r}")


class CompressingStorer(wiring.Component):
    """``Storer``, and beside it one that writes FP16 outputs as Anda planes and exponents; ``mantissa`` chooses.

    Parameters
    ----------
    rows, cols: of the array; cols divides 64. m_max: longest mantissa. data_width: at least 64.

    Members
    -------
    block, stride, i, o_request, o_data, finished: as in ``Storer``.
    start: a job begins. mantissa: 0 for FP16, or 1..m_max; nearest: how mantissas are rounded. exponent_address,
        exponent_stride: of the exponents. All constant during a job.
    empty: nothing that was taken waits to be compressed.
    saturated: high one cycle after an output that was not finite was compressed as the largest finite one.

    Raises
    ------
    ValueError if ``cols`` does not divide 64, or the bus is narrower than a plane.
    """

    def __init__(self, *, rows: int, cols: int, m_max: int, data_width: int, addr_width: int):
        check_compression(cols=cols, data_width=data_width)
        bus = {"data_width": data_width, "addr_width": addr_width}
        self._plain = Storer(rows=rows, cols=cols, out_width=16, **bus)
        self._compressor = Compressor(elements=1, m_max=m_max)
        self._gather = GroupGather(rows=rows, cols=cols, addr_width=addr_width)
        self._writer = PlaneWriter(rows=rows, m_max=m_max, **bus)
        super().__init__({
            "block": In(stream.Signature(store_layout(addr_width, rows, cols, places=True))), "stride": In(32),
            "i": In(stream.Signature(output_layout(16))), "finished": Out(1), "start": In(1),
            "mantissa": In(range(m_max + 1)), "nearest": In(1), "exponent_address": In(addr_width),
            "exponent_stride": In(32), "empty": Out(1), "saturated": Out(1),
            "o_request": Out(stream.Signature(request_layout(
                addr_width=addr_width, beats_width=bits_for(self.max_row_beats)))),
            "o_data": Out(self._plain.o_data.signature),
        })

    @property
    def max_row_beats(self) -> int:
        """Bus words of a request at most."""
        return max(self._plain.max_row_beats, self._writer.max_row_beats)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        plain, gather, compressor, writer = self._plain, self._gather, self._compressor, self._writer
        panels = Fifo(shape=gather.panel.payload.shape(), depth=PANELS)
        m.submodules.plain, m.submodules.gather, m.submodules.panels = plain, gather, panels
        m.submodules.compressor, m.submodules.writer = compressor, writer
        wiring.connect(m, gather.panel, panels.i)
        wiring.connect(m, gather.o, compressor.i)
        wiring.connect(m, compressor.o, writer.i)
        wiring.connect(m, panels.o, writer.panel)
        m.d.comb += [
            plain.stride.eq(self.stride), writer.stride.eq(self.stride), writer.start.eq(self.start),
            writer.mantissa.eq(self.mantissa), writer.exponent_address.eq(self.exponent_address),
            writer.exponent_stride.eq(self.exponent_stride), compressor.m.eq(self.mantissa),
            compressor.nearest.eq(self.nearest), compressor.clear.eq(1), self.saturated.eq(compressor.saturated),
            self.empty.eq(panels.level == 0), self.finished.eq(plain.finished | gather.finished),
        ]
        with m.If(self.mantissa == 0):
            self._use(m, plain)
        with m.Else():
            self._use(m, gather, writer)
        return m

    def _use(self, m: Module, source: Any, sink: Any = None) -> None:
        """Connects what takes blocks and outputs, and what writes (the same, if not given)."""
        sink = sink or source
        for mine, theirs in ((self.block, source.block), (self.i, source.i)):
            m.d.comb += [theirs.valid.eq(mine.valid), mine.ready.eq(theirs.ready),
                         *(getattr(theirs.payload, name).eq(getattr(mine.payload, name))
                           for name, _ in theirs.payload.shape())]
        m.d.comb += [
            self.o_request.valid.eq(sink.o_request.valid), sink.o_request.ready.eq(self.o_request.ready),
            self.o_request.payload.addr.eq(sink.o_request.payload.addr),
            self.o_request.payload.beats.eq(sink.o_request.payload.beats),
            self.o_data.valid.eq(sink.o_data.valid), sink.o_data.ready.eq(self.o_data.ready),
            self.o_data.payload.eq(sink.o_data.payload),
        ]
