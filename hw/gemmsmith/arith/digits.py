"""Dot products by signed radix-4 digits of the weights: half as many rows to add as with bit planes.

A weight is Σ 4^k · d_k, its last digit in −2 … 2, the others in −1 … 2. A digit chooses 0, a or 2a of an activation, or
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

Low = data.StructLayout({"one": 1, "two": 1, "minus": 1})
"""A digit but the last: it is 1, 2 or −1, else 0."""
TOPS = {"full": ("one", "two", "negative"), "ternary": ("one", "negative"), "bit": ("one",)}
"""What the last digit is made of: its magnitude is 1 or 2, else 0; it is taken as negative (a zero may be, too:
~0 + 1 = 0). A single digit may have fewer values: −1, 0, 1 in two's complement, or a bit, 0 and 1."""


class DigitLayout(data.StructLayout):
    """Digits of a weight, the least significant first.

    Parameters
    ----------
    width: bits of a weight in two's complement, an even number; or 1, a bit.
    ternary: a weight of two bits is never −2.

    Raises
    ------
    ValueError for another width.
    """

    def __init__(self, width: int, *, ternary: bool = False):
        if width != 1 and (width < 2 or width % 2):
            raise ValueError(f"width must be 1 or even, not {width!r}")
        if ternary and width != 2:
            raise ValueError(f"width of ternary weights must be 2, not {width!r}")
        self.weight_width = width
        self.lows = (width - 1) // 2
        self.top = "ternary" if ternary else "full" if width > 1 else "bit"
        super().__init__({"low": data.ArrayLayout(Low, self.lows),
                          "high": data.StructLayout(dict.fromkeys(TOPS[self.top], 1))})

    def ones_width(self, lanes: int) -> int:
        """Bits of the count of ones that complete the complements of ``lanes`` weights; 0 if there are none."""
        return 0 if self.top == "bit" else (sum(4**k for k in range(self.lows + 1)) * lanes).bit_length()


class DigitRecoder(wiring.Component):
    """Weights → digits and the count of the ones that complete their complements. Combinational.

    Parameters
    ----------
    lanes: weights, at least 1. layout: their digits.

    Members
    -------
    w: In(ArrayLayout(layout.weight_width, lanes)), two's complement or bits.
    digits: Out(ArrayLayout(layout, lanes)).
    ones: Out(layout.ones_width(lanes)).

    Raises
    ------
    ValueError if ``lanes`` is below 1.
    """

    def __init__(self, *, lanes: int, layout: DigitLayout):
        if lanes < 1:
            raise ValueError(f"lanes must be at least 1, not {lanes!r}")
        self.lanes = lanes
        self.layout = layout
        super().__init__({"w": In(data.ArrayLayout(layout.weight_width, lanes)),
                          "digits": Out(data.ArrayLayout(layout, lanes)), "ones": Out(layout.ones_width(lanes))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        for lane in range(self.lanes):
            self._recode(m, Value.cast(self.w[lane]), self.digits[lane])
        if len(self.ones):
            counts = [balanced_sum([self.digits[lane].low[k].minus for lane in range(self.lanes)]) << 2 * k
                      for k in range(self.layout.lows)]
            counts.append(balanced_sum([self.digits[lane].high.negative for lane in range(self.lanes)])
                          << 2 * self.layout.lows)
            m.d.comb += self.ones.eq(balanced_sum(counts))
        return m

    def _recode(self, m: Module, w: Value, digits: Any) -> None:
        carry: Value = Const(0, 1)
        for k in range(self.layout.lows):
            low, high = w[2 * k], w[2 * k + 1]
            m.d.comb += [
                digits.low[k].one.eq((low ^ carry) & ~high),
                digits.low[k].two.eq((low == carry) & (low ^ high)),
                digits.low[k].minus.eq((low ^ carry) & high),  # 3 = −1 + 4
            ]
            carry = high & (low | carry)
        top, low, high = digits.high, w[2 * self.layout.lows], w[-1]
        m.d.comb += top.one.eq(low ^ carry)
        if self.layout.top == "full":
            m.d.comb += top.two.eq((low == carry) & (high != carry))
        if self.layout.top != "bit":
            m.d.comb += top.negative.eq(high)


class DigitAccumulator(wiring.Component):
    """Σ of the dot products Σ a_i · w_i of beats, exact: one beat a cycle, no register but the accumulator's.

    A beat at the input with ``valid`` is in ``o`` a cycle later; ``o`` holds until the next one.

    Parameters
    ----------
    lanes: products per beat, at least 1. a_width: bits of an activation, at least 1. layout: digits of a weight.
    width: bits of the sum, at least 1.

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

    def __init__(self, *, lanes: int, a_width: int, layout: DigitLayout, width: int):
        for name, value in (("lanes", lanes), ("a_width", a_width), ("width", width)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value!r}")
        self.lanes = lanes
        super().__init__({"valid": In(1), "first": In(1), "a": In(data.ArrayLayout(signed(a_width), lanes)),
                          "digits": In(data.ArrayLayout(layout, lanes)), "ones": In(layout.ones_width(lanes)),
                          "o": Out(signed(width))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        total = Signal.like(self.o, reset_less=True)
        rows = [(0, Cat(self.ones, Const(0, 1)).as_signed())] if len(self.ones) else []
        for lane in range(self.lanes):
            rows += digit_rows(self.a[lane], self.digits[lane])
        following = leaf("rows_accumulate")(m, rows, total, self.first)
        with m.If(self.valid):
            m.d.sync += total.eq(following)
        m.d.comb += self.o.eq(total)
        return m


def digit_rows(a: Value, digits: Any) -> list[tuple[int, Value]]:
    """a · d_k of a signed word, without the ones of complements: (2k, row), as ``sum_rows`` takes them."""
    layout = digits.shape()
    once, twice = [*a, a[-1]], [Const(0, 1), *a]
    rows = []
    for k in range(layout.lows):
        d = digits.low[k]
        bits = [(x & d.one) | (xx & d.two) | (~x & d.minus) for x, xx in zip(once, twice, strict=True)]
        rows.append((2 * k, Cat(bits).as_signed()))
    top = digits.high
    if layout.top == "full":
        bits = [((x & top.one) | (xx & top.two)) ^ top.negative for x, xx in zip(once, twice, strict=True)]
    elif layout.top == "ternary":
        bits = [(x & top.one) ^ top.negative for x in a]
    else:
        bits = [x & top.one for x in a]
    return [*rows, (2 * layout.lows, Cat(bits).as_signed())]
