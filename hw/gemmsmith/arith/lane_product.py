"""Products of the lanes of two decoded words."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.posit_lanes import LANES, NIBBLE, SIGNIFICAND, UPPER, Chosen, Decoded
from gemmsmith.arith.sum import delay, used_above, used_stage
from gemmsmith.arith.tech import leaf

PART = 16
"""Bits of a lane's part of the window that products are shifted in."""
FULL = 2 * SIGNIFICAND
HALF = 12
"""Bits of the product of two Posit(8, 0)."""
MIDDLE = 2 * UPPER
"""Where the upper one begins in the array's sum."""
FP4_SUM = 3
"""Bits of the sum of two exponents of FP4."""
CUTS = {2: (0, UPPER - 1, SIGNIFICAND), 4: (0, 4, 8, 12, SIGNIFICAND)}
"""Number of sums in front of the array's register → where their rows begin, and end."""

PLACES = data.StructLayout({
    "distance": data.ArrayLayout(NIBBLE, LANES), "far": 2, "word": 2, "sign": LANES, "top": LANES})
"""Where products belong in a window of four parts of 16 bits. Lane n of four has part n, of two parts 2n and 2n + 1, a
single one all.

- ``distance``: how far a part is shifted left. ``far``: 16 places more, of the lower and of the upper half.
- ``word``: of the quire, in which the window then begins: only a Posit(16, 1) may have another than 0.
- ``sign``: of the number in this part. ``top``: with a product that is 0 here, the lane's is 2^16.
"""
LaneProduct = data.StructLayout({"low": FULL, "high": HALF, "places": PLACES})
"""Magnitudes. ``low``: what belongs at the window's bit 0, and at bit 16, of codes of 4 bits; ``high``: at bit 32, and,
its second nibble, of codes of 4 bits at bit 48."""


class LaneMultiplier(wiring.Component):
    """One product of a Posit(16, 1), two of Posit(8, 0), or four of 4 bits. Latency 2, one word a cycle.

    Two products of six bits fit between each other's bits in the array of 13 × 13 gated rows, where the rows of one
    leave out the other's factor. Codes of 4 bits have a table.

    Parameters
    ----------
    sums: 2 or 4: what the array's rows are added to, in front of the register. With 4 both stages are alike, and the
        clock is faster.

    Members
    -------
    formats: In(Chosen), held while words are under way. a, w: In(Decoded). o: Out(LaneProduct).
    first: In(1), with the first word in other formats: registers without use in these take zeros, and then rest.

    Raises
    ------
    ValueError for another number of sums.
    """

    latency = 2

    def __init__(self, *, sums: int = 2):
        if sums not in CUTS:
            raise ValueError(f"sums must be one of {', '.join(map(str, CUTS))}, not {sums!r}")
        self.sums = sums
        super().__init__({"formats": In(Chosen), "first": In(1), "a": In(Decoded), "w": In(Decoded),
                          "o": Out(LaneProduct)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        formats = self.formats
        following = self._exponents(formats)
        sums = used_stage(m, [
            part for lane in range(LANES)
            for part in used_above(FP4_SUM, following.word_select(lane, NIBBLE + 1), formats.posit)],
            first=self.first, name="sums")
        signs = delay(m, self.a.lanes.sign ^ self.w.lanes.sign, 1, name="signs", reset_less=True)
        small, large = self._small(m, formats, sums), self._large(m, formats)
        first = delay(m, self.first, 1, name="first", reset_less=True)
        low = Cat(large[:MIDDLE], large[MIDDLE:] & formats.posit16.replicate(HALF))
        high = large[MIDDLE:] & formats.posit8.replicate(HALF)
        m.d.comb += [
            self.o.low.eq(used_stage(m, [
                (None, low[:NIBBLE] | small[0]), (~formats.small, low[NIBBLE:PART]),
                (None, low[PART:PART + NIBBLE] | small[1]), (~formats.small, low[PART + NIBBLE:])],
                first=first, name="low")),
            self.o.high.eq(used_stage(m, [
                (None, high[:2 * NIBBLE] | Cat(small[2], small[3])), (~formats.small, high[2 * NIBBLE:])],
                first=first, name="high"))]
        self._places(m, formats, data.View(data.ArrayLayout(NIBBLE + 1, LANES), sums), signs, first)
        return m

    def _exponents(self, formats: Any) -> Value:
        """Sums of the lanes' exponents, five bits each. Of a Posit(16, 1) the lower nibble's carry goes on."""
        zero = Const(0, 1)
        weight = Cat(self.w.lanes.exponent[0], self.w.lanes.exponent[1][:2]) + self.w.lanes.plus
        fours = [weight[:NIBBLE], Mux(formats.posit16, weight[NIBBLE:6], self.w.lanes.exponent[1]),
                 *(self.w.lanes.exponent[lane] for lane in range(2, LANES))]
        a = [Cat(self.a.lanes.exponent[lane], formats.posit16 if lane == 0 else zero) for lane in range(LANES)]
        w = [Cat(four, zero) for four in fours]
        return (Cat(self.a.lanes.plus, *a) + Cat(self.a.lanes.plus, *w))[1:1 + (NIBBLE + 1) * LANES]

    def _small(self, m: Module, formats: Any, sums: Value) -> list[Value]:
        """Products of codes of 4 bits, a cycle later; 0 instead of 2^16."""
        products = []
        for lane in range(LANES):
            product = used_stage(m, [(formats.small, self.a.lanes.small[lane] * self.w.lanes.small[lane])],
                                 first=self.first, name=f"small_{lane}")
            beyond = sums[(NIBBLE + 1) * lane + NIBBLE] & formats.small
            products.append(product & ~beyond.replicate(NIBBLE))
        return products

    def _large(self, m: Module, formats: Any) -> Value:
        """The product of significands, or two of halves, a cycle later."""
        a, w, wide, one = self.a.significand, self.w.significand, formats.posit16, Const(1, 1)
        lower, upper = (one, wide), (wide, one)  # whether rows of either half have a's lower and upper bits
        sums = []
        for first, last in pairwise(CUTS[self.sums]):
            # The bit between the halves, 0 where they are two, goes with the upper one.
            rows = []
            for k in range(first, last - 1, 2):
                parts = lower if k < UPPER - 1 else upper
                rows.append((k - first, as_row(leaf("gated_parts")(m, a, w[k:k + 2], UPPER, *parts))))
            if (last - first) % 2:
                gated = a & Cat(wide.replicate(UPPER), one.replicate(SIGNIFICAND - UPPER))
                rows.append((last - first - 1, as_row(gated & w[last - 1].replicate(SIGNIFICAND))))
            total = leaf("sum_rows")(m, rows, SIGNIFICAND + last - first)
            kept = used_stage(m, [(~formats.small, total)], first=self.first, name=f"rows_{first}")
            sums.append((first, as_row(kept)))
        return leaf("sum_rows")(m, sums, FULL)

    def _places(self, m: Module, formats: Any, sums: Any, signs: Value, first: Value) -> None:
        wide, halves, small = formats.posit16, formats.posit8, formats.small
        own = [sums[lane][:NIBBLE] for lane in range(LANES)]
        carry = [sums[lane][NIBBLE] for lane in range(LANES)]
        upper = Mux(wide, own[0], own[2])
        distances = [own[0], Mux(small, own[1], own[0]), upper, Mux(small, own[3], upper)]
        far = Cat(Mux(wide, own[1][0], halves & carry[0]), Mux(wide, own[1][0], halves & carry[2]))
        sign = Cat(Mux(small, signs[0], Mux(wide, signs[3], signs[1])), Mux(wide, signs[3], signs[1]),
                   Mux(small, signs[2], signs[3]), signs[3])
        m.d.comb += self.o.places.eq(used_stage(m, [
            *(part for distance in distances for part in used_above(FP4_SUM, distance, formats.posit)),
            (~small, Cat(far, own[1][1:3] & wide.replicate(2))), (None, sign),
            (small & formats.posit, Cat(small & carry[lane] for lane in range(LANES)))], first=first, name="places"))


def as_row(value: Value) -> Value:
    """An unsigned value as a row of ``sum_rows``."""
    return Cat(value, Const(0, 1)).as_signed()
