"""Writing compressed groups to memory: planes in words of 64 bits, exponents packed to 5 bits each."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from gemmsmith.bus.writer import RowPacker
from gemmsmith.coprocessor.buffer import NO_COLLISION
from gemmsmith.coprocessor.gather import panel_layout
from gemmsmith.units.align import EXPONENT_WIDTH
from gemmsmith.units.corner import batch_layout

WORD = 64
WORD_BYTES = WORD // 8


class PlaneWriter(wiring.Component):
    """Requests and bus words for compressed groups, panel by panel, row by row.

    Group g of a row lies at ``row + g · (mantissa + 1) · 8``: the sign plane, then the mantissa's planes, the most
    significant first, 64 bits each. Exponent g of a row lies in bits 5g+4..5g of the row's exponents, which are written
    as whole words of 64 bits, the last one filled with zeros. Words of exponents that are not full wait in a memory of
    a word a row.

    Members
    -------
    start: loads ``exponent_address``. mantissa: 1..m_max. stride, exponent_stride: bytes from one row to the next.
    panel: what comes; held until all its groups are written. i: its groups, from ``Compressor(elements=1)``.
    o_request, o_data: to the AXI writer.
    """

    def __init__(self, *, rows: int, m_max: int, data_width: int, addr_width: int):
        self._rows, self._addr_width = rows, addr_width
        self._packer = RowPacker(element_width=WORD, data_width=data_width, addr_width=addr_width,
                                 max_elements=m_max + 1)
        super().__init__({
            "start": In(1), "mantissa": In(range(m_max + 1)), "stride": In(32), "exponent_address": In(addr_width),
            "exponent_stride": In(32), "panel": In(stream.Signature(panel_layout(addr_width, rows))),
            "i": In(stream.Signature(batch_layout(1))),
            "o_request": Out(self._packer.o_request.signature), "o_data": Out(self._packer.o_data.signature),
        })

    @property
    def max_row_beats(self) -> int:
        """Bus words of a request at most."""
        return self._packer.max_row_beats

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.packer = packer = self._packer
        wiring.connect(m, packer.o_request, wiring.flipped(self.o_request))
        wiring.connect(m, packer.o_data, wiring.flipped(self.o_data))
        m.submodules.memory = memory = Memory(shape=WORD, depth=max(2, self._rows), init=[], attrs=NO_COLLISION)
        read, write = memory.read_port(), memory.write_port()
        row = Signal(self.panel.payload.last_row.shape())
        base = Signal(self._addr_width)  # the panel's groups of the first row, of this row
        group = Signal(self._addr_width)
        exponent_base = Signal(self._addr_width)  # the exponents of the first row, of this row
        exponents = Signal(self._addr_width)
        offset = Signal(32)  # of the word of exponents that is being filled
        position = Signal(range(WORD))  # of the panel's exponent in it
        exponent = Signal(EXPONENT_WIDTH)
        word = Signal(WORD + EXPONENT_WIDTH - 1)
        crosses = Signal()  # into the next word, or fills this one
        second = Signal()
        m.d.comb += [crosses.eq(position >= WORD - EXPONENT_WIDTH), read.addr.eq(row), write.addr.eq(row)]
        with m.If(self.start):
            m.d.sync += exponent_base.eq(self.exponent_address)
        with m.FSM():
            with m.State("PANEL"):
                place = Mux(self.panel.payload.first, self.panel.payload.addr,
                            base + ((self.mantissa + 1) << WORD_BYTES.bit_length() - 1))
                m.d.sync += row.eq(0)
                with m.If(self.panel.valid):
                    m.d.sync += [base.eq(place), group.eq(place), exponents.eq(exponent_base),
                                 position.eq(Mux(self.panel.payload.first, 0, position + EXPONENT_WIDTH))]
                    m.next = "GROUP"
            with m.State("GROUP"):
                m.d.comb += [packer.i_row.valid.eq(self.i.valid), packer.i_row.payload.addr.eq(group),
                             packer.i_row.payload.count.eq(self.mantissa + 1)]
                with m.If(self.i.valid & packer.i_row.ready):
                    m.d.sync += exponent.eq(self.i.payload.exponents)
                    m.next = "SIGNS"
            with m.State("SIGNS"):
                m.d.comb += [packer.i.valid.eq(1), packer.i.payload.eq(self.i.payload.signs)]
                with m.If(packer.i.ready):
                    m.next = "PLANES"
            with m.State("PLANES"):
                m.d.comb += [packer.i.valid.eq(self.i.valid), packer.i.payload.eq(self.i.payload.plane),
                             self.i.ready.eq(packer.i.ready), read.en.eq(1)]
                with m.If(self.i.valid & self.i.ready & self.i.payload.last):
                    m.next = "EXPONENT"
            with m.State("EXPONENT"):
                m.d.sync += [
                    word.eq(Mux(self.panel.payload.first, 0, read.data) | (exponent << position)),
                    second.eq(self.panel.payload.last & (position > WORD - EXPONENT_WIDTH)),
                ]
                m.next = "REQUEST"
            with m.State("REQUEST"):
                send = crosses | self.panel.payload.last
                m.d.comb += [packer.i_row.valid.eq(send), packer.i_row.payload.addr.eq(exponents + offset),
                             packer.i_row.payload.count.eq(Mux(second, 2, 1))]
                with m.If(~send):
                    m.next = "KEEP"
                with m.Elif(packer.i_row.ready):
                    m.next = "WORD"
            with m.State("WORD"):
                m.d.comb += [packer.i.valid.eq(1), packer.i.payload.eq(word[:WORD])]
                with m.If(packer.i.ready):
                    m.d.sync += [word.eq(word[WORD:]), second.eq(0)]
                    with m.If(~second):
                        m.next = "KEEP"
            with m.State("KEEP"):
                m.d.comb += [write.en.eq(1), write.data.eq(word[:WORD])]
                m.d.sync += [row.eq(row + 1), group.eq(group + self.stride),
                             exponents.eq(exponents + self.exponent_stride)]
                m.next = "GROUP"
                with m.If(row == self.panel.payload.last_row):
                    m.d.comb += self.panel.ready.eq(1)
                    m.d.sync += offset.eq(Mux(self.panel.payload.last, 0, offset + Mux(crosses, WORD_BYTES, 0)))
                    with m.If(self.panel.payload.last):
                        m.d.sync += exponent_base.eq(exponents + self.exponent_stride)
                    m.next = "PANEL"
        return m


