"""Several dot products in one multiplier each lane: products that share an activation, side by side in one wide one.

(w₁ · 2^k + w₀) · a = w₁ · a · 2^k + w₀ · a. The lower product, if negative, borrows one from the field above, and the
sign bit of its own field says so: adding that bit gives the upper product back exactly. In a sum over lanes the bits
are counted and added once. Where the multiplier has bits to spare, wider fields hold sums: packed products of several
lanes are then added as they are (so Xilinx WP486 does it for INT8).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.sum import levels
from gemmsmith.arith.tech.portable import balanced_sum, pair_sums, stage


def packed_width(*, field: int, width: int, count: int) -> int:
    """Bits of ``count`` signed words of ``width`` bits packed into fields of ``field``: one more than the highest field
    holds, if there are words below that borrow from it."""
    return (count - 1) * field + width + (count > 1)


def pack(words: Sequence[Value], field: int) -> Value:
    """Σ word_j · 2^(field · j) of signed words of one width; as wide as ``packed_width``."""
    total = balanced_sum([Cat(Const(0, field * j), word).as_signed() for j, word in enumerate(words)])
    return total[:packed_width(field=field, width=len(words[0]), count=len(words))].as_signed()


def split(packed: Value, field: int, count: int) -> list[tuple[Value, Value]]:
    """Fields of Σ word_j · 2^(field · j), lowest first, each with the bit that it lent the one below.

    word_j = field_j + bit_j, modulo 2^field, for all signed words of ``field`` bits but −2^(field − 1), which no
    product is. ``packed`` has field · count bits.
    """
    fields = [packed[field * j:field * (j + 1)].as_signed() for j in range(count)]
    return list(zip(fields, [Const(0, 1), *(lower[-1] for lower in fields[:-1])], strict=True))


def pipelined_sum(m: Module, terms: Sequence[Value], name: str) -> Value:
    """Sum of one term or more, registered behind each of its ``levels``: that keeps Yosys from merging the tree into
    one sum of many operands, made of LUTs."""
    while len(terms) > 1:
        terms = [stage(m, total, registered=True, name=f"{name}_{len(terms)}_{i}")
                 for i, total in enumerate(pair_sums(terms))]
    return terms[0]


class PackedDots(wiring.Component):
    """``count`` dot products Σ a_i · w_ji with the same activations, exact, of one multiplier a lane.

    Lanes are multiplied, added ``together`` at a time while packed, then each dot product for itself. Multipliers of
    FPGAs: 18 × 18 bits in ECP5, 27 × 18 in UltraScale+; ``packed_width`` and ``a_width`` must fit, or synthesis takes
    several.

    Latency 2 + levels(together) + levels(lanes / together) cycles, ``count`` dot products a cycle.

    Parameters
    ----------
    lanes: products per dot product, at least 1.
    a_width, w_width: bits of an operand, at least 1 and 2.
    count: dot products, at least 1.
    together: lanes that are added while packed, a divisor of ``lanes``; costs ``levels(together)`` bits a field.

    Members
    -------
    a: In(ArrayLayout(signed(a_width), lanes)).
    w: In(ArrayLayout(signed(packed_width), lanes)): ``pack`` of the weights, with ``field`` bits each: once for all
        multipliers that share them.
    o: Out(ArrayLayout(signed(a_width + w_width + levels(lanes)), count)).

    Raises
    ------
    ValueError if an argument is out of its range.
    """

    def __init__(self, *, lanes: int, a_width: int, w_width: int, count: int, together: int = 1):
        for name, value, least in (("lanes", lanes, 1), ("a_width", a_width, 1), ("w_width", w_width, 2),
                                   ("count", count, 1), ("together", together, 1)):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, not {value!r}")
        if lanes % together:
            raise ValueError(f"together must divide lanes = {lanes}, not {together!r}")
        self.lanes, self.count, self.together = lanes, count, together
        self.field = a_width + w_width + levels(together)
        self.packed_width = packed_width(field=self.field, width=w_width, count=count)
        super().__init__({"a": In(data.ArrayLayout(signed(a_width), lanes)),
                          "w": In(data.ArrayLayout(signed(self.packed_width), lanes)),
                          "o": Out(data.ArrayLayout(signed(a_width + w_width + levels(lanes)), count))})

    @property
    def latency(self) -> int:
        return 2 + levels(self.together) + levels(self.lanes // self.together)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        packed = self.field * self.count
        products = []
        for lane in range(self.lanes):
            product = (self.a[lane] * self.w[lane])[:packed].as_signed()
            products.append(stage(m, product, registered=True, name=f"product_{lane}"))
        sums = [pipelined_sum(m, products[k:k + self.together], f"packed_{k}")[:packed]
                for k in range(0, self.lanes, self.together)]
        words = [split(total, self.field, self.count) for total in sums]
        for j in range(self.count):
            fields = pipelined_sum(m, [word[j][0] for word in words], f"fields_{j}")
            lent = pipelined_sum(m, [word[j][1] for word in words], f"lent_{j}")
            dot = Signal.like(self.o[j], name=f"dot_{j}", reset_less=True)
            m.d.sync += dot.eq(fields + lent)
            m.d.comb += self.o[j].eq(dot)
        return m
