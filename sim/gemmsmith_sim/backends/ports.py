"""The flat ports of a co-processor, as the backends see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

REGISTER_INPUTS = ("awaddr", "awprot", "awvalid", "wdata", "wstrb", "wvalid", "bready",
                   "araddr", "arprot", "arvalid", "rready")
REGISTER_OUTPUTS = ("awready", "wready", "bresp", "bvalid", "arready", "rdata", "rresp", "rvalid")
MEMORY_INPUTS = ("arready", "rid", "rdata", "rresp", "rlast", "rvalid",
                 "awready", "wready", "bid", "bresp", "bvalid")
MEMORY_OUTPUTS = ("arid", "araddr", "arlen", "arsize", "arburst", "arvalid", "rready",
                  "awid", "awaddr", "awlen", "awsize", "awburst", "awvalid",
                  "wdata", "wstrb", "wlast", "wvalid", "bready")

INPUTS = (tuple(f"s_axil_{name}" for name in REGISTER_INPUTS)
          + tuple(f"m_axi_{name}" for name in MEMORY_INPUTS))
OUTPUTS = (tuple(f"s_axil_{name}" for name in REGISTER_OUTPUTS)
           + tuple(f"m_axi_{name}" for name in MEMORY_OUTPUTS) + ("irq",))

OPTIONAL = frozenset((
    "s_axil_awprot", "s_axil_arprot",
    "m_axi_arid", "m_axi_arlen", "m_axi_arsize", "m_axi_arburst", "m_axi_rid",
    "m_axi_awid", "m_axi_awlen", "m_axi_awsize", "m_axi_awburst", "m_axi_bid",
))
"""Ports that a device may lack; a burst then has ID 0, one beat, the width of the bus, and the type INCR."""

BURST_INCR = 0b01


@dataclass(frozen=True)
class Ports:
    """Widths in bits of the ports that a device has, checked to be a co-processor's.

    Raises ValueError if a port is missing, if nobody would drive an input, or if a data bus has a width that
    the models do not serve. Unknown outputs (``m_axi_arcache``, a debug port) are left alone.
    """

    inputs: Mapping[str, int]
    outputs: Mapping[str, int]

    def __post_init__(self) -> None:
        if missing := sorted((set(INPUTS) - OPTIONAL - set(self.inputs))
                             | (set(OUTPUTS) - OPTIONAL - set(self.outputs))):
            raise ValueError(f"the device lacks the ports {', '.join(missing)}")
        if unknown := sorted(set(self.inputs) - set(INPUTS)):
            raise ValueError(f"nothing drives the device's inputs {', '.join(unknown)}")
        if self.inputs["s_axil_wdata"] != 32:
            raise ValueError(f"s_axil must have 32 data bits, not {self.inputs['s_axil_wdata']}")
        if self.data_bits not in (32, 64, 128, 256, 512):
            raise ValueError(f"m_axi must have 32, 64, 128, 256 or 512 data bits, not {self.data_bits}")

    @property
    def data_bits(self) -> int:
        return self.inputs["m_axi_rdata"]

    @property
    def data_bytes(self) -> int:
        return self.data_bits // 8

    @property
    def defaults(self) -> dict[str, int]:
        """What the outputs that the device lacks are taken to be."""
        full_size = self.data_bytes.bit_length() - 1
        values = dict.fromkeys(OUTPUTS, 0)
        for channel in ("ar", "aw"):
            values[f"m_axi_{channel}size"] = full_size
            values[f"m_axi_{channel}burst"] = BURST_INCR
        return {name: value for name, value in values.items() if name not in self.outputs}
