"""Signatures and their flat names."""

import re

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module
from amaranth.lib.wiring import Component, In, Out

from busmodels.streams import Bench
from gemmsmith.bus import (
    Axi4,
    Axi4Read,
    AxiLite,
    AxiReader,
    AxiStream,
    AxiWriter,
    Register,
    RegisterBank,
    RegisterMap,
    connect_flat,
    flat_ports,
)

# Signals of a manager as ARM IHI 0022 names them, without those that are optional and not used here.
OUTPUTS = {
    "awid": 1, "awaddr": 40, "awlen": 8, "awsize": 3, "awburst": 2, "awcache": 4, "awprot": 3, "awvalid": 1,
    "wdata": 128, "wstrb": 16, "wlast": 1, "wvalid": 1, "bready": 1,
    "arid": 1, "araddr": 40, "arlen": 8, "arsize": 3, "arburst": 2, "arcache": 4, "arprot": 3, "arvalid": 1,
    "rready": 1,
}  # fmt: skip
INPUTS = {
    "awready": 1, "wready": 1, "bid": 1, "bresp": 2, "bvalid": 1,
    "arready": 1, "rid": 1, "rdata": 128, "rresp": 2, "rlast": 1, "rvalid": 1,
}  # fmt: skip


def test_axi4_names():
    ports = flat_ports("m_axi", Axi4(data_width=128, addr_width=40))
    expected = {f"m_axi_{name}": Out(width) for name, width in OUTPUTS.items()}
    expected |= {f"m_axi_{name}": In(width) for name, width in INPUTS.items()}
    assert ports == expected


def test_lite_is_flipped_for_a_subordinate():
    manager = flat_ports("x", AxiLite(addr_width=12))
    subordinate = flat_ports("x", AxiLite(addr_width=12).flip())
    assert manager["x_awaddr"] == Out(12)
    assert manager["x_rdata"] == In(32)
    assert subordinate == {name: member.flip() for name, member in manager.items()}


def test_stream_names():
    ports = flat_ports("s_axis_x", AxiStream(data_width=32).flip())
    assert ports == {
        "s_axis_x_tdata": In(32),
        "s_axis_x_tlast": In(1),
        "s_axis_x_tvalid": In(1),
        "s_axis_x_tready": Out(1),
    }


class Flat(Component):
    """A register bank, a reader and a writer behind flat ports."""

    def __init__(self):
        super().__init__({
            **flat_ports("s_axil", AxiLite(addr_width=12).flip()),
            **flat_ports("m_axi", Axi4(data_width=64, addr_width=32)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.bank = bank = RegisterBank(RegisterMap(registers=(Register("scratch", 0),)))
        m.submodules.reader = reader = AxiReader(data_width=64, addr_width=32, tag_width=0)
        m.submodules.writer = writer = AxiWriter(data_width=64, addr_width=32, max_row_beats=4)
        connect_flat(m, self, "s_axil", bank.bus)
        connect_flat(m, self, "m_axi", reader.bus)
        connect_flat(m, self, "m_axi", writer.bus)
        return m


def test_flat_top_converts():
    top = Flat()
    text = rtlil.convert(top, name="flat")
    module = text[text.index("module \\flat\n") :].split("\nend\n")[0]
    wired = set(re.findall(r"wire (?:width \d+ )?(?:input|output) \d+ +\\(\w+)", module))
    assert wired == {*top.signature.members, "clk", "rst"}


def test_flat_top_carries_both_directions():
    top = Flat()

    async def write_and_read(ctx):
        ctx.set(top.s_axil_awvalid, 1)
        ctx.set(top.s_axil_wvalid, 1)
        ctx.set(top.s_axil_wdata, 0x1234_5678)
        ctx.set(top.s_axil_wstrb, 15)
        await ctx.tick()
        ctx.set(top.s_axil_awvalid, 0)
        ctx.set(top.s_axil_wvalid, 0)
        ctx.set(top.s_axil_bready, 1)
        await ctx.tick().until(top.s_axil_bvalid)
        ctx.set(top.s_axil_arvalid, 1)
        await ctx.tick().until(top.s_axil_arready)
        ctx.set(top.s_axil_arvalid, 0)
        ctx.set(top.s_axil_rready, 1)
        (value,) = await ctx.tick().sample(top.s_axil_rdata).until(top.s_axil_rvalid)
        assert value == 0x1234_5678
        assert ctx.get(top.m_axi_bready)
        assert ctx.get(top.m_axi_arsize) == ctx.get(top.m_axi_awsize) == 3

    bench = Bench(top, cycles=100)
    bench.add(write_and_read)
    bench.run()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Axi4(data_width=100, addr_width=32), "data_width must be a power of two"),
        (lambda: Axi4Read(data_width=64, addr_width=65), "addr_width must be from 1 to 64"),
        (lambda: AxiLite(addr_width=12, data_width=128), "data_width must be 32 or 64"),
        (lambda: AxiStream(data_width=12), "data_width must be a positive multiple of 8"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make()
