"""Fused FP16 dot-product unit: four aligned products a cycle, one fixed-point accumulator."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal

from gemmsmith.arith.float_convert import FloatToHalf, IntToFloat
from gemmsmith.arith.float_dot import STAGES, DotFormat, FloatDot
from gemmsmith.arith.float_multiply import recode_digits
from gemmsmith.arith.float_stages import check_stages
from gemmsmith.arith.round import FP16
from gemmsmith.arith.sum import delay
from gemmsmith.pe.base import Core, Edge, ProcessingElement, Tail
from gemmsmith.pe.fp16 import DIGITS, EXPONENT, SIGNIFICAND, decode
from gemmsmith.schemes import Axis, Cadence, Fp16Dot, Operand

LANES = Fp16Dot.group
UNIT = 48
"""The accumulator counts multiples of 2^-48, the product of two smallest subnormals."""
FORMAT = DotFormat(lanes=LANES, a=SIGNIFICAND, digits=DIGITS, product=2 * SIGNIFICAND, places=Fp16Dot.places,
                   exponent=80, unit=24, width=UNIT + 32 + (Fp16Dot.max_k - 1).bit_length() + 1)
"""Products are below 2^32. A product's exponent counts from 2^-70, that of an aligned one from 2^-72: 24 places below
the accumulator's unit, always zeros."""
CONVERT_STAGES, HALF_STAGES = 5, 2
"""Pipeline registers of the tail's parts."""


class Fp16DotElement(ProcessingElement):
    """Four products a cycle, aligned to the largest exponent of the four and added to a fixed-point accumulator.

    Edges normalize subnormals, saturate what is not finite and recode the weights' significands, once per row and
    column. The tail makes an FP32 number of the sum, with the only rounding there is.

    Parameters
    ----------
    stages: pipeline registers of the core, the accumulator included: 3, 4, 5, 6 or 8.
    """

    family = "fp16dot"
    options = {"stages": "pipeline registers of the core: 3, 4, 5, 6 or 8"}

    def __init__(self, *, scheme: Fp16Dot, stages: int = 4):
        check_stages(stages, STAGES)
        self.scheme = scheme
        self.stages = stages
        codes = LANES * FP16.width
        self.operands = (
            Operand(name="a_codes", axis=Axis.ROW, width=codes, cadence=Cadence.BEAT,
                    doc="FP16 codes of A, lane 0 lowest"),
            Operand(name="w_codes", axis=Axis.COLUMN, width=codes, cadence=Cadence.BEAT,
                    doc="FP16 codes of W, lane 0 lowest"),
        )
        self.group = LANES
        self.result = Cadence.BLOCK
        self.result_width = FORMAT.width + 1
        self.row_payload = LANES * FORMAT.left.size
        self.column_payload = LANES * FORMAT.right.size
        self.edge_latency = 2
        self.core_latency = stages
        self.tail_latency = 1 + CONVERT_STAGES + (HALF_STAGES if scheme.out == "fp16" else 0)

    def beats(self, mode: int) -> int:
        return 1

    def row_edge(self) -> Edge:
        return Fp16DotEdge(self, Axis.ROW)

    def column_edge(self) -> Edge:
        return Fp16DotEdge(self, Axis.COLUMN)

    def core(self) -> Core:
        return Fp16DotCore(self)

    def tail(self, share: int) -> Tail:
        return Fp16DotTail(self, share)


class Fp16DotEdge(Edge):
    """Codes → operands of the dot product. What is not valid is zero, in rows."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        row = self.axis is Axis.ROW
        codes = self.a_codes if row else self.w_codes
        ctl = delay(m, self.ctl, 1, name="ctl")
        words = []
        for lane in range(LANES):
            significand, exponent, sign = decode(m, codes.word_select(lane, FP16.width))
            present = significand[-1] & ctl.valid if row else significand[-1]
            words.append(Cat((significand & present.replicate(SIGNIFICAND)) if row else recode_digits(significand),
                             exponent & present.replicate(EXPONENT),
                             (~present).replicate(FORMAT.exponent_width - EXPONENT), sign))
        m.d.sync += [self.o.eq(Cat(words)),
                     self.flag.eq(self.ctl.valid & Cat(codes[i + 10:i + 15].all()
                                                       for i in range(0, len(codes), FP16.width)).any())]
        if row:
            m.d.sync += self.ctl_o.eq(ctl)
        return m


class Fp16DotCore(Core):
    """Σ of four aligned products, then acc ← acc + Σ, exactly."""

    pe: Fp16DotElement

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.dot = dot = FloatDot(format=FORMAT, stages=self.pe.stages)
        m.d.comb += [dot.first.eq(self.ctl.valid & self.ctl.first), dot.a.eq(self.a), dot.w.eq(self.w),
                     self.o.eq(Cat(dot.o, dot.o_carry))]
        return m


class Fp16DotTail(Tail):
    """Carry, then fixed point → FP32 code; with ``out=fp16`` one rounding more."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        half = self.pe.scheme.out == "fp16"
        m.submodules.convert = convert = IntToFloat(width=FORMAT.width, exponent_width=7, stages=CONVERT_STAGES)
        total = Signal(FORMAT.width, reset_less=True)
        lower, upper, carry = self.i[:FORMAT.half], self.i[FORMAT.half:-1], self.i[-1]
        m.d.sync += total.eq(Cat(lower, upper + carry))
        m.d.comb += [convert.i.eq(total), convert.exponent.eq(-UNIT)]
        if half:
            m.submodules.half = to_half = FloatToHalf(stages=HALF_STAGES)
            m.d.comb += to_half.i.eq(convert.o)
        m.d.comb += [self.o.eq(to_half.o if half else convert.o),
                     self.o_valid.eq(delay(m, self.ctl.valid & self.ctl.last, self.pe.tail_latency, name="done"))]
        return m
