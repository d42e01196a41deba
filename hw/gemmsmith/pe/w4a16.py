"""MixPE's W4A16 unit: FP16 activations, aligned once per row, × 4-bit weights by bit planes."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed

from gemmsmith.arith.beat_align import LARGEST_EXPONENT, BeatAligner, align_latency, aligned_width
from gemmsmith.arith.dot import PlaneDot
from gemmsmith.arith.fixed_accumulate import EXPONENT_WIDTH, FixedAccumulator
from gemmsmith.arith.float_convert import IntToFloat
from gemmsmith.arith.fp4 import HALVES, INTEGER, fp4_integer
from gemmsmith.arith.round import FP16
from gemmsmith.arith.sum import delay, levels
from gemmsmith.arith.tech import leaf
from gemmsmith.pe.base import Core, Edge, ProcessingElement, Tail
from gemmsmith.pe.grouped import GROUP_TAIL_LOOP, GroupTail, group_tail_latency
from gemmsmith.schemes import W4A16, Axis, Cadence, Operand, Part
from gemmsmith.schemes.w4a16 import EXACT

CODE = 4
"""Bits of a weight code in memory."""
CODE_STAGES = 5


class W4A16Element(ProcessingElement):
    """``scheme.lanes`` products a cycle, summed by bit planes of the weights into a fixed-point accumulator that holds
    every term exactly; a result per group of weights.

    The row edge aligns a beat's activations; the column edge makes integers of E2M1 codes. With ``guard=exact`` the
    aligner knows the exponent beforehand, and cores need no shifter.
    """

    family = "w4a16"
    scheme: W4A16

    def __init__(self, *, scheme: W4A16):
        self.scheme = scheme
        lanes = scheme.lanes
        self.operands = (
            Operand(name="a_codes", axis=Axis.ROW, width=FP16.width * lanes, cadence=Cadence.BEAT,
                    doc="FP16 codes of A, lane 0 lowest"),
            Operand(name="w_codes", axis=Axis.COLUMN, width=CODE * lanes, cadence=Cadence.BEAT,
                    doc=("INT4 codes of W, two's complement" if scheme.w == "int4" else "E2M1 codes of W")
                    + ", lane 0 lowest"),
            Operand(name="w_scale", axis=Axis.COLUMN, width=FP16.width, cadence=Cadence.GROUP, part=Part.TAIL,
                    doc="FP16 scale of the weight group"),
        )
        self.guard = None if scheme.guard == EXACT else int(scheme.guard)
        self.exact = self.guard is None
        self.code = aligned_width(self.guard)
        self.planes = CODE if scheme.w == "int4" else INTEGER
        largest_word = (1 << FP16.precision) - 1 << self.code - 1 - FP16.precision
        largest = largest_word * (8 if scheme.w == "int4" else max(HALVES))
        self.sum_width = (largest * lanes).bit_length() + 1
        self.group = scheme.group
        self.result = Cadence.GROUP
        self.result_width = (largest * self.group).bit_length() + 1 + (0 if self.exact else LARGEST_EXPONENT - 1)
        self.row_payload = self.code * lanes + (0 if self.exact else EXPONENT_WIDTH)
        self.column_payload = self.planes * lanes
        self.edge_latency = align_latency(lanes, self.guard)
        self.core_latency = levels(lanes) + levels(self.planes) + (1 if self.exact else FixedAccumulator.latency)
        self.tail_loop = GROUP_TAIL_LOOP
        self.tail_latency = CODE_STAGES + group_tail_latency(scheme)

    def beats(self, mode: int) -> int:
        return self.group // self.scheme.lanes

    def row_edge(self) -> Edge:
        return W4A16RowEdge(self, Axis.ROW)

    def column_edge(self) -> Edge:
        return W4A16ColumnEdge(self, Axis.COLUMN)

    def core(self) -> Core:
        return W4A16Core(self)

    def tail(self, share: int) -> Tail:
        return W4A16Tail(self, share, code_stages=CODE_STAGES)


class W4A16RowEdge(Edge):
    """Codes → words with a shared exponent."""

    pe: W4A16Element

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.aligner = aligner = BeatAligner(lanes=self.pe.scheme.lanes, guard=self.pe.guard)
        codes = [self.a_codes[i:i + FP16.width] for i in range(0, len(self.a_codes), FP16.width)]
        m.d.comb += [
            aligner.codes.eq(self.a_codes),
            self.o.eq(Cat(aligner.words, Const(0, 0) if self.pe.exact else aligner.exponent)),
            self.ctl_o.eq(delay(m, self.ctl, self.pe.edge_latency, name="ctl")),
        ]
        m.d.sync += self.flag.eq(self.ctl.valid & Cat(code[FP16.fraction_bits:-1].all() for code in codes).any())
        return m


class W4A16ColumnEdge(Edge):
    """Complements of the weights' integers, which is what the leaves of some technologies want; as late as the row's.
    """

    pe: W4A16Element

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        codes = delay(m, self.w_codes, self.pe.edge_latency - 1, name="w_codes", reset_less=True)
        integers = Signal(self.pe.column_payload, reset_less=True)
        following = codes if self.pe.scheme.w == "int4" else Cat(
            fp4_integer(codes[i:i + CODE]) for i in range(0, len(codes), CODE))
        m.d.sync += integers.eq(~following)
        m.d.comb += self.o.eq(integers)
        return m


class W4A16Core(Core):
    """Dot product of a beat by bit planes of the weights, then accumulation over the group."""

    pe: W4A16Element

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pe = self.pe
        m.submodules.dot = dot = PlaneDot(lanes=pe.scheme.lanes, a_width=pe.code, w_width=pe.planes)
        words = pe.code * pe.scheme.lanes
        m.d.comb += [dot.a.eq(self.a[:words] ^ Const(1 << pe.code - 1, pe.code).replicate(pe.scheme.lanes)),
                     dot.w.eq(~self.w)]
        total = dot.o[:pe.sum_width].as_signed()
        valid = delay(m, self.ctl.valid, dot.latency, name="valid")
        if pe.exact:
            first = delay(m, self.ctl.first, dot.latency, name="first", reset_less=True)
            kept = Signal(signed(pe.result_width), reset_less=True)
            m.d.comb += self.o.eq(kept)
            following = leaf("accumulate")(m, kept, first, total)
            with m.If(valid):
                m.d.sync += kept.eq(following)
            return m
        m.submodules.accumulator = accumulator = FixedAccumulator(i_width=pe.sum_width, width=pe.result_width)
        m.d.comb += [
            accumulator.valid.eq(valid),
            accumulator.last.eq(delay(m, self.ctl.last, dot.latency, name="last", reset_less=True)),
            accumulator.i.eq(total),
            accumulator.exponent.eq(delay(m, self.a[words:], dot.latency, name="exponent", reset_less=True)),
            self.o.eq(accumulator.o),
        ]
        return m


class W4A16Tail(GroupTail):
    """A group's sum comes as a fixed-point number."""

    pe: W4A16Element

    def code(self, m: Module) -> Value:
        scheme = self.pe.scheme
        point = FP16.bias - 1 + FP16.fraction_bits + scheme.guard_bits + (scheme.w == "fp4")
        m.submodules.convert = convert = IntToFloat(
            width=self.pe.result_width, exponent_width=7, stages=CODE_STAGES)
        m.d.comb += [convert.i.eq(self.i), convert.exponent.eq(-point)]
        return convert.o
