"""FP4 dot-product unit: codes become integers at the array's edges, which cores multiply and add exactly."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value, signed

from gemmsmith.arith.fp4 import (
    DIGITS_WIDTH,
    INTEGER,
    LACKING_WIDTH,
    Fp4Dot,
    dot_latency,
    fp4_digits,
    fp4_integer,
    fp4_lacking,
)
from gemmsmith.arith.sum import delay
from gemmsmith.arith.tech import leaf
from gemmsmith.pe.base import Core, Edge
from gemmsmith.pe.integer import STRUCTURES, IntegerDot, IntegerEdge, IntegerElement
from gemmsmith.pe.rowscaled import RowScaledElement
from gemmsmith.schemes import Axis, Cadence, Fp4, Operand

CODE = 4
"""Bits of a code."""
FP4_SUM = 26
"""Bits of a sum in quarters: 4 · 36 · K is below 2²⁵."""


class Fp4Element(IntegerElement, RowScaledElement):
    """``lanes`` FP4 × FP4 products a cycle, as integers of twice the values, summed into a 26-bit accumulator.

    Parameters
    ----------
    lanes: products per cycle and core, a power of two from 1 to 64.
    pipelined: 1: the column edge makes three ternary digits of a weight, and the core sums activations by digits,
        registered behind every level (``Fp4Dot``); 0: as ``IntegerDot``.
    multiplier: as ``IntegerDot`` has it.

    Raises
    ------
    ValueError if a parameter is out of its range.
    """

    family = "fp4"
    options = STRUCTURES
    point = -2

    def __init__(self, *, scheme: Fp4, lanes: int = 16, pipelined: int = 1, multiplier: int = 0):
        self._integer(IntegerDot(lanes=lanes, pipelined=pipelined, multiplier=multiplier, a_width=INTEGER,
                                 w_width=INTEGER, result_width=FP4_SUM))
        if self.ternary:
            self.column_payload = DIGITS_WIDTH * lanes
            self.column_side = FP4_SUM
            self.core_latency = dot_latency(lanes) + 1
        doc = "E2M1 codes, lane 0 lowest"
        self._scaled(scheme,
                     Operand(name="a_codes", axis=Axis.ROW, width=CODE * lanes, cadence=Cadence.BEAT, doc=doc),
                     Operand(name="w_codes", axis=Axis.COLUMN, width=CODE * lanes, cadence=Cadence.BEAT, doc=doc),
                     width=FP4_SUM)
        self.group = lanes

    @property
    def ternary(self) -> bool:
        """Whether weights come to the core as ternary digits."""
        return bool(self.pipelined and not self.multiplier)

    def row_edge(self) -> Edge:
        return Fp4Edge(self, Axis.ROW)

    def column_edge(self) -> Edge:
        return Fp4Edge(self, Axis.COLUMN)

    def core(self) -> Core:
        return Fp4Core(self) if self.ternary else super().core()


class Fp4Edge(IntegerEdge):
    """Decodes a beat's codes. With ternary digits, the column edge also sums what the cores' sums lack, and activations
    are held in two's complement."""

    pe: Fp4Element

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        if self.axis is Axis.COLUMN and self.pe.ternary:
            self.sum_beats(m, Cat(fp4_lacking(code) for code in self._codes(self.w_codes)), LACKING_WIDTH)
        return m

    def word(self, m: Module) -> Value:
        if not self.pe.ternary:
            return super().word(m)
        if self.axis is Axis.ROW:
            return Cat(self.activations())
        return Cat(fp4_digits(code) for code in self._codes(self.w_codes))

    def activations(self) -> list[Value]:
        return [fp4_integer(code) for code in self._codes(self.a_codes)]

    def weights(self) -> list[Value]:
        return [fp4_integer(code) for code in self._codes(self.w_codes)]

    def _codes(self, word: Value) -> list[Value]:
        return [word.word_select(lane, CODE) for lane in range(self.pe.lanes)]


class Fp4Core(Core):
    """Dot product of a beat by ternary digits, then accumulation; beats that are not valid change nothing."""

    pe: Fp4Element

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.dot = dot = Fp4Dot(lanes=self.pe.lanes)
        total = Signal(signed(FP4_SUM), reset_less=True)
        valid = delay(m, self.ctl.valid, dot.latency, name="valid", reset_less=True)
        first = delay(m, self.ctl.first, dot.latency, name="first", reset_less=True)
        m.d.comb += [dot.a.eq(self.a), dot.w.eq(self.w), self.o.eq(total)]
        following = leaf("accumulate")(m, total, first, dot.o)
        with m.If(valid):
            m.d.sync += total.eq(following)
        return m
