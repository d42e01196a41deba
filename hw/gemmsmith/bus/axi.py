"""AXI4, AXI4-Lite and AXI4-Stream signatures, and their flat port names.

Inside, every AXI channel is an `amaranth.lib.stream` whose payload fields carry the names of the AMBA AXI
specification (ARM IHI 0022) without the channel's prefix: `bus.ar.payload.addr`, `bus.ar.valid`. At the top
of a design the same signals are flat ports named as block-design tools expect them: `m_axi_araddr`,
`m_axi_arvalid`.

    class Top(wiring.Component):
        def __init__(self):
            super().__init__({
                **flat_ports("s_axil", AxiLite(addr_width=12).flip()),
                **flat_ports("m_axi", Axi4(data_width=128, addr_width=40)),
            })

        def elaborate(self, platform):
            m = Module()
            m.submodules.reader = reader = AxiReader(...)   # reader.bus is an Axi4Read
            connect_flat(m, self, "m_axi", reader.bus)

Signatures are seen from the manager ("master"); a subordinate uses `In(...)` or `.flip()`.
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import Any

from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import Flow, In, Member, Out

__all__ = [
    "BUS_ERRORS",
    "PAGE_BYTES",
    "Axi4",
    "Axi4Read",
    "Axi4Write",
    "AxiLite",
    "AxiStream",
    "Burst",
    "Response",
    "connect_flat",
    "drive_constants",
    "flat_ports",
]

PAGE_BYTES = 4096
"""No burst may cross a boundary of this many bytes (IHI 0022, A3.4.1)."""


class Response(IntEnum):
    """Codes of `rresp` and `bresp`."""

    OKAY = 0
    EXOKAY = 1
    SLVERR = 2
    DECERR = 3


BUS_ERRORS = data.StructLayout({"slverr": 1, "decerr": 1})
"""Which error responses arrived in a cycle."""


class Burst(IntEnum):
    """Codes of `arburst` and `awburst`; this project begins INCR bursts only."""

    FIXED = 0
    INCR = 1
    WRAP = 2


_CACHE_BUFFERABLE = 0b0011
"""`arcache`/`awcache`: normal memory, not cacheable, bufferable."""


def _check_data_width(data_width: int) -> None:
    if data_width not in (32, 64, 128, 256, 512, 1024):
        raise ValueError(f"data_width must be a power of two from 32 to 1024, not {data_width!r}")


def _check_addr_width(addr_width: int) -> None:
    if not 1 <= addr_width <= 64:
        raise ValueError(f"addr_width must be from 1 to 64, not {addr_width!r}")


def _address_channel(addr_width: int) -> stream.Signature:
    return stream.Signature(data.StructLayout({
        "id": 1, "addr": addr_width, "len": 8, "size": 3, "burst": 2, "cache": 4, "prot": 3,
    }))


class Axi4Read(wiring.Signature):
    """Read channels `ar` and `r` of an AXI4 manager with one transaction ID (one bit wide, always 0).

    Raises ValueError if `data_width` is not a power of two from 32 to 1024 or `addr_width` not from 1 to 64.
    """

    def __init__(self, *, data_width: int, addr_width: int):
        _check_data_width(data_width)
        _check_addr_width(addr_width)
        beat = data.StructLayout({"id": 1, "data": data_width, "resp": 2, "last": 1})
        super().__init__({"ar": Out(_address_channel(addr_width)), "r": In(stream.Signature(beat))})


class Axi4Write(wiring.Signature):
    """Write channels `aw`, `w` and `b` of an AXI4 manager with one transaction ID (one bit wide, always 0).

    Raises ValueError if `data_width` is not a power of two from 32 to 1024 or `addr_width` not from 1 to 64.
    """

    def __init__(self, *, data_width: int, addr_width: int):
        _check_data_width(data_width)
        _check_addr_width(addr_width)
        beat = data.StructLayout({"data": data_width, "strb": data_width // 8, "last": 1})
        super().__init__({
            "aw": Out(_address_channel(addr_width)),
            "w": Out(stream.Signature(beat)),
            "b": In(stream.Signature(data.StructLayout({"id": 1, "resp": 2}))),
        })


class Axi4(wiring.Signature):
    """All five channels of an AXI4 manager: those of `Axi4Read` and `Axi4Write`."""

    def __init__(self, *, data_width: int, addr_width: int):
        widths = {"data_width": data_width, "addr_width": addr_width}
        super().__init__({**dict(Axi4Write(**widths).members), **dict(Axi4Read(**widths).members)})


class AxiLite(wiring.Signature):
    """The five channels of an AXI4-Lite manager.

    Raises ValueError if `data_width` is neither 32 nor 64 or `addr_width` not from 1 to 64.
    """

    def __init__(self, *, addr_width: int, data_width: int = 32):
        if data_width not in (32, 64):
            raise ValueError(f"data_width must be 32 or 64, not {data_width!r}")
        _check_addr_width(addr_width)
        address = stream.Signature(data.StructLayout({"addr": addr_width, "prot": 3}))
        write = stream.Signature(data.StructLayout({"data": data_width, "strb": data_width // 8}))
        super().__init__({
            "aw": Out(address),
            "w": Out(write),
            "b": In(stream.Signature(data.StructLayout({"resp": 2}))),
            "ar": Out(address),
            "r": In(stream.Signature(data.StructLayout({"data": data_width, "resp": 2}))),
        })


class AxiStream(wiring.Signature):
    """AXI4-Stream transmitter with one channel `t`, payload `{data, last}`.

    Raises ValueError if `data_width` is not a positive number of whole bytes.
    """

    def __init__(self, *, data_width: int):
        if data_width < 8 or data_width % 8:
            raise ValueError(f"data_width must be a positive multiple of 8, not {data_width!r}")
        super().__init__({"t": Out(stream.Signature(data.StructLayout({"data": data_width, "last": 1})))})


def drive_constants(channel: Any, data_width: int) -> list[Any]:
    """Statements for the fields of `ar` or `aw` that never change: full-width INCR bursts with ID 0."""
    return [
        channel.payload.id.eq(0),
        channel.payload.size.eq((data_width // 8).bit_length() - 1),
        channel.payload.burst.eq(Burst.INCR),
        channel.payload.cache.eq(_CACHE_BUFFERABLE),
        channel.payload.prot.eq(0),
    ]


def _leaves(signature: Any) -> Iterator[tuple[str, Flow, Any, tuple[str, ...]]]:
    """Flat name, flow, shape and attribute path of every signal of an AXI signature."""
    for channel, member in signature.members.items():
        members = member.signature.members
        for field, field_shape in members["payload"].shape:
            yield channel + field, members["payload"].flow, field_shape.shape, (channel, "payload", field)
        for name in ("valid", "ready"):
            yield channel + name, members[name].flow, 1, (channel, name)


def flat_ports(prefix: str, signature: Any) -> dict[str, Member]:
    """Flat members for one of the signatures of this module: `{"m_axi_araddr": Out(32), ...}`."""
    return {f"{prefix}_{name}": Member(flow, shape) for name, flow, shape, _ in _leaves(signature)}


def connect_flat(m: Module, component: Any, prefix: str, interface: Any) -> None:
    """Wire the flat members of `component` to the nested `interface` of one of its submodules.

    `interface` may have only some of the channels that `component` has, such as the `Axi4Read` of a reader.
    """
    for name, flow, _, path in _leaves(interface.signature):
        leaf = interface
        for step in path:
            leaf = leaf[step] if isinstance(leaf, data.View) else getattr(leaf, step)
        port = getattr(component, f"{prefix}_{name}")
        m.d.comb += port.eq(leaf) if flow is Out else leaf.eq(port)
