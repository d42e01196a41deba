"""The storer: sends the outputs of finished blocks to memory, row by row."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.bus.writer import RowPacker
from gemmsmith.coprocessor.loader import store_layout
from gemmsmith.tile import output_layout


class Storer(wiring.Component):
    """Addresses for the rows of each block, and the packing of their outputs into bus words.

    Members
    -------
    block: blocks in order. stride: bytes from one row of O to the next. i: outputs of the array.
    o_request, o_data: to the AXI writer. finished: all outputs of a block have been taken.
    """

    def __init__(self, *, rows: int, cols: int, out_width: int, data_width: int, addr_width: int):
        self._packer = RowPacker(element_width=out_width, data_width=data_width, addr_width=addr_width,
                                 max_elements=cols)
        super().__init__({
            "block": In(stream.Signature(store_layout(addr_width, rows, cols))), "stride": In(32),
            "i": In(stream.Signature(output_layout(out_width))), "finished": Out(1),
            "o_request": Out(self._packer.o_request.signature), "o_data": Out(self._packer.o_data.signature),
        })

    @property
    def max_row_beats(self) -> int:
        """Bus words of a row at most."""
        return self._packer.max_row_beats

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.packer = packer = self._packer
        wiring.connect(m, packer.o_request, wiring.flipped(self.o_request))
        wiring.connect(m, packer.o_data, wiring.flipped(self.o_data))
        row = Signal(self.block.payload.last_row.shape())
        addr = Signal(self.block.payload.addr.shape())
        begun = Signal()
        last = Signal()
        sent = Signal()
        m.d.comb += [
            last.eq(row == self.block.payload.last_row),
            packer.i_row.valid.eq(begun),
            packer.i_row.payload.addr.eq(addr),
            packer.i_row.payload.count.eq(self.block.payload.last_column + 1),
            sent.eq(begun & packer.i_row.ready),
            self.block.ready.eq(sent & last),
            packer.i.valid.eq(self.i.valid), packer.i.payload.eq(self.i.payload.data), self.i.ready.eq(packer.i.ready),
            self.finished.eq(self.i.valid & self.i.ready & self.i.payload.last),
        ]
        with m.If(~begun):
            m.d.sync += [begun.eq(self.block.valid), addr.eq(self.block.payload.addr), row.eq(0)]
        with m.Elif(sent):
            m.d.sync += [begun.eq(~last), addr.eq(addr + self.stride), row.eq(row + 1)]
        return m
