"""Where the products of a word belong among the words of a quire."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.lane_product import FULL, HALF, PART, LaneProduct
from gemmsmith.arith.posit_lanes import LANES, NIBBLE, Chosen
from gemmsmith.arith.sum import used_stage

WORD = 2 * PART
"""Bits of a word of the quire."""
WORDS = 4

PART_OF = (1, 2, 0, 3)
"""Of the window, that holds the code of 4 bits whose sum is in this word: those that the word takes anyway, but one."""

Addends = data.StructLayout({"words": data.ArrayLayout(WORD, WORDS), "signs": WORDS})
"""What products add to the words of a quire. ``signs``: to be added, too, to the lowest word of each segment: negative
numbers are complements."""


class LaneWindow(wiring.Component):
    """Shifts products to their places. Latency 1, one word's a cycle.

    Members
    -------
    formats: In(Chosen), held while words are under way. i: In(LaneProduct). first: In(1): see ``LaneMultiplier``.
    o: Out(Addends): words of a Posit(16, 1) are one segment, of Posit(8, 0) words 0, 1 and 2, 3, of codes of 4 bits
        each one, of the lanes 1, 2, 0, 3.
    """

    latency = 1

    def __init__(self) -> None:
        super().__init__({"formats": In(Chosen), "first": In(1), "i": In(LaneProduct), "o": Out(Addends)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        formats = self.formats
        window = Signal(PART * LANES, reset_less=True)
        own = Signal(WORDS, reset_less=True)
        sign = self.i.places.sign
        following = Cat(Mux(formats.small, sign[small], sign[large])
                        for small, large in zip(PART_OF, (1, 1, 3, 3), strict=True))
        m.d.sync += [window.eq(self._shifted(m, formats)), own.eq(following)]
        # The choice for low halves is constant where words have a number each.
        choice = used_stage(m, [(~formats.small if half % 2 == 0 else None, pair) for half, pair in enumerate(
            _choice(formats, self.i.places.word, following))], first=self.first, name="choice")
        top = used_stage(m, [(formats.small & formats.posit, Cat(self.i.places.top[part] for part in PART_OF))],
                         first=self.first, name="top")
        addends = _addends(m, formats, window, data.View(data.ArrayLayout(2, 2 * WORDS), choice), top)
        m.d.comb += [self.o.words.eq(Cat(addends)), self.o.signs.eq(own)]
        return m

    def _shifted(self, m: Module, formats: Any) -> Value:
        """The window, each part with its own distance, complemented if negative.

        No product reaches the next lane's part; only the last step would take one there.
        """
        places = self.i.places
        window: Value = self._window(m, formats)
        for k in range(NIBBLE):
            moved = Cat(Const(0, 1 << k), window)
            following = Signal(PART * LANES, name=f"left_{1 << k}")
            m.d.comb += following.eq(Cat(
                Mux(places.distance[part][k], moved[bits], window[bits])
                for part in range(LANES) for bits in [slice(PART * part, PART * (part + 1))]))
            window = following
        parts = [window[PART * part:PART * (part + 1)] for part in range(LANES)]
        low, high = places.far
        crossing = parts[1] & formats.posit16.replicate(PART)
        far = [Mux(low, 0, parts[0]), Mux(low, parts[0], parts[1]), Mux(high, crossing, parts[2]),
               Mux(high, parts[2], parts[3])]
        return Cat(part ^ places.sign[k].replicate(PART) for k, part in enumerate(far))

    def _window(self, m: Module, formats: Any) -> Value:
        """The products at their lanes' places."""
        window = Signal(PART * LANES)
        low, high, small = self.i.low, self.i.high, formats.small.replicate(NIBBLE)
        m.d.comb += window.eq(Cat(low, Const(0, 2 * PART - FULL), high[:NIBBLE], high[NIBBLE:2 * NIBBLE] & ~small,
                                  high[2 * NIBBLE:], Const(0, PART - HALF), high[NIBBLE:2 * NIBBLE] & small))
        return window


def _choice(formats: Any, word: Value, own: Value) -> list[Value]:
    """What half words add: 1 or 2 for the parts of the window that ``_addends`` knows; or, 0 or 3, copies of the
    ``own`` number's sign."""
    wide, halves, small = formats.posit16, formats.posit8, formats.small
    at = [wide & (word == k) for k in range(WORDS)]
    none = Const(0, 1)
    conditions = (
        (at[0] | halves, small), (at[0] | halves, none),
        (at[1], at[0] | small), (at[1], at[0]),
        (at[2] | small, at[1] | halves), (at[2], at[1] | halves),
        (at[3], at[2] | small), (at[3], at[2]))
    return [Cat(one | fill, two | fill) for half, (one, two) in enumerate(conditions)
            for fill in [~(one | two) & own[half // 2]]]


def _addends(m: Module, formats: Any, window: Value, choice: Any, top: Value) -> list[Value]:
    """What each word adds: halves of the window, or a sign's copies."""
    parts = [window[PART * k:PART * (k + 1)] for k in range(LANES)]
    last = Mux(formats.small, parts[3], parts[2])
    sources = ((0, 1), (1, 1), (0, 2), (1, 3), (0, 2), (1, 3), (0, None), (1, 3))
    halves = []
    for half, (one, two) in enumerate(sources):
        chosen, control = Signal(PART, name=f"half_{half}"), choice[half]
        other = last if two is None else parts[two]
        m.d.comb += chosen.eq(Cat(Mux(control[0], a | control[1], b & control[1])
                                  for a, b in zip(parts[one], other, strict=True)))
        halves.append(chosen)
    return [Cat(low, high[0] ^ top[k], high[1:])
            for k, (low, high) in enumerate(zip(halves[::2], halves[1::2], strict=True))]
