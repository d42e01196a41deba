"""FP16 codes to mantissas with a shared exponent: the arithmetic of the compressor."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.round import FP16
from gemmsmith.formats import AndaFormat

CODE_WIDTH, SIGNIFICAND_WIDTH = FP16.width, FP16.precision
EXPONENT_WIDTH = AndaFormat.EXPONENT_WIDTH
LARGEST = Const(0x7BFF, 15)
"""The largest finite FP16, 65504, without its sign."""


def not_finite(code: Value) -> Value:
    """Whether an FP16 code is an infinity or a NaN."""
    return code[10:15].all()


def saturated(code: Value) -> Value:
    """``code``, or the largest finite FP16 of its sign if it is an infinity or a NaN."""
    return Cat(Mux(not_finite(code), LARGEST, code[:15]), code[15])


def effective_exponent(code: Value) -> Value:
    """Exponent field of a finite code, at least 1."""
    field = code[10:15]
    return Cat(field[0] | ~field.any(), field[1:])


def larger(a: Value, b: Value) -> Value:
    """The larger of two unsigned numbers."""
    return Mux(a > b, a, b)


def aligned_layout(planes: int) -> data.StructLayout:
    """A shifted significand: the mantissa's ``planes`` bits, one more below them, and whether any lower one was set."""
    return data.StructLayout({"word": planes + 1, "sticky": 1, "sign": 1})


def cut_layout(planes: int) -> data.StructLayout:
    """Where mantissas end, as masks over the ``word`` of ``aligned_layout``: what lies behind the mantissa, its last
    bit, and (only if it is to be rounded) the first bit behind it."""
    return data.StructLayout({"behind": planes + 1, "last": planes + 1, "half": planes + 1})


def cut_masks(cut: data.View, m: Value, nearest: Value) -> list[Any]:
    """Statements that set ``cut`` (of ``cut_layout``) for mantissas of ``m`` bits."""
    planes = len(cut.behind) - 1
    ends = [m == planes - bit for bit in range(planes)]  # the mantissa ends above this bit
    behind = [m <= planes - bit for bit in range(1, planes + 1)]
    return [cut.behind.eq(Cat(Const(1, 1), *behind)), cut.last.eq(Cat(Const(0, 1), *ends)),
            cut.half.eq(Cat(*ends, Const(0, 1)) & nearest.replicate(planes + 1))]


class Shifter(wiring.Component):
    """Shifts a finite FP16 code's significand right by the distance to a shared exponent; combinational.

    Members
    -------
    code: In(16), finite. shared: In(5), at least the code's effective exponent.
    o: Out(aligned_layout(planes)): the significand's hidden one, unshifted, is the highest bit of ``word``.
    """

    def __init__(self, *, planes: int):
        self._planes = planes
        super().__init__({"code": In(CODE_WIDTH), "shared": In(EXPONENT_WIDTH), "o": Out(aligned_layout(planes))})

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self._planes,)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        distance = Signal(EXPONENT_WIDTH)
        m.d.comb += distance.eq(self.shared - effective_exponent(self.code))
        significand = Cat(self.code[:10], self.code[10:15].any())
        width = max(self._planes + 1, SIGNIFICAND_WIDTH)
        word = Cat(Const(0, width - SIGNIFICAND_WIDTH), significand)
        sticky = Const(0, 1)
        for bit in reversed(range(EXPONENT_WIDTH)):
            by = min(1 << bit, width)
            shifted = Signal(width, name=f"by_{1 << bit}")
            m.d.comb += shifted.eq(Mux(distance[bit], word[by:], word))
            sticky, word = sticky | (distance[bit] & word[:by].any()), shifted
        below = width - (self._planes + 1)
        m.d.comb += [self.o.word.eq(word[below:]), self.o.sticky.eq(sticky | word[:below].any()),
                     self.o.sign.eq(self.code[15])]
        return m


class Rounder(wiring.Component):
    """Cuts a shifted significand to a mantissa; combinational.

    To nearest: half a unit is added, which rounds ties up; where it was a tie, the last bit is cleared, which makes it
    even. What carries out becomes all ones.

    Members
    -------
    i: In(aligned_layout(planes)). cut: In(cut_layout(planes)), from ``cut_masks``.
    mantissa: Out(planes): its highest bit is the first plane; bits behind the mantissa are undefined.
    """

    def __init__(self, *, planes: int):
        self._planes = planes
        super().__init__({"i": In(aligned_layout(planes)), "cut": In(cut_layout(planes)), "mantissa": Out(planes)})

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self._planes,)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        width = self._planes + 1
        total = Signal(width + 1)
        tie = Signal()
        even = total[:width] & ~(self.cut.last & tie.replicate(width))
        m.d.comb += [
            total.eq(self.i.word + self.cut.half),
            # Without rounding ``half`` is 0: the last bit may be cleared only where nothing lies behind it.
            tie.eq(self.cut.half.any() & ((self.i.word & self.cut.behind) == self.cut.half) & ~self.i.sticky),
            self.mantissa.eq((even | total[width].replicate(width))[1:]),
        ]
        return m
