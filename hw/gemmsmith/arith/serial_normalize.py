"""Normalisation in several cycles, by shifters that each do one distance."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.sum import delay

SPREAD = 31
"""Most places that a number is moved."""
INTERVAL = 4
"""Cycles from a number to the next."""


class SerialNormalize(wiring.Component):
    """Move a number in two's complement up, until its second bit differs from its sign, by 31 places at most.

    By eight places in up to three cycles, by two in up to three more, by one at the output: each bit has one
    multiplexer that loads or shifts, where a shifter at one go has five.

    Latency: 8 cycles; a new number every 4.

    Parameters
    ----------
    width: bits of the result.
    along: bits that accompany a number, at least 1.

    Members
    -------
    start: In(1): a number is at the input. i: In(signed(width + 31)). more: In(1): ones below it. along: In(along).
    o: Out(signed(width)): the top bits, ``latency`` cycles after ``start``, for one cycle.
    o_more: Out(1): ones below them. places: Out(5): how far it was moved. o_along: Out(along).
    """

    def __init__(self, *, width: int, along: int):
        self._width = width
        super().__init__({
            "start": In(1), "i": In(signed(width + SPREAD)), "more": In(1), "along": In(along),
            "o": Out(signed(width)), "o_more": Out(1), "places": Out(5), "o_along": Out(along),
        })

    latency = 2 * INTERVAL
    """Cycles from a number to its top bits."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        second = delay(m, self.start, INTERVAL, name="start")
        far, eights = _station(m, self.start, self.i, 8, name="far")
        far_more, far_along = Signal(reset_less=True), Signal.like(self.along, reset_less=True)
        with m.If(self.start):
            m.d.sync += [far_more.eq(self.more), far_along.eq(self.along)]

        width = self._width + 7
        near, twos = _station(m, second, far[-width:], 2, name="near")
        near_more, near_eights = Signal(reset_less=True), Signal(2, reset_less=True)
        near_along = Signal.like(self.along, reset_less=True)
        with m.If(second):
            m.d.sync += [near_more.eq(far_more | far[:-width].any()), near_along.eq(far_along), near_eights.eq(eights)]

        one = near[-1] == near[-2]
        m.d.comb += [
            self.o.eq(Mux(one, near[-self._width - 1:-1], near[-self._width:])),
            self.o_more.eq(near_more | near[:-self._width - 1].any() | (~one & near[-self._width - 1])),
            self.places.eq(Cat(one, twos, near_eights)),
            self.o_along.eq(near_along),
        ]
        return m


def _station(m: Module, load: Value, value: Value, distance: int, *, name: str) -> tuple[Signal, Signal]:
    """A register that takes ``value``, then moves it up by ``distance`` as long as that loses copies of the sign only;
    and how often it did."""
    held, count = Signal(len(value), name=name, reset_less=True), Signal(2, name=f"{name}_count", reset_less=True)
    sign = held[-1].replicate(distance)
    with m.If(load):
        m.d.sync += [held.eq(value), count.eq(0)]
    with m.Elif(held[-1 - distance:-1] == sign):
        m.d.sync += [held.eq(Cat(Const(0, distance), held[:-distance])), count.eq(count + 1)]
    return held, count
