"""A register slice that breaks every combinational path of a stream."""

from typing import Any

from amaranth.hdl import Module, Shape, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import Component, In, Out

__all__ = ["Elastic"]


class Elastic(Component):
    """Two-entry stream stage ("skid buffer").

    Order is kept, nothing is lost, `o.valid` stays up with a stable payload until `o.ready`. Both `o.valid`
    and `i.ready` come out of registers, so no combinational path leads through the stage in either direction.

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
        self._shape = shape
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        # While the output stalls one more payload may arrive, since `i.ready` only falls a cycle later: it is
        # kept in `spare`.
        spare = Signal.like(self.i.payload)
        full = Signal()

        m.d.comb += self.i.ready.eq(~full)
        with m.If(self.i.ready):
            m.d.sync += spare.eq(self.i.payload)
        with m.If(self.o.ready | ~self.o.valid):
            m.d.sync += [self.o.valid.eq(self.i.valid | full), full.eq(0)]
            with m.If(full):
                m.d.sync += self.o.payload.eq(spare)
            with m.Else():
                m.d.sync += self.o.payload.eq(self.i.payload)
        with m.Elif(self.i.valid):
            m.d.sync += full.eq(1)
        return m
