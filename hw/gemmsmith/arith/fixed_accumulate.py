"""Exact accumulation of integers with exponents: a fixed-point sum as wide as all of them."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.sum import delay
from gemmsmith.arith.tech import leaf

EXPONENT_WIDTH = 5


class FixedAccumulator(wiring.Component):
    """Σ i · 2^exponent over the terms since the last one with ``last``, exact modulo 2^width. A term a cycle.

    The shift by 0 to 15 places is two leaves; the one by 16 is a choice in front of the adder, which technologies have
    for nothing, because the sum need not be cleared there: it is handed on with the last term, and begins anew.

    Parameters
    ----------
    i_width: bits of a term. width: bits of the sum, at least ``i_width`` + 31.

    Members
    -------
    valid: In(1): there is a term. last: In(1): it is the last one.
    i: In(signed(i_width)). exponent: In(5).
    o: Out(signed(width)): the sum, ``latency`` cycles after its last term, for a cycle.
    """

    latency = 5

    def __init__(self, *, i_width: int, width: int):
        self.width = width
        super().__init__({"valid": In(1), "last": In(1), "i": In(signed(i_width)), "exponent": In(EXPONENT_WIDTH),
                          "o": Out(signed(width))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        near = leaf("shift_left")(m, self.i, self.exponent[:2], 1)
        middle = delay(m, self.exponent[2:4], 2, name="middle", reset_less=True)
        term = leaf("shift_left")(m, near, middle, 4)
        far = delay(m, self.exponent[4], 4, name="far", reset_less=True)
        valid = delay(m, self.valid, 4, name="valid")
        # What clears the sum also does so at reset: a register in front of it, so that registers need one reset only.
        done = Signal(init=1)
        m.d.sync += done.eq(delay(m, self.valid & self.last, 3, name="last"))
        kept, o = (Signal(signed(self.width), name=name, reset_less=True) for name in ("kept", "o"))
        low = Cat(term, term[-1].replicate(self.width - len(term)))[:self.width]
        high = Cat(Const(0, 16), term, term[-1].replicate(self.width - len(term)))[:self.width]
        total = Signal(signed(self.width))
        m.d.comb += [total.eq(leaf("accumulate_chosen")(m, kept, low, high, far)), self.o.eq(o)]
        m.d.sync += o.eq(total)
        with m.If(valid):
            m.d.sync += kept.eq(total)
        with m.If(done):
            m.d.sync += kept.eq(0)
        return m
