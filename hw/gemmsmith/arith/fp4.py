"""E2M1 codes as integers, and dot products of them."""

from __future__ import annotations

from itertools import product
from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.dot import TernaryDot
from gemmsmith.arith.sum import levels
from gemmsmith.arith.tech.portable import stage

HALVES = (0, 1, 2, 3, 4, 6, 8, 12)
"""Twice the magnitudes of E2M1."""
INTEGER = 5
"""Bits of twice a value, in two's complement."""


VALUES = (*HALVES, *(-half for half in HALVES))
"""Twice the values of codes 0 … 15."""
WEIGHTS = (1, 3, 8)
"""What ternary digits count: three of them make every one of ``VALUES``, as five bits in two's complement do."""
DIGITS_WIDTH = 2 * len(WEIGHTS)
LACKING_WIDTH = 5
"""Bits of what ``Fp4Dot`` lacks for one weight, 0 … 12, with a sign."""

Digits = tuple[int, ...]


def _value(digits: Digits) -> int:
    return sum(t * weight for t, weight in zip(digits, WEIGHTS, strict=True))


def _lacking(digits: Digits) -> int:
    return sum(weight for t, weight in zip(digits, WEIGHTS, strict=True) if t < 0)


def _digits(number: int) -> Digits:
    """Those of a number; of several, the ones that lack least."""
    every = product((0, 1, -1), repeat=len(WEIGHTS))
    return min((digits for digits in every if _value(digits) == number), key=_lacking)


def fp4_integer(code: Value) -> Value:
    """Twice the value of an E2M1 code, five bits in two's complement."""
    return Array(Const(value, signed(INTEGER)) for value in VALUES)[code].as_unsigned()


def fp4_digits(code: Value) -> Value:
    """The digits of twice the value of an E2M1 code, each as ``TernaryDot`` takes it."""
    return Array(Const(sum((t & 3) << 2 * n for n, t in enumerate(_digits(value))), DIGITS_WIDTH)
                 for value in VALUES)[code]


def fp4_lacking(code: Value) -> Value:
    """What ``Fp4Dot`` lacks for a weight of this code."""
    return Array(Const(_lacking(_digits(value)), LACKING_WIDTH) for value in VALUES)[code]


def dot_latency(lanes: int) -> int:
    """Latency of an ``Fp4Dot``."""
    return levels(lanes) + 3


class Fp4Dot(wiring.Component):
    """Dot product Σ a_i · w_i of twice the values of E2M1 codes, less what ``fp4_lacking`` says of the weights.

    Weights come as ternary digits that count 1, 3 and 8, a plane each: three instead of the five of two's complement,
    each of which is dearer, since its words are complemented as well as gated.

    Latency ``levels(lanes) + 3`` cycles, one dot product a cycle.

    Parameters
    ----------
    lanes: products per dot product, at least 1.

    Members
    -------
    a: In(ArrayLayout(signed(5), lanes)). w: In(ArrayLayout(6, lanes)), as ``fp4_digits`` gives them.
    o: Out(signed(9 + levels(lanes))).

    Raises
    ------
    ValueError if ``lanes`` is below 1.
    """

    def __init__(self, *, lanes: int):
        if lanes < 1:
            raise ValueError(f"lanes must be at least 1, not {lanes!r}")
        self.lanes = lanes
        super().__init__({"a": In(data.ArrayLayout(signed(INTEGER), lanes)),
                          "w": In(data.ArrayLayout(DIGITS_WIDTH, lanes)),
                          "o": Out(signed(9 + levels(lanes)))})

    @property
    def latency(self) -> int:
        return dot_latency(self.lanes)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        ones, threes, eights = (self._plane(m, n) for n in range(len(WEIGHTS)))
        # s + 3t + 8u = (s + t) + 2 · (t + 4u); what is below the place of a sum passes by its adder.
        low = stage(m, ones + threes, registered=True, name="low")
        high = stage(m, Cat(threes[:2], (threes >> 2) + eights).as_signed(), registered=True, name="high")
        m.d.comb += self.o.eq(stage(m, Cat(low[0], (low >> 1) + high).as_signed(), registered=True, name="total"))
        return m

    def _plane(self, m: Module, n: int) -> Value:
        """Sum of the activations times digit ``n`` of the weights."""
        m.submodules[f"plane_{n}"] = plane = TernaryDot(lanes=self.lanes, a_width=INTEGER)
        m.d.comb += plane.a.eq(self.a)
        m.d.comb += [plane.w[lane].eq(self.w[lane].word_select(n, 2)) for lane in range(self.lanes)]
        return plane.o
