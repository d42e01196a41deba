"""One register behind a stream."""

from typing import Any

from amaranth.hdl import Module, Shape
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out

__all__ = ["Register"]


class Register(Component):
    """One-entry stream stage: half the registers of an `Elastic`, for the inside of a pipeline.

    `o.valid` and `o.payload` come out of registers; `i.ready` follows `o.ready` combinationally.
    Latency is one cycle; throughput is one payload a cycle.

    Parameters
    ----------
    shape : ShapeLike
        Shape of the payload.

    Members
    -------
    i : In(stream.Signature(shape))
    o : Out(stream.Signature(shape))
    """

    def __init__(self, *, shape: Any):
        Shape.cast(shape)  # raises TypeError for what is no shape
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        with m.If(self.i.ready):
            m.d.sync += [self.o.valid.eq(self.i.valid), self.o.payload.eq(self.i.payload)]
        return m
