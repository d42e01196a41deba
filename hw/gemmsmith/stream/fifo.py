"""A first-in, first-out queue between two streams."""

from typing import Any

from amaranth.hdl import Module, Shape, Value
from amaranth.lib import stream
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import Component, In, Out

__all__ = ["Fifo"]


class Fifo(Component):
    """Queue of `depth` payloads in a memory with synchronous read, so that a deep one becomes block RAM.

    Latency from an empty queue is two cycles; throughput is one payload a cycle (half that with
    `depth` 2). `i.ready` and `o.valid` come
    out of registers. A depth of 2ⁿ + 1 is the cheapest: the memory then holds 2ⁿ, the output register one
    more.

    Parameters
    ----------
    shape : ShapeLike
        Shape of the payload.
    depth : int
        Payloads held, at least 2.

    Members
    -------
    i : In(stream.Signature(shape))
    o : Out(stream.Signature(shape))
    level : Out(range(depth + 1))
        Payloads held now. One that was just written counts although `o` does not show it yet.

    Raises
    ------
    ValueError
        If `depth` is less than 2.
    """

    def __init__(self, *, shape: Any, depth: int):
        if depth < 2:
            raise ValueError(f"depth must be at least 2, not {depth!r}")
        self._width = Shape.cast(shape).width
        self._depth = depth
        super().__init__({
            "i": In(stream.Signature(shape)),
            "o": Out(stream.Signature(shape)),
            "level": Out(range(depth + 1)),
        })

    @property
    def depth(self) -> int:
        """Payloads held at most."""
        return self._depth

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.queue = queue = SyncFIFOBuffered(width=self._width, depth=self._depth)
        m.d.comb += [
            queue.w_data.eq(self.i.payload),
            queue.w_en.eq(self.i.valid),
            self.i.ready.eq(queue.w_rdy),
            Value.cast(self.o.payload).eq(queue.r_data),
            self.o.valid.eq(queue.r_rdy),
            queue.r_en.eq(self.o.ready),
            self.level.eq(queue.level),
        ]
        return m
