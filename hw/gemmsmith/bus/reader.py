"""Reads runs of bus words from memory over AXI4."""

from typing import Any

from amaranth.hdl import Module, Mux, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import Component, In, Out

from ..stream import Elastic, Fifo
from .axi import BUS_ERRORS, Axi4Read, Response, drive_constants
from .burst import BurstSplitter, check_max_burst, request_layout

__all__ = ["AxiReader"]

INDEX_BITS = 16


class AxiReader(Component):
    """AXI4 read manager: requests in, bus words out, in order.

    A request of `beats` ≥ 1 words is split into INCR bursts as `BurstSplitter` says; up to `outstanding`
    bursts are under way at once. A request with `beats` = 0 is a marker: it touches no bus and comes out as
    one item with `marker` set, after all words of the requests before it and before all words of those behind
    it.

    A word answered with SLVERR or DECERR is delivered like any other and reported on `error`.

    `stop` aborts: while it is high no burst begins (an ARVALID already up stays until ARREADY), requests,
    markers and the words still arriving are taken and dropped, and `o` is emptied (its `valid` may fall
    without `ready`, the one exception to the rules of streams). Hold it until `idle`: the reader is then as
    after reset.

    Latency: two cycles from `i` to ARVALID, one from R to `o`. One word a cycle, one burst a cycle. No
    combinational path leads from a bus input to a bus output.

    Parameters
    ----------
    data_width, addr_width : int
        Bits of the bus word and of a byte address.
    tag_width : int
        Bits of the tag that comes out with each word; may be 0.
    max_burst : int
        Longest burst in bus words: a power of two ≤ 256, at most 4 KiB.
    outstanding : int
        Bursts (and markers) under way at most, at least 2.

    Members
    -------
    bus : Out(Axi4Read)
    i : In(stream of {addr: byte address aligned to the bus word, beats: 16 bits, tag})
    o : Out(stream of {data, index: 16 bits, tag, last, marker})
        `index` counts the words of a request from 0, `last` is set on its last word and on a marker.
    stop : In(1)
    idle : Out(1)
        Nothing is held or under way, `o` included.
    error : Out(BUS_ERRORS)
        High for one cycle per word with that answer.

    Raises
    ------
    ValueError
        If a parameter is not as said above.
    """

    def __init__(
        self, *, data_width: int, addr_width: int, tag_width: int, max_burst: int = 16, outstanding: int = 8
    ):
        if tag_width < 0:
            raise ValueError(f"tag_width must not be negative, not {tag_width!r}")
        if outstanding < 2:
            raise ValueError(f"outstanding must be at least 2, not {outstanding!r}")
        check_max_burst(max_burst, data_width)
        self._data_width = data_width
        self._addr_width = addr_width
        self._tag_width = tag_width
        self._max_burst = max_burst
        self._outstanding = outstanding
        request = request_layout(addr_width=addr_width, beats_width=INDEX_BITS, tag_width=tag_width)
        word = data.StructLayout({
            "data": data_width, "index": INDEX_BITS, "tag": tag_width, "last": 1, "marker": 1,
        })
        super().__init__({
            "bus": Out(Axi4Read(data_width=data_width, addr_width=addr_width)),
            "i": In(stream.Signature(request)),
            "o": Out(stream.Signature(word)),
            "stop": In(1),
            "idle": Out(1),
            "error": Out(BUS_ERRORS),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        splitter = BurstSplitter(
            data_width=self._data_width, addr_width=self._addr_width, max_burst=self._max_burst,
            beats_width=INDEX_BITS, tag_width=self._tag_width,
        )
        m.submodules.splitter = ResetInserter(self.stop)(splitter)
        # What the words to come belong to: one entry per burst under way, and per marker.
        expected_layout = data.StructLayout({"tag": self._tag_width, "last": 1, "marker": 1})
        m.submodules.expected = expected = Fifo(shape=expected_layout, depth=self._outstanding)
        # Under `stop` the stages held in reset swallow what they are given.
        delivery = Elastic(shape=self.o.payload.shape())
        m.submodules.delivery = ResetInserter(self.stop)(delivery)

        wiring.connect(m, wiring.flipped(self.i), splitter.i)
        wiring.connect(m, wiring.flipped(self.o), delivery.o)
        self._issue(m, splitter.o, expected.i)
        self._deliver(m, expected.o, delivery.i)
        m.d.comb += self.idle.eq(~splitter.o.valid & (expected.level == 0) & ~delivery.o.valid)
        return m

    def _issue(self, m: Module, burst: Any, expected: Any) -> None:
        """Begin a burst as soon as the AR register is free and `expected` has room."""
        ar = self.bus.ar
        free = Signal()
        m.d.comb += [
            *drive_constants(ar, self._data_width),
            free.eq(~ar.valid | ar.ready),
            burst.ready.eq(free & expected.ready),
            expected.valid.eq(free & burst.valid & ~self.stop),
            expected.payload.tag.eq(burst.payload.tag),
            expected.payload.last.eq(burst.payload.last),
            expected.payload.marker.eq(burst.payload.empty),
        ]
        with m.If(free):
            m.d.sync += [
                ar.valid.eq(burst.valid & expected.ready & ~self.stop & ~burst.payload.empty),
                ar.payload.addr.eq(burst.payload.addr),
                ar.payload.len.eq(burst.payload.len),
            ]

    def _deliver(self, m: Module, expected: Any, delivery: Any) -> None:
        """Label each word on R; put the markers between the words."""
        r = self.bus.r
        marker = expected.payload.marker
        index = Signal(INDEX_BITS)
        taken = Signal()
        last = Signal()
        m.d.comb += [
            r.ready.eq(expected.valid & ~marker & delivery.ready),
            taken.eq(r.valid & r.ready),
            expected.ready.eq(delivery.ready & (marker | (r.valid & r.payload.last))),
            delivery.valid.eq(expected.valid & (marker | r.valid)),
            last.eq(expected.payload.last & (marker | r.payload.last)),
            delivery.payload.data.eq(r.payload.data),
            delivery.payload.index.eq(index),
            delivery.payload.tag.eq(expected.payload.tag),
            delivery.payload.last.eq(last),
            delivery.payload.marker.eq(marker),
        ]
        with m.If(self.stop):
            m.d.sync += index.eq(0)
        with m.Elif(taken):
            m.d.sync += index.eq(Mux(last, 0, index + 1))
        m.d.sync += [
            self.error.slverr.eq(taken & (r.payload.resp == Response.SLVERR)),
            self.error.decerr.eq(taken & (r.payload.resp == Response.DECERR)),
        ]
