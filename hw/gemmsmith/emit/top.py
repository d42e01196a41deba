"""Tops: the flat ports that a design shows the world, with the names and attributes that other tools know."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, ClockDomain, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.coprocessor import Coprocessor
from gemmsmith.hierarchy import place, port_members
from gemmsmith.pe.base import Core, Engine, Tail
from gemmsmith.stream import Elastic
from gemmsmith.tile import Tile


class Top(wiring.Component):
    """Base of tops: clock ``aclk``, synchronous reset ``aresetn`` (active low), and bus attributes on the
    ports."""

    _MustUse__silence = True  # also made only to be read: by the driver, by reports

    def __init__(self, members: dict[str, Any]):
        super().__init__({"aclk": In(1), "aresetn": In(1), **members})
        buses = []
        for name in members:
            prefix, _, role = name.rpartition("_")
            if prefix.startswith(("s_axi", "m_axi")):
                kind = "axis" if "_axis" in prefix else "aximm"
                role = f"xilinx.com:interface:{kind}:1.0 {prefix} {role.upper()}"
                getattr(self, name).attrs["X_INTERFACE_INFO"] = role
                if prefix not in buses:
                    buses.append(prefix)
        self.aclk.attrs["X_INTERFACE_INFO"] = "xilinx.com:signal:clock:1.0 aclk CLK"
        self.aclk.attrs["X_INTERFACE_PARAMETER"] = f"ASSOCIATED_BUSIF {':'.join(buses)}, ASSOCIATED_RESET aresetn"
        self.aresetn.attrs["X_INTERFACE_INFO"] = "xilinx.com:signal:reset:1.0 aresetn RST"
        self.aresetn.attrs["X_INTERFACE_PARAMETER"] = "POLARITY ACTIVE_LOW"

    def _module(self) -> Module:
        """A module whose ``sync`` domain is ``aclk`` and ``aresetn``."""
        m = Module()
        m.domains.sync = domain = ClockDomain("sync")
        m.d.comb += [domain.clk.eq(self.aclk), domain.rst.eq(~self.aresetn)]
        return m


class CoprocessorTop(Top):
    """A co-processor with clock and reset pins. Ports: ``aclk``, ``aresetn``, ``s_axil_*``, ``m_axi_*``,
    ``irq``."""

    def __init__(self, coprocessor: Coprocessor):
        self.coprocessor = coprocessor
        super().__init__(dict(coprocessor.signature.members.items()))
        self.irq.attrs["X_INTERFACE_INFO"] = "xilinx.com:signal:interrupt:1.0 irq INTERRUPT"
        self.irq.attrs["X_INTERFACE_PARAMETER"] = "SENSITIVITY LEVEL_HIGH"

    def elaborate(self, platform: Any) -> Module:
        m = self._module()
        place(m, "coprocessor", self.coprocessor)
        for name, flow, inner in port_members(self.coprocessor):
            outer = getattr(self, name)
            m.d.comb += inner.eq(outer) if flow is In else outer.eq(inner)
        return m


class TileTop(Top):
    """An array behind AXI4-Stream.

    Ports: ``cfg_mode`` (run-time mode; change it only when idle), ``s_axis_block_*`` (one transfer per block:
    groups in bits 19..0, then last row and last column in a byte each), ``s_axis_<operand>_*`` (one transfer
    per word, all rows or columns side by side, each in its container, row 0 lowest), ``m_axis_o_*`` (outputs
    in row-major order; TLAST with the last of a block), ``saturated`` (pulse).
    """

    def __init__(self, tile: Tile):
        self.tile = tile
        members: dict[str, Any] = {"cfg_mode": In(tile.pe.mode_width), "saturated": Out(1), **_stream_in("block", 40)}
        for operand in tile.pe.operands:
            members |= _stream_in(operand.name, operand.container * tile.count(operand.axis))
        members |= {"m_axis_o_tdata": Out(tile.pe.scheme.out_width), "m_axis_o_tlast": Out(1),
                    "m_axis_o_tvalid": Out(1),
                    "m_axis_o_tready": In(1)}
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        m = self._module()
        tile = self.tile
        place(m, "tile", tile)
        m.d.comb += [tile.mode.eq(self.cfg_mode), self.saturated.eq(tile.flag)]
        self._attach(m, "block", tile.block, Cat(
            self.s_axis_block_tdata[:20], self.s_axis_block_tdata[24:24 + len(tile.block.payload.last_row)],
            self.s_axis_block_tdata[32:32 + len(tile.block.payload.last_column)]))
        for operand in tile.pe.operands:
            tdata = getattr(self, f"s_axis_{operand.name}_tdata")
            words = (tdata.word_select(i, operand.container)[:operand.width] for i in range(tile.count(operand.axis)))
            self._attach(m, operand.name, getattr(tile, operand.name), Cat(words))
        m.submodules.output = output = Elastic(shape=tile.o.payload.shape())
        wiring.connect(m, tile.o, output.i)
        m.d.comb += [self.m_axis_o_tdata.eq(output.o.payload.data), self.m_axis_o_tlast.eq(output.o.payload.last),
                     self.m_axis_o_tvalid.eq(output.o.valid), output.o.ready.eq(self.m_axis_o_tready)]
        return m

    def _attach(self, m: Module, name: str, sink: Any, payload: Value) -> None:
        """A register slice between an AXI4-Stream port and a stream of the tile."""
        m.submodules[f"slice_{name}"] = cut = Elastic(shape=sink.payload.shape())
        wiring.connect(m, cut.o, sink)
        m.d.comb += [Value.cast(cut.i.payload).eq(payload), cut.i.valid.eq(getattr(self, f"s_axis_{name}_tvalid")),
                     getattr(self, f"s_axis_{name}_tready").eq(cut.i.ready)]


class PartTop(Top):
    """A bare core, engine or tail, for measurement: its flat members, the inputs but for ``mode`` registered.

    The registers have no reset, so that no gate counts that is not the part's.
    """

    def __init__(self, part: Core | Engine | Tail):
        self.part = part
        super().__init__({name: (In if flow is In else Out)(len(value)) for name, flow, value in port_members(part)})

    def elaborate(self, platform: Any) -> Module:
        m = self._module()
        m.submodules.part = self.part
        for name, flow, inner in port_members(self.part):
            outer = getattr(self, name)
            if flow is not In:
                m.d.comb += outer.eq(inner)
            elif name == "mode":
                m.d.comb += inner.eq(outer)
            else:
                register = Signal(len(outer), name=f"{name}_q", reset_less=True)
                m.d.sync += register.eq(outer)
                m.d.comb += inner.eq(register)
        return m


def _stream_in(name: str, width: int) -> dict[str, Any]:
    return {f"s_axis_{name}_tdata": In(width), f"s_axis_{name}_tvalid": In(1), f"s_axis_{name}_tready": Out(1)}
