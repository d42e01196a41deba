"""Proofs for the AXI4-Lite register bank."""

import pytest
from amaranth.hdl import Assert, Cover, Elaboratable, Module, Mux, ResetSignal, Signal
from prover import assume_held, check_held, needs_prover, prove

from gemmsmith.bus import Register, RegisterBank, RegisterMap, Response

pytestmark = needs_prover
MAP = RegisterMap(
    registers=(Register("first", 0, width=12), Register("sticky", 4, "w1c", 3), Register("state", 12, "ro", 4)),
    addr_width=5,
)


class Bank(Elaboratable):
    """Any manager that keeps the rules, against the bank."""

    def __init__(self):
        self.dut = RegisterBank(MAP)
        bus = self.dut.bus
        self.ports = [self.dut.sticky_set, self.dut.state, bus.b.ready, bus.r.ready]
        for channel in (bus.aw, bus.w, bus.ar):
            self.ports += [channel.valid, channel.payload]

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = self.dut
        bus = self.dut.bus
        for channel in (bus.aw, bus.w, bus.ar):
            assume_held(m, channel)
        for channel in (bus.b, bus.r):
            check_held(m, channel)
        addr, word, strobe = self._answers_follow(m)
        self._writes_take_effect(m, addr, word, strobe)
        self._reads(m)
        return m

    def _answers_follow(self, m):
        """BVALID only between the later of AW and W and BREADY; the write that it answers is returned."""
        bus = self.dut.bus
        addr, word, strobe = Signal(5), Signal(32), Signal(4)
        waited = Signal()
        m.d.sync += waited.eq(bus.b.valid & ~bus.b.ready)
        risen = bus.b.valid & ~waited
        takes = []
        for channel in (bus.aw, bus.w):
            taken, held = channel.valid & channel.ready, Signal()
            # One may be taken for the next answer from the cycle on in which this one appears, not before.
            with m.If(taken):
                m.d.comb += Assert(~held | risen)
            with m.If(risen):
                m.d.comb += Assert(held)
            m.d.sync += held.eq(taken | (held & ~risen))
            takes.append(taken)
        with m.If(takes[0]):
            m.d.sync += addr.eq(bus.aw.payload.addr)
        with m.If(takes[1]):
            m.d.sync += [word.eq(bus.w.payload.data), strobe.eq(bus.w.payload.strb)]
        m.d.comb += Cover(bus.b.valid & (bus.b.payload.resp == Response.SLVERR))
        m.d.comb += Cover(bus.b.valid & (addr == 0) & (self.dut.first == 0xABC))
        return addr, word, strobe

    def _writes_take_effect(self, m, addr, word, strobe):
        """The read-write register changes as BVALID rises, by the strobed bytes of its own writes, else never."""
        bus, value = self.dut.bus, self.dut.first
        before, waited, was_reset = Signal(12), Signal(), Signal(reset_less=True, init=1)
        m.d.sync += [before.eq(value), waited.eq(bus.b.valid & ~bus.b.ready), was_reset.eq(ResetSignal())]
        risen = bus.b.valid & ~waited
        mapped = (addr[2:] == 0) | (addr[2:] == 1) | (addr[2:] == 3)
        written = (Mux(strobe[0], word, before) & 0xFF) | (Mux(strobe[1], word, before) & 0xF00)
        with m.If(risen):
            m.d.comb += Assert(bus.b.payload.resp == Mux(mapped, Response.OKAY, Response.SLVERR))
        with m.If(risen & (addr[2:] == 0)):
            m.d.comb += Assert(value == written)
        with m.Elif(~was_reset):
            m.d.comb += Assert(value == before)

    def _reads(self, m):
        bus = self.dut.bus
        addr, waited, first = Signal(5), Signal(), Signal(12)
        m.d.sync += [waited.eq(bus.r.valid & ~bus.r.ready), first.eq(self.dut.first)]
        with m.If(bus.ar.valid & bus.ar.ready):
            m.d.sync += addr.eq(bus.ar.payload.addr)
        with m.If(bus.r.valid & ~waited & (addr[2:] == 0)):
            m.d.comb += [Assert(bus.r.payload.data == first), Assert(bus.r.payload.resp == Response.OKAY)]
        with m.If(bus.r.valid & ~waited & (addr[2:] == 5)):
            m.d.comb += [Assert(bus.r.payload.data == 0), Assert(bus.r.payload.resp == Response.SLVERR)]


@pytest.mark.parametrize(("mode", "depth"), [("bmc", 12), ("cover", 10)])
def test_bank(tmp_path, mode, depth):
    design = Bank()
    prove(design, design.ports, tmp_path, mode=mode, depth=depth)
