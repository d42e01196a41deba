"""Proofs for what the AXI4 managers put on the bus."""

import pytest
from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume, Cover, Elaboratable, Module, Mux, Signal
from prover import assume_held, check_held, count, needs_prover, prove

from gemmsmith.bus import AxiReader, AxiWriter
from gemmsmith.bus.axi import PAGE_BYTES
from gemmsmith.bus.burst import BurstSplitter

pytestmark = needs_prover
BUS = {"data_width": 32, "addr_width": 14}
MAX_BURST = 4
PAGE_WORDS = PAGE_BYTES // 4


def check_burst(m, valid, payload):
    """Aligned to the bus word, no longer than allowed, within one page."""
    with m.If(valid):
        first = payload.addr[2:12]
        m.d.comb += [
            Assert(payload.addr[:2] == 0),
            Assert(payload.len < MAX_BURST),
            Assert(first + payload.len < PAGE_WORDS),
        ]


class Splitter(Elaboratable):
    """Bursts are legal and hold."""

    def __init__(self):
        self.dut = BurstSplitter(**BUS, max_burst=MAX_BURST, beats_width=4, tag_width=2)
        self.ports = [self.dut.i.payload, self.dut.i.valid, self.dut.o.ready]

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self.dut
        check_held(m, dut.o)
        check_burst(m, dut.o.valid & ~dut.o.payload.empty, dut.o.payload)
        return m


class SplitRequest(Splitter):
    """Put together, the bursts are the request."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        dut = self.dut
        # What is still to come of the request in hand.
        addr, left, tag, busy = Signal(12), Signal(4), Signal(2), Signal()
        request, burst = dut.i.payload, dut.o.payload
        m.d.comb += Assert(busy == dut.o.valid)
        with m.If(busy):
            m.d.comb += [
                Assert(burst.empty == (left == 0)),
                Assert(burst.last == (burst.empty | (burst.len + 1 == left))),
                Assert(burst.empty | (burst.len < left)),
                Assert(burst.empty | (burst.addr[2:] == addr)),
                Assert(burst.tag == tag),
            ]
        with m.If(dut.o.valid & dut.o.ready):
            m.d.sync += [addr.eq(addr + burst.len + 1), left.eq(left - burst.len - 1), busy.eq(~burst.last)]
        with m.If(dut.i.valid & dut.i.ready):
            m.d.sync += [addr.eq(request.addr[2:]), left.eq(request.beats), tag.eq(request.tag), busy.eq(1)]
        m.d.comb += Cover(busy & (addr == PAGE_WORDS) & (left == 9) & (tag == 2))
        return m


class Reader(Elaboratable):
    """AR and the output keep the rules, and no burst begins under `stop`."""

    def __init__(self):
        self.dut = AxiReader(**BUS, tag_width=1, max_burst=MAX_BURST, outstanding=3)
        self.ports = [
            self.dut.i.payload, self.dut.i.valid, self.dut.o.ready, self.dut.stop,
            self.dut.bus.ar.ready, self.dut.bus.r.valid, self.dut.bus.r.payload,
        ]  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self.dut
        ar, r = dut.bus.ar, dut.bus.r
        assume_held(m, dut.i)
        assume_held(m, r)
        check_held(m, ar)
        check_held(m, dut.o, withdrawal=dut.stop)
        check_burst(m, ar.valid, ar.payload)

        waiting, stopped = Signal(), Signal()
        m.d.sync += [waiting.eq(ar.valid & ~ar.ready), stopped.eq(dut.stop)]
        with m.If(stopped & ~waiting):
            m.d.comb += Assert(~ar.valid)
        self._answer(m, ar, r)
        return m

    def _answer(self, m, ar, r):
        """Assume a subordinate that answers one burst at a time, as long as it announced, after it took it."""
        left, busy = Signal(8), Signal()
        m.d.comb += [Assume(~r.valid | busy), Assume(r.payload.last == (left == 0))]
        with m.If(busy):
            m.d.comb += Assume(~ar.ready | (r.valid & r.ready & r.payload.last))
        with m.If(r.valid & r.ready):
            m.d.sync += [left.eq(left - 1), busy.eq(~r.payload.last)]
        with m.If(ar.valid & ar.ready):
            m.d.sync += [left.eq(ar.payload.len), busy.eq(1)]
            m.d.comb += Cover(busy & (ar.payload.addr == PAGE_BYTES))


class Delivery(Reader):
    """Words of the n-th request come out with its tag, counted from 0, the last of them marked; n is any."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        dut = self.dut
        chosen, beats, tag = AnyConst(2), AnyConst(3), AnyConst(1)
        item = dut.o.payload
        m.d.comb += Assume(~dut.stop)
        asked = count(m, dut.i.valid & dut.i.ready)
        leaving = dut.o.valid & dut.o.ready
        served = count(m, leaving & item.last)
        index = Signal(16)
        with m.If(leaving):
            m.d.sync += index.eq(Mux(item.last, 0, index + 1))
        with m.If(dut.i.valid & (asked == chosen)):
            m.d.comb += [Assume(dut.i.payload.beats == beats), Assume(dut.i.payload.tag == tag)]
        with m.If(dut.o.valid):
            m.d.comb += Assert(served < asked)
        with m.If(dut.o.valid & (served == chosen)):
            m.d.comb += [
                Assert(item.tag == tag),
                Assert(item.marker == (beats == 0)),
                Assert(item.marker | (item.index == index)),
                Assert(item.last == (item.marker | (index + 1 == beats))),
            ]
        m.d.comb += Cover((served == 2) & (chosen == 1) & (beats == 3))
        return m


class Writer(Elaboratable):
    """AW and W keep the rules; W neither starves nor waits for AW; WLAST ends each burst."""

    def __init__(self):
        self.dut = AxiWriter(**BUS, max_row_beats=3, max_burst=MAX_BURST, outstanding=2)
        bus = self.dut.bus
        self.ports = [
            self.dut.i_request.payload, self.dut.i_request.valid, self.dut.i_data.payload, self.dut.i_data.valid,
            self.dut.stop, bus.aw.ready, bus.w.ready, bus.b.valid, bus.b.payload,
        ]  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self.dut
        aw, w, b = dut.bus.aw, dut.bus.w, dut.bus.b
        request = dut.i_request
        assume_held(m, request)
        assume_held(m, dut.i_data)
        with m.If(request.valid):
            m.d.comb += Assume((request.payload.beats > 0) & (request.payload.addr[:2] == 0))
        check_held(m, aw)
        check_held(m, w)
        check_burst(m, aw.valid, aw.payload)

        addressed, begun = count(m, aw.valid & aw.ready), Signal()
        ended = count(m, w.valid & w.ready & w.payload.last)
        answered = count(m, b.valid & b.ready)
        m.d.comb += Assume(~b.valid | ((answered != addressed) & (answered != ended)))
        waiting, stopped, in_burst = Signal(), Signal(), Signal()
        m.d.sync += [waiting.eq(aw.valid & ~aw.ready), stopped.eq(dut.stop)]
        with m.If(w.valid):
            m.d.sync += in_burst.eq(~(w.ready & w.payload.last))
        with m.If(in_burst):
            m.d.comb += Assert(w.valid)
        with m.If(stopped & ~waiting):
            m.d.comb += Assert(~aw.valid)
        m.d.comb += begun.eq(aw.valid & ~waiting)
        self._lengths(m, begun)
        with m.If(dut.idle):
            m.d.comb += Assert((addressed == ended) & (addressed == answered) & ~aw.valid & ~w.valid)
        m.d.comb += Cover((answered == 2) & dut.idle)
        m.d.comb += Cover(stopped & dut.idle & (answered == 1) & (count(m, request.valid & request.ready) == 2))
        return m

    def _lengths(self, m, begun):
        """A burst's words begin with its AWVALID, and there are as many as AWLEN says."""
        aw, w = self.dut.bus.aw, self.dut.bus.w
        left = Signal(8)
        now = Mux(begun, aw.payload.len, left)
        with m.If(begun):
            m.d.comb += Assert(w.valid)
        with m.If(w.valid):
            m.d.comb += Assert(w.payload.last == (now == 0))
        m.d.sync += left.eq(now - (w.valid & w.ready))


@pytest.mark.parametrize(
    ("design", "mode", "depth"),
    [
        (Splitter, "prove", 2),
        (SplitRequest, "bmc", 9),
        (SplitRequest, "cover", 6),
        (Reader, "bmc", 12),
        (Delivery, "bmc", 9),
        (Delivery, "cover", 16),
        (Writer, "bmc", 10),
        (Writer, "cover", 16),
    ],
)
def test_manager(tmp_path, design, mode, depth):
    proof = design()
    prove(proof, proof.ports, tmp_path, mode=mode, depth=depth)
