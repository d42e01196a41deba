"""What processing elements of integer dot products have in common: edges and cores, in three structures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value, signed

from gemmsmith.arith.digits import DigitAccumulator, DigitLayout, DigitRecoder
from gemmsmith.arith.dot import PlaneDot, ProductDot, TernaryDot
from gemmsmith.arith.sum import GatedSum, cuts, delay, invert_signs, levels
from gemmsmith.arith.tech import leaf
from gemmsmith.pe.base import Core, Edge, HeldEdge, ProcessingElement
from gemmsmith.schemes import Axis

STRUCTURES = {
    "lanes": "products per cycle and core: a power of two, 1..64",
    "pipelined": "1: core in registered stages, for FPGAs; 0: in a single one, for standard cells",
    "multiplier": "1: a multiplier per lane as synthesis makes it, for comparison; 0: shifted and gated copies",
}
"""Build options of elements with an ``IntegerDot``."""


@dataclass(frozen=True, kw_only=True)
class IntegerDot:
    """Σ a · w of a beat, accumulated over the beats of a result: the structure of edges and cores.

    Parameters
    ----------
    lanes: products per cycle and core, a power of two from 1 to 64.
    pipelined: 1: the core sums bit planes of the weights, registered behind every level of the tree, which FPGAs do
        best; 0: the column edge recodes weights into radix-4 digits, and the core sums their products and the
        accumulator at once, which takes least area in standard cells.
    multiplier: 1: neither, but a multiplier per lane and adders as synthesis makes them.
    a_width: bits of an activation, two's complement.
    w_width: bits of a weight, two's complement; 1: a bit, 0 or 1.
    ternary: weights of two bits are never −2.
    result_width: bits of the sum, which wraps.

    Raises
    ------
    ValueError if ``lanes``, ``pipelined`` or ``multiplier`` is out of its range.
    """

    lanes: int
    pipelined: int
    multiplier: int = 0
    a_width: int
    w_width: int
    ternary: bool = False
    result_width: int

    def __post_init__(self) -> None:
        if self.lanes not in (1, 2, 4, 8, 16, 32, 64):
            raise ValueError(f"lanes must be a power of two from 1 to 64, not {self.lanes!r}")
        for name in ("pipelined", "multiplier"):
            if getattr(self, name) not in (0, 1):
                raise ValueError(f"{name} must be 0 or 1, not {getattr(self, name)!r}")

    @property
    def digits(self) -> DigitLayout:
        """Digits of a weight; an odd width is extended by its sign."""
        width = self.w_width + (self.w_width % 2 if self.w_width > 1 else 0)
        return DigitLayout(width, ternary=self.ternary)

    @property
    def recoded(self) -> bool:
        """Whether weights come to the core as digits."""
        return not (self.pipelined or self.multiplier)

    @property
    def lacks_ones(self) -> bool:
        """Whether sums lack a one for every weight of −1: see ``TernaryDot``."""
        return self.ternary and not (self.recoded or self.multiplier)

    @property
    def row_payload(self) -> int:
        return self.a_width * self.lanes

    @property
    def column_payload(self) -> int:
        if self.recoded:
            return self.digits.size * self.lanes + self.digits.ones_width(self.lanes)
        return self.w_width * self.lanes

    @property
    def core_latency(self) -> int:
        if self.multiplier:
            return ProductDot.latency + 1
        if self.recoded:
            return DigitAccumulator.latency
        return levels(self.lanes) + (1 if self.lacks_ones else levels(self.w_width)) + 1


class IntegerElement(ProcessingElement):
    """Base of processing elements whose cores are an ``IntegerDot``. Subclasses call ``_integer`` and set what is left.
    """

    dot: IntegerDot

    def _integer(self, dot: IntegerDot) -> None:
        """What the structure decides."""
        self.dot = dot
        self.lanes, self.pipelined, self.multiplier = dot.lanes, dot.pipelined, dot.multiplier
        self.result_width = dot.result_width
        self.row_payload, self.column_payload = dot.row_payload, dot.column_payload
        self.edge_latency = 1
        self.core_latency = dot.core_latency

    def beats(self, mode: int) -> int:
        return self.group // self.lanes

    def row_edge(self) -> Edge:
        return IntegerEdge(self, Axis.ROW)

    def column_edge(self) -> Edge:
        return IntegerEdge(self, Axis.COLUMN)

    def core(self) -> Core:
        return DigitCore(self) if self.dot.recoded else StagedCore(self)


class IntegerEdge(HeldEdge):
    """Row or column edge: one register for all cores behind it.

    It holds activations in offset binary and the complements of weights (ternary ones as they are), as the leaves of
    some technologies want them; or the weights' digits.
    """

    pe: IntegerElement

    def word(self, m: Module) -> Value:
        dot = self.pe.dot
        if self.axis is Axis.ROW:
            return invert_signs(Cat(self.activations()), dot.a_width)
        if not dot.recoded:
            weights = Cat(self.weights())
            return weights if dot.lacks_ones else ~weights
        m.submodules.recoder = recoder = DigitRecoder(lanes=dot.lanes, layout=dot.digits)
        for lane, weight in enumerate(self.weights()):
            m.d.comb += recoder.w[lane].eq(weight.as_signed() if dot.w_width > 1 else weight)
        return Cat(recoder.digits, recoder.ones)

    def activations(self) -> list[Value]:
        """Activations of a beat, two's complement."""
        return [self.a_codes.word_select(lane, self.pe.dot.a_width) for lane in range(self.pe.dot.lanes)]

    def weights(self) -> list[Value]:
        """Weights of a beat, two's complement or bits."""
        return [self.w_codes.word_select(lane, self.pe.dot.w_width) for lane in range(self.pe.dot.lanes)]

    def sum_beats(self, m: Module, words: Value, width: int) -> None:
        """Sends the sum of the signed words, ``width`` bits for each lane, of a result's beats beside the result."""
        waits = self.pe.core_latency - 1
        registered = min(waits, levels(self.pe.dot.lanes))
        m.submodules.beat = beat = GatedSum(count=self.pe.dot.lanes, width=width,
                                            cuts=cuts(levels(self.pe.dot.lanes), registered))
        held = Signal(len(words), name="held_words", reset_less=True)
        with m.If(self.ctl.valid):
            m.d.sync += held.eq(words)
        m.d.comb += [beat.words.eq(held), beat.gates.eq(~0)]
        self.add_side(m, beat.o, registered)

    def add_side(self, m: Module, beat: Value, done: int) -> None:
        """Sends the sum of a result's beats beside the result; that of a beat comes ``done`` cycles after the edge's
        output."""
        waits = self.pe.core_latency - 1
        beat = delay(m, beat, waits - done, name="beat", reset_less=True)
        valid = delay(m, self.ctl.valid, 1 + waits, name="valid", reset_less=True)
        first = delay(m, self.ctl.first, 1 + waits, name="first", reset_less=True)
        side = Signal(signed(len(self.side)), reset_less=True)
        with m.If(valid):
            m.d.sync += side.eq(leaf("accumulate")(m, side, first, beat))
        m.d.comb += self.side.eq(side)


class StagedCore(Core):
    """Dot product of a beat, by planes or multipliers, then accumulation; beats that are not valid change nothing."""

    pe: IntegerElement

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shape = self.pe.dot
        m.submodules.dot = dot = self._dot()
        total = Signal(signed(shape.result_width), reset_less=True)
        # Beats take effect in their order, and the first one clears: even ``valid`` needs no reset.
        valid = delay(m, self.ctl.valid, dot.latency, name="valid", reset_less=True)
        first = delay(m, self.ctl.first, dot.latency, name="first", reset_less=True)
        m.d.comb += [dot.a.eq(invert_signs(self.a, shape.a_width)), dot.w.eq(self.w if shape.lacks_ones else ~self.w),
                     self.o.eq(total)]
        following = leaf("accumulate")(m, total, first, dot.o)
        with m.If(valid):
            m.d.sync += total.eq(following)
        return m

    def _dot(self) -> PlaneDot | ProductDot | TernaryDot:
        shape = self.pe.dot
        if shape.lacks_ones:
            return TernaryDot(lanes=shape.lanes, a_width=shape.a_width)
        dot = ProductDot if shape.multiplier else PlaneDot
        return dot(lanes=shape.lanes, a_width=shape.a_width, w_width=shape.w_width, twos_complement=shape.w_width > 1)


class DigitCore(Core):
    """Dot product of a beat by digits of the weights, together with the accumulator."""

    pe: IntegerElement

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shape = self.pe.dot
        m.submodules.digits = digits = DigitAccumulator(
            lanes=shape.lanes, a_width=shape.a_width, layout=shape.digits, width=shape.result_width)
        m.d.comb += [
            digits.valid.eq(self.ctl.valid),
            digits.first.eq(self.ctl.first),
            digits.a.eq(invert_signs(self.a, shape.a_width)),
            Cat(digits.digits, digits.ones).eq(self.w),
            self.o.eq(digits.o),
        ]
        return m
