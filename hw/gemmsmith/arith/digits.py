"""Dot products by signed radix-4 digits of the weights: half as many rows to add as with bit planes.

A weight of four bits is d₀ + 4 · d₁ with d₀ in −1 … 2 and d₁ in −2 … 2. A digit chooses 0, a or 2a of an activation, or
the complement of one of them: −x = ~x + 1. The ones of all lanes depend on the weights alone, so that they are counted
where weights are recoded, once for all dot products with the same weights.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.tech import leaf
from gemmsmith.arith.tech.portable import balanced_sum

WEIGHT = 4
"""Bits of a weight."""

Digits = data.StructLayout({"one": 1, "two": 1, "minus": 1, "high_one": 1, "high_two": 1, "high_negative": 1})
"""d₀ is 1, 2 or −1, else 0; |d₁| is 1 or 2, else 0; d₁ is taken as negative (a zero may be, too: ~0 + 1 = 0)."""


def ones_width(lanes: int) -> int:
    """Bits of the count of ones: 1 + 4 for each lane at most."""
    return (5 * lanes).bit_length()


class DigitRecoder(wiring.Component):
    """Weights → digits and the count of the ones that complete their complements. Combinational.

    Parameters
    ----------
    lanes: weights, at least 1.

    Members
    -------
    w: In(ArrayLayout(4, lanes)), two's complement.
    digits: Out(ArrayLayout(Digits, lanes)).
    ones: Out(ones_width(lanes)).

    Raises
    ------
    ValueError if ``lanes`` is below 1.
    """

    def __init__(self, *, lanes: int):
        if lanes < 1:
            raise ValueError(f"lanes must be at least 1, not {lanes!r}")
        self.lanes = lanes
        super().__init__({"w": In(data.ArrayLayout(WEIGHT, lanes)), "digits": Out(data.ArrayLayout(Digits, lanes)),
                          "ones": Out(ones_width(lanes))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for lane in range(self.lanes):
            w, digits = Value.cast(self.w[lane]), self.digits[lane]
            carry = w[0] & w[1]  # 3 = −1 + 4
            m.d.comb += [
                digits.one.eq(w[0] & ~w[1]),
                digits.two.eq(w[1] & ~w[0]),
                digits.minus.eq(carry),
                digits.high_one.eq(w[2] ^ carry),
                digits.high_two.eq((w[2] == carry) & (w[3] != carry)),
                digits.high_negative.eq(w[3]),
            ]
        low = balanced_sum([self.digits[lane].minus for lane in range(self.lanes)])
        high = balanced_sum([self.digits[lane].high_negative for lane in range(self.lanes)])
        m.d.comb += self.ones.eq(low + (high << 2))
        return m


class DigitAccumulator(wiring.Component):
    """Σ of the dot products Σ a_i · w_i of beats, exact: one beat a cycle, no register but the accumulator's.

    A beat at the input with ``valid`` is in ``o`` a cycle later; ``o`` holds until the next one.

    Parameters
    ----------
    lanes: products per beat, at least 1. a_width: bits of an activation, at least 1. width: bits of the sum.

    Members
    -------
    valid: In(1). first: In(1), with ``valid``: the sum starts from this beat.
    a: In(ArrayLayout(signed(a_width), lanes)). digits, ones: the weights, as ``DigitRecoder`` has them.
    o: Out(signed(width)); wraps.

    Raises
    ------
    ValueError if an argument is below 1.
    """

    latency = 1

    def __init__(self, *, lanes: int, a_width: int, width: int):
        for name, value in (("lanes", lanes), ("a_width", a_width), ("width", width)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value!r}")
        self.lanes = lanes
        super().__init__({"valid": In(1), "first": In(1), "a": In(data.ArrayLayout(signed(a_width), lanes)),
                          "digits": In(data.ArrayLayout(Digits, lanes)), "ones": In(ones_width(lanes)),
                          "o": Out(signed(width))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        total = Signal.like(self.o, reset_less=True)
        rows = [(0, Cat(self.ones, Const(0, 1)).as_signed())]
        for lane in range(self.lanes):
            low, high = digit_rows(self.a[lane], self.digits[lane])
            rows += [(0, low), (2, high)]
        following = leaf("rows_accumulate")(m, rows, total, self.first)
        with m.If(self.valid):
            m.d.sync += total.eq(following)
        m.d.comb += self.o.eq(total)
        return m


def digit_rows(a: Value, digits: Any) -> tuple[Value, Value]:
    """a · d₀ and a · d₁ of a signed word, a bit wider, without the ones of complements."""
    once, twice = [*a, a[-1]], [Const(0, 1), *a]
    low = [(x & digits.one) | (xx & digits.two) | (~x & digits.minus) for x, xx in zip(once, twice, strict=True)]
    high = [((x & digits.high_one) | (xx & digits.high_two)) ^ digits.high_negative
            for x, xx in zip(once, twice, strict=True)]
    return Cat(low).as_signed(), Cat(high).as_signed()
