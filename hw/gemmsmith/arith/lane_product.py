"""Products of the lanes of two decoded words."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.posit_lanes import LANES, NIBBLE, SIGNIFICAND, UPPER, Chosen, Decoded
from gemmsmith.arith.tech import leaf
from gemmsmith.arith.tech.portable import stage

PART = 16
"""Bits of a lane's part of the window that products are shifted in."""
FULL = 2 * SIGNIFICAND
HALF = 12
"""Bits of the product of two Posit(8, 0)."""
MIDDLE = 2 * UPPER
"""Where the upper one begins in the array's sum."""
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

    Raises
    ------
    ValueError for another number of sums.
    """

    latency = 2

    def __init__(self, *, sums: int = 2):
        if sums not in CUTS:
            raise ValueError(f"sums must be one of {', '.join(map(str, CUTS))}, not {sums!r}")
        self.sums = sums
        super().__init__({"formats": In(Chosen), "a": In(Decoded), "w": In(Decoded), "o": Out(LaneProduct)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        formats = self.formats
        sums, signs = Signal((NIBBLE + 1) * LANES, reset_less=True), Signal(LANES, reset_less=True)
        m.d.sync += [sums.eq(self._exponents(formats)), signs.eq(self.a.lanes.sign ^ self.w.lanes.sign)]
        small, large = self._small(m, formats, sums), self._large(m, formats)
        low, high = Signal(FULL, reset_less=True), Signal(HALF, reset_less=True)
        m.d.sync += [low.eq(Cat(large[:MIDDLE], large[MIDDLE:] & formats.posit16.replicate(HALF))
                            | Cat(small[0], Const(0, PART - NIBBLE), small[1])),
                     high.eq((large[MIDDLE:] & formats.posit8.replicate(HALF)) | Cat(small[2], small[3]))]
        m.d.comb += [self.o.low.eq(low), self.o.high.eq(high)]
        self._places(m, formats, data.View(data.ArrayLayout(NIBBLE + 1, LANES), sums), signs)
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
            product = Signal(NIBBLE, name=f"small_{lane}", reset_less=True)
            m.d.sync += product.eq(self.a.lanes.small[lane] * self.w.lanes.small[lane])
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
                kept = a & Cat(wide.replicate(UPPER), one.replicate(SIGNIFICAND - UPPER))
                rows.append((last - first - 1, as_row(kept & w[last - 1].replicate(SIGNIFICAND))))
            total = leaf("sum_rows")(m, rows, SIGNIFICAND + last - first)
            sums.append((first, as_row(stage(m, total, registered=True, name=f"rows_{first}"))))
        return leaf("sum_rows")(m, sums, FULL)

    def _places(self, m: Module, formats: Any, sums: Any, signs: Value) -> None:
        wide, halves, small = formats.posit16, formats.posit8, formats.small
        own = [sums[lane][:NIBBLE] for lane in range(LANES)]
        carry = [sums[lane][NIBBLE] for lane in range(LANES)]
        upper = Mux(wide, own[0], own[2])
        distances = [own[0], Mux(small, own[1], own[0]), upper, Mux(small, own[3], upper)]
        places = Signal(PLACES, reset_less=True)
        m.d.sync += [
            places.distance.eq(Cat(distances)),
            places.far.eq(Cat(Mux(wide, own[1][0], halves & carry[0]), Mux(wide, own[1][0], halves & carry[2]))),
            places.word.eq(own[1][1:3] & wide.replicate(2)),
            places.sign.eq(Cat(Mux(small, signs[0], Mux(wide, signs[3], signs[1])),
                               Mux(wide, signs[3], signs[1]), Mux(small, signs[2], signs[3]), signs[3])),
            places.top.eq(Cat(small & carry[lane] for lane in range(LANES)))]
        m.d.comb += self.o.places.eq(places)


def as_row(value: Value) -> Value:
    """An unsigned value as a row of ``sum_rows``."""
    return Cat(value, Const(0, 1)).as_signed()
