"""Integer dot products of operands of 8, 4 or 2 bits on bricks of 2 × 2 bits that fuse at run time.

Sixteen bricks are a fusion unit. Brick n = i + 4 · j multiplies slice i (two bits) of an activation by slice j of a
weight, if both have four slices; of operands with fewer, the bits of i and j that are left over tell products apart.
Bricks of the same place in all units are summed first, and shifted by their slices' weights thereafter: once for all
units.

Two's complement without sign bits in the bricks: a slice that is not the highest of its activation, 0 … 3, is taken as
−2 … 1, as all others are. What is missing, 2 · Σ 4^i for each activation times its weight, depends on the weights
alone: it is computed where weights enter, once for all dot products with the same weights. Slices of weights differ in
the sign of their high bit, which is that of a whole sum.
"""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.sum import GatedSum, levels
from gemmsmith.arith.tech import leaf
from gemmsmith.arith.tech.portable import gated, stage, weigh

BRICKS = 16
SLICE = 2
"""Bits of a slice."""
WORD = BRICKS * SLICE
"""Bits of a unit's operand."""
LEVELS = (("a4", 2), ("w4", 2), ("a8", 4), ("w8", 4))
"""What fuses two bricks, then two pairs, and so on; and the places that the upper one weighs more if it does."""
BIT = {"a4": 1, "a8": 2, "w4": 4, "w8": 8}
"""Bit of a brick's number by which the two differ."""

Fusion = data.StructLayout({"a4": 1, "a8": 1, "w4": 1, "w8": 1})
"""Whether activations, and weights, have 4 bits or more, and 8 bits. ``a`` never has fewer than ``w``."""


def slices(brick: int, a: int, w: int) -> tuple[int, int]:
    """Slices of the unit's words of ``a``-bit activations and ``w``-bit weights that a brick multiplies.

    A word holds 64 / (a · w) operands, the first one lowest.
    """
    inside = {"a4": a >= 4, "a8": a == 8, "w4": w >= 4, "w8": w == 8}
    free = [bit for name, bit in BIT.items() if not inside[name]]
    product = sum((brick & bit > 0) << n for n, bit in enumerate(free))
    i, j = brick % 4 % (a // 2), brick // 4 % (w // 2)
    return product * (a // 2) + i, product * (w // 2) + j


class FusedDot(wiring.Component):
    """Σ d · w over the bricks of ``units`` fusion units, fused as ``fusion`` says; one beat a cycle.

    Parameters
    ----------
    units: at least 1.
    pipelined: registers behind every level of the trees; else behind the sums of the bricks, which trees of rows make,
        and at the output.

    Members
    -------
    fusion: In(Fusion), constant while a beat is inside.
    a: In(ArrayLayout(signed(2), 16 · units)): slices d of activations, −2 … 1, brick n of unit u at 16 · u + n.
    w: In(ArrayLayout(2, 16 · units)): slices of weights, in two's complement if highest of their weight.
    o: Out(signed(width)): the sum modulo 2^width; holds the exact dot product of ``a`` and ``w``.

    Raises
    ------
    ValueError if ``units`` is below 1.
    """

    def __init__(self, *, units: int, pipelined: bool = True):
        if units < 1:
            raise ValueError(f"units must be at least 1, not {units!r}")
        self.units = units
        self.pipelined = pipelined
        self.width = dot_width(units)
        super().__init__({"fusion": In(Fusion), "a": In(data.ArrayLayout(signed(SLICE), BRICKS * units)),
                          "w": In(data.ArrayLayout(SLICE, BRICKS * units)), "o": Out(signed(self.width))})

    @property
    def latency(self) -> int:
        return dot_latency(self.units, self.pipelined)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        nodes = {brick: self._brick(m, brick) for brick in range(BRICKS)}
        most = 6 * self.units  # −2 · 3 of each unit
        for name, shift in LEVELS:
            most *= 1 + (1 << shift)
            width = min(self.width, 1 + (most - 1).bit_length())
            bit = BIT[name]
            fused = {}
            for n, low in nodes.items():
                if n & bit:
                    continue
                total = leaf("fused_sum")(m, low, nodes[n | bit], self.fusion[name], shift, width)
                fused[n] = stage(m, total, registered=self.pipelined or len(nodes) == 2, name=f"fused_{name}_{n}")
            nodes = fused
        m.d.comb += self.o.eq(nodes[0])
        return m

    def _brick(self, m: Module, brick: int) -> Signal:
        """The sum of this brick's products of all units."""
        places = [BRICKS * u + brick for u in range(self.units)]
        words = [self.a[n] for n in places]
        low, high = (self._plane(m, f"plane_{brick}_{b}", words, [self.w[n][b] for n in places]) for b in range(SLICE))
        total = weigh(m, low, high, highest(brick // 4, self.fusion.w4, self.fusion.w8))
        node = Signal(signed(1 + (6 * self.units - 1).bit_length()), name=f"brick_{brick}", reset_less=True)
        m.d.sync += node.eq(total)
        return node

    def _plane(self, m: Module, name: str, words: list[Value], gates: list[Value]) -> Value:
        """The sum of the words whose gate is set."""
        if not self.pipelined:
            rows = [(0, gated(word, gate)) for word, gate in zip(words, gates, strict=True)]
            return leaf("sum_rows")(m, rows, SLICE + levels(self.units)).as_signed()
        m.submodules[name] = plane = GatedSum(count=self.units, width=SLICE)
        m.d.comb += [plane.words.eq(Cat(words)), plane.gates.eq(Cat(gates))]
        return plane.o


def highest(index: int, four: Value, eight: Value) -> Value:
    """Whether a brick's slice ``index`` is the highest of its operand, of 2 bits unless ``four`` or ``eight``."""
    return (~four, ~eight, ~four, Const(1))[index]


def dot_width(units: int) -> int:
    """Bits of a dot product: 128 · 128 of each unit at most."""
    return 2 + (units << 14).bit_length() - 1


def dot_latency(units: int, pipelined: bool) -> int:
    """Cycles that ``FusedDot`` takes."""
    return levels(units) + 1 + len(LEVELS) if pipelined else 2


class WeightShare(wiring.Component):
    """What ``FusedDot`` misses: Σ w · c, c = 0, 2 or 42 for activations of 2, 4 or 8 bits.

    A word at ``w`` is in ``o`` ``latency`` cycles later, one a cycle: one cycle behind ``FusedDot``.

    Parameters
    ----------
    units, pipelined: as of ``FusedDot``.

    Members
    -------
    fusion: In(Fusion). w: In(ArrayLayout(2, 16 · units)): slices as they lie in the word, unit u from 16 · u; the upper
        eight of a unit are looked at by no activations of more than 2 bits.
    o: Out(signed(width)), width = dot_width(units).
    """

    def __init__(self, *, units: int, pipelined: bool = True):
        self.units = units
        self.pipelined = pipelined
        self.width = dot_width(units)
        super().__init__({"fusion": In(Fusion), "w": In(data.ArrayLayout(SLICE, BRICKS * units)),
                          "o": Out(signed(self.width))})

    @property
    def latency(self) -> int:
        return dot_latency(self.units, self.pipelined) + 1

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        nodes = [self._slice(m, index) for index in range(BRICKS // 2)]
        if not self.pipelined:
            nodes = [stage(m, node, registered=True, name="slices") for node in nodes]
        for fused, shift in ((self.fusion.w4, 2), (self.fusion.w8, 4), (Const(0), 0)):
            pairs = zip(nodes[::2], nodes[1::2], strict=True)
            width = len(nodes[0]) + shift + 1
            nodes = [self._registered(m, leaf("fused_sum")(m, low, high, fused, shift, width))
                     for low, high in pairs]
        (total,) = nodes if self.pipelined else [stage(m, nodes[0], registered=True, name="total")]
        five = self._registered(m, total + (total << 2))
        late = self._registered(m, total)
        whole = self._registered(m, five + (late << 4))
        single = self._registered(m, late)
        doubled = Mux(self.fusion.a8, whole, single) << 1
        m.d.sync += self.o.eq(Mux(self.fusion.a4, doubled, 0))
        return m

    def _slice(self, m: Module, index: int) -> Value:
        """The sum of the slices at ``index`` of all units."""
        sign = highest(index % 4, self.fusion.w4, self.fusion.w8)
        words = [Value.cast(self.w[BRICKS * u + index]) for u in range(self.units)]
        m.submodules[f"slice_{index}"] = total = GatedSum(
            count=self.units, width=SLICE + 1, cuts=None if self.pipelined else ())
        m.d.comb += [total.words.eq(Cat(Cat(word, word[1] & sign) for word in words)), total.gates.eq(-1)]
        return total.o

    def _registered(self, m: Module, value: Value) -> Signal:
        return stage(m, value, registered=self.pipelined, name="total")
