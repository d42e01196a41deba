"""MixPE's integer unit: narrow weights × INT8 or INT4 activations by shift and add, dequantised once per group."""

from __future__ import annotations

from typing import Any, NamedTuple

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib.memory import Memory

from gemmsmith.arith.dequantise import SCALE_WIDTHS, STAGES, Dequantise, dequantise_latency
from gemmsmith.arith.dot import PlaneDot
from gemmsmith.arith.float_convert import FloatToHalf
from gemmsmith.arith.float_multiply import FloatMultiply
from gemmsmith.arith.float_totals import LOOPS, TAIL_LOOP, FloatTotals, check_loop
from gemmsmith.arith.fp4 import INTEGER, fp4_integer
from gemmsmith.arith.sum import delay, levels
from gemmsmith.arith.tech import leaf
from gemmsmith.arith.tech.portable import balanced_sum, stage
from gemmsmith.pe.base import Edge, Tail
from gemmsmith.pe.integer import STRUCTURES, IntegerDot, IntegerEdge, IntegerElement
from gemmsmith.schemes import Axis, Cadence, MixPe, Operand, Part

SUM = 32
"""Bits of a sum over the whole K (see the scheme's bound)."""
GROUP_SCALE = 7
"""Bits of a group's integer scale."""
HALF_STAGES = 1


class MixPeElement(IntegerElement):
    """``lanes`` products a cycle; a result per group, or per block if a scale holds for the whole row of W.

    The row edge sums the activations of a group, once for all columns, where weights have zero points or are ±1; tails
    correct by it.

    Parameters
    ----------
    lanes, pipelined, multiplier: see ``IntegerDot``.
    tail_loop: cycles from a result of a core to its next one, 2, 3, 4 or 8: groups of that many beats or more never
        wait for the tail, which takes a result of another core every cycle.

    Raises
    ------
    ValueError if a parameter is out of its range, or a group is shorter than ``lanes``.
    """

    family = "mixpe"
    scheme: MixPe
    options = {**STRUCTURES, "tail_loop": TAIL_LOOP}

    def __init__(self, *, scheme: MixPe, lanes: int = 16, pipelined: int = 1, multiplier: int = 0, tail_loop: int = 4):
        check_loop(tail_loop)
        width = {"fp4": INTEGER}.get(scheme.w, scheme.weight_bits)
        self._integer(IntegerDot(
            lanes=lanes, pipelined=pipelined, multiplier=multiplier, a_width=scheme.a, w_width=width,
            ternary=scheme.w == "ternary",
            result_width=scheme.a + width + levels(scheme.group) if scheme.group else SUM))
        if scheme.group and lanes > scheme.group:
            raise ValueError(f"lanes must be at most the group of {scheme.group} weights, not {lanes}")
        self.scheme = scheme
        self.tail_loop = tail_loop
        self.group = scheme.group or lanes
        self.result = Cadence.GROUP if scheme.group else Cadence.BLOCK
        if scheme.zero == "zp" or scheme.w == "binary":
            self.row_side = scheme.a + levels(scheme.group) if scheme.group else SUM
        if self.dot.lacks_ones:
            self.column_side = levels(scheme.group) + 1 if scheme.group else SUM
        self.operands = tuple(self._operands())
        self.tail_latency = sum(Latencies.of(self))

    @property
    def zero_width(self) -> int:
        """Bits of 2^(N−1) − z, two's complement and even in number; 0 without zero points."""
        bits = self.scheme.weight_bits + 1
        return bits + bits % 2 if self.scheme.zero == "zp" else 0

    @property
    def corrected_width(self) -> int:
        """Bits of a core's sum once it is corrected by Σ a."""
        return min(SUM, self.result_width + (2 if self.row_side else 0))

    @property
    def scaled(self) -> dict[str, Any]:
        """The product with the weights' scale, as ``Dequantise`` takes it."""
        two_levels = self.scheme.scale == "int8"
        return {"width": SUM if two_levels else self.corrected_width,
                "scale": "fp32" if two_levels else self.scheme.scale, "pace": self.tail_loop}

    def _operands(self) -> list[Operand]:
        scheme, lanes = self.scheme, self.lanes
        per_group = Cadence.GROUP if scheme.group else Cadence.BLOCK
        two_levels = scheme.scale == "int8"
        operands = [
            Operand(name="a_codes", axis=Axis.ROW, width=scheme.a * lanes, cadence=Cadence.BEAT,
                    doc=f"INT{scheme.a} codes, two's complement, lane 0 lowest"),
            Operand(name="a_scale", axis=Axis.ROW, width=32, cadence=Cadence.BLOCK, part=Part.TAIL,
                    doc="FP32 scale of the row of A"),
            Operand(name="w_codes", axis=Axis.COLUMN, width=scheme.weight_bits * lanes, cadence=Cadence.BEAT,
                    doc=f"{scheme.w} codes, lane 0 lowest"),
            Operand(name="w_scale", axis=Axis.COLUMN, width=32 if two_levels else SCALE_WIDTHS[scheme.scale],
                    cadence=Cadence.BLOCK if two_levels else per_group, part=Part.TAIL,
                    doc=f"{'FP32' if two_levels else scheme.scale.upper()} scale of the "
                        f"{'row of W' if two_levels or not scheme.group else 'weight group'}"),
        ]
        if scheme.zero == "zp":
            operands.append(Operand(name="w_zero", axis=Axis.COLUMN, width=scheme.weight_bits, cadence=per_group,
                                    part=Part.TAIL, doc="zero point of the weight group"))
        if two_levels:
            operands.append(Operand(name="w_group_scale", axis=Axis.COLUMN, width=GROUP_SCALE, cadence=per_group,
                                    part=Part.TAIL, doc="integer scale of the weight group, 1 to 127"))
        return operands

    def row_edge(self) -> Edge:
        return MixPeEdge(self, Axis.ROW)

    def column_edge(self) -> Edge:
        return MixPeEdge(self, Axis.COLUMN)

    def tail(self, share: int) -> Tail:
        return MixPeTail(self, share)


class MixPeEdge(IntegerEdge):
    """Row edge: also sums a result's activations. Column edge: makes integers of codes, and counts the ones that sums
    lack."""

    pe: MixPeElement

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        dot = self.pe.dot
        if self.axis is Axis.ROW and self.pe.row_side:
            self.sum_beats(m, self.a_codes, dot.a_width)
        if self.axis is Axis.COLUMN and self.pe.column_side:
            minus = balanced_sum([self.o[2 * lane + 1] for lane in range(dot.lanes)])
            self.add_side(m, Cat(minus, Const(0, 1)).as_signed(), 0)
        return m

    def weights(self) -> list[Value]:
        scheme = self.pe.scheme
        codes = [self.w_codes.word_select(lane, scheme.weight_bits) for lane in range(self.pe.lanes)]
        if scheme.zero == "zp":  # the tail's zero point is as much lower
            return [Cat(code[:-1], ~code[-1]) for code in codes]
        if scheme.w == "fp4":
            return [fp4_integer(code) for code in codes]
        return codes


class Latencies(NamedTuple):
    """Cycles of the tail's steps: correction by Σ a, integer totals of two levels, product with the scale, FP32 totals,
    product with the activations' scale, output."""

    correct: int
    weigh: int
    scale: int
    total: int
    finish: int
    half: int

    @classmethod
    def of(cls, pe: MixPeElement) -> Latencies:
        two_levels = pe.scheme.scale == "int8"
        floats = bool(pe.scheme.group) and not two_levels
        zero = levels(pe.zero_width) + 1 if pe.zero_width else 0
        stored = LOOPS[pe.tail_loop].stored
        return cls(correct=zero or int(pe.scheme.w == "binary" or pe.dot.lacks_ones),
                   weigh=levels(GROUP_SCALE) + 1 if two_levels else 0,
                   scale=dequantise_latency(**pe.scaled),
                   total=LOOPS[pe.tail_loop].latency + stored if floats else 0,
                   finish=STAGES[pe.tail_loop][2],
                   half=HALF_STAGES if pe.scheme.out == "fp16" else 0)


class MixPeTail(Tail):
    """o = (Σ float(S) · scale) · a_scale, each step rounded to FP32; S is the core's sum, corrected by Σ a."""

    pe: MixPeElement

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pe, cycles = self.pe, Latencies.of(self.pe)
        summed, done = self._correct(m), cycles.correct
        if pe.scheme.scale == "int8":
            summed, done = self._weigh(m, summed, done), done + cycles.weigh
        m.submodules.scale = scale = Dequantise(**pe.scaled, point=-1 if pe.scheme.w == "fp4" else 0)
        m.d.comb += [scale.i.eq(summed),
                     scale.scale.eq(delay(m, self.w_scale, done, name="w_scale", reset_less=True))]
        total, done = scale.o, done + cycles.scale
        if cycles.total:
            total, done = self._total(m, total, done), done + cycles.total

        m.submodules.finish = finish = FloatMultiply(stages=cycles.finish)
        m.d.comb += [finish.a.eq(total), finish.b.eq(self._a_scale(m, done))]
        output = finish.o
        if cycles.half:
            m.submodules.half = to_half = FloatToHalf(stages=HALF_STAGES)
            m.d.comb += to_half.i.eq(output)
            output = to_half.o
        valid = delay(m, self.ctl.valid & self.ctl.last, sum(cycles), name="valid")
        m.d.comb += [self.o.eq(output), self.o_valid.eq(valid)]
        return m

    def _correct(self, m: Module) -> Value:
        """S, of the core's sum C: C + (2^(N−1) − z) · Σ a with zero points, 2 · C − Σ a of ±1, C and the ones that it
        lacks of ternary weights."""
        pe, core = self.pe, self.i.as_signed()
        if pe.column_side:
            return stage(m, (core + self.column_side)[:pe.result_width].as_signed(), registered=True, name="corrected")
        if pe.scheme.w == "binary":
            return stage(m, (core << 1) - self.row_side.as_signed(), registered=True, name="corrected")
        if not pe.zero_width:
            return core
        m.submodules.zero = zero = PlaneDot(lanes=1, a_width=pe.row_side, w_width=pe.zero_width)
        m.d.comb += [zero.a[0].eq(self.row_side), zero.w[0].eq((1 << pe.scheme.weight_bits - 1) - self.w_zero)]
        waiting = delay(m, core, zero.latency, name="core", reset_less=True)
        return stage(m, waiting + zero.o, registered=True, name="corrected")

    def _weigh(self, m: Module, summed: Value, done: int) -> Value:
        """Σ t · S, an integer for each of the cores."""
        m.submodules.weigh = weigh = PlaneDot(lanes=1, a_width=self.pe.corrected_width, w_width=GROUP_SCALE,
                                              twos_complement=False)
        m.submodules.totals = totals = Memory(shape=SUM, depth=self.share, init=[])
        read, write = totals.read_port(domain="comb"), totals.write_port()
        tag = delay(m, self.ctl, done + weigh.latency, name="weighed")
        following = leaf("accumulate")(m, read.data.as_signed(), tag.first, weigh.o)
        m.d.comb += [
            weigh.a[0].eq(summed),
            weigh.w[0].eq(delay(m, self.w_group_scale, done, name="group_scale", reset_less=True)),
            read.addr.eq(tag.index), write.addr.eq(tag.index), write.en.eq(tag.valid), write.data.eq(following),
        ]
        return stage(m, following, registered=True, name="weighed_total")

    def _total(self, m: Module, summand: Value, done: int) -> Value:
        m.submodules.totals = totals = FloatTotals(count=self.share, loop=self.pe.tail_loop)
        tag = delay(m, self.ctl, done - 1, name="tag")
        m.d.comb += [totals.i.eq(summand), *totals.told(tag)]
        if not totals.stages.stored:
            return totals.o
        total = Signal.like(totals.o, reset_less=True)
        with m.If(totals.o_valid):  # sums on the way would keep the multiplier busy
            m.d.sync += total.eq(totals.o)
        return total

    def _a_scale(self, m: Module, done: int) -> Value:
        """The activations' scale ``done`` cycles later: a word per block, kept where few blocks are under way."""
        places = levels(done // self.pe.result_interval(self.share) + 2)
        m.submodules.a_scales = kept = Memory(shape=32, depth=1 << places, init=[])
        read, write = kept.read_port(domain="comb"), kept.write_port()
        slot, following = Signal(places), Signal(places)
        last = self.ctl.valid & self.ctl.last
        # A step ahead of a block's first output: the scale changes with what it multiplies, and at no other time.
        m.d.comb += following.eq(slot + (last & (self.ctl.index == 0)))
        m.d.sync += slot.eq(following)
        m.d.comb += [write.en.eq(last), write.addr.eq(following), write.data.eq(self.a_scale),
                     read.addr.eq(delay(m, following, done, name="slot", reset_less=True))]
        return read.data
