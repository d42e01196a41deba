"""Posit multiply-add, rounded in every step: the baseline of exact accumulation."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal

from gemmsmith.arith.float_convert import FloatToHalf
from gemmsmith.arith.float_multiply import digits_width, multiply_digits, recode_digits
from gemmsmith.arith.float_stages import Stages
from gemmsmith.arith.posit import PositAccumulator, PositShape, decode_posit
from gemmsmith.arith.round import FP16, FP32
from gemmsmith.arith.sum import delay
from gemmsmith.pe.base import Core, Edge, ProcessingElement, Tail
from gemmsmith.schemes import Axis, Cadence, Operand, PositFma

HALF_STAGES = 2


class PositFmaElement(ProcessingElement):
    """One product a cycle, added to the accumulator in the next and rounded to a posit there: consecutive beats need no
    interleaving. Edges take codes apart, once per row and column; the tail makes FP32 codes.
    """

    family = "positfma"

    def __init__(self, *, scheme: PositFma):
        self.scheme = scheme
        self.shape = shape = PositShape(scheme.number)
        self.operands = tuple(
            Operand(name=f"{side}_code", axis=axis, width=scheme.number.n, cadence=Cadence.BEAT,
                    doc=f"{scheme.x} code of {side.upper()}")
            for side, axis in (("a", Axis.ROW), ("w", Axis.COLUMN)))
        self.group = 1
        self.result = Cadence.BLOCK
        self.digits = digits_width(shape.significand)
        self.result_width = 3 + shape.significand - 1 + shape.scale
        self.row_payload = 2 + shape.scale + shape.significand
        self.column_payload = 2 + shape.scale + 1 + self.digits
        self.edge_latency = 2
        self.core_latency = 1 + PositAccumulator.latency
        self.tail_latency = 1 + (HALF_STAGES if scheme.out == "fp16" else 0)

    def beats(self, mode: int) -> int:
        return 1

    def row_edge(self) -> Edge:
        return PositFmaEdge(self, Axis.ROW)

    def column_edge(self) -> Edge:
        return PositFmaEdge(self, Axis.COLUMN)

    def core(self) -> Core:
        return PositFmaCore(self)

    def tail(self, share: int) -> Tail:
        return PositFmaTail(self, share)


class PositFmaEdge(Edge):
    """Code → significand (of weights: its digits, and whether there is one), scale, sign, NaR."""

    pe: PositFmaElement

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        row = self.axis is Axis.ROW
        held = Signal(self.pe.shape.number.n, name="held_code", reset_less=True)
        m.d.sync += held.eq(self.a_code if row else self.w_code)
        posit = decode_posit(m, held, self.pe.shape)
        factor = posit.significand if row else Cat(recode_digits(posit.significand), posit.significand[-1])
        m.d.sync += self.o.eq(Cat(factor, posit.scale, posit.negative, posit.nar))
        if row:
            m.d.comb += self.ctl_o.eq(delay(m, self.ctl, self.pe.edge_latency, name="ctl"))
        return m


class PositFmaCore(Core):
    """Exact product, then acc ← round(acc + product)."""

    pe: PositFmaElement

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shape, digits = self.pe.shape, self.pe.digits
        m.submodules.accumulator = accumulator = PositAccumulator(shape)
        significand, a_scale = self.a[:shape.significand], self.a[shape.significand:-2].as_signed()
        present, w_scale = self.w[digits], self.w[digits + 1:-2].as_signed()
        valid = self.ctl.valid
        product, scale, negative, nonzero, nar, first = multiply_digits(
            Stages(m, ("level_2" if digits > 4 else "level_0",)), significand, self.w[:digits],
            scale=a_scale + w_scale, negative=self.a[-2] ^ self.w[-2], nonzero=significand[-1] & present & valid,
            nar=(self.a[-1] | self.w[-1]) & valid, first=self.ctl.first & valid)
        m.d.comb += [
            accumulator.first.eq(first), accumulator.nonzero.eq(nonzero), accumulator.negative.eq(negative),
            accumulator.product.eq(product[:2 * shape.significand]), accumulator.scale.eq(scale),
            accumulator.nar.eq(nar),
            self.o.eq(Cat(accumulator.o_fraction, accumulator.o_scale, accumulator.o_negative, accumulator.o_nonzero,
                          accumulator.o_nar)),
        ]
        return m


class PositFmaTail(Tail):
    """Parts of a posit → FP32 code, exactly; with ``out=fp16`` one rounding more."""

    pe: PositFmaElement

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        width = self.pe.shape.significand - 1
        fraction, scale = self.i[:width], self.i[width:-3].as_signed()
        negative, nonzero, nar = self.i[-3:]
        number = Cat(Const(0, FP32.fraction_bits - width), fraction, (scale + FP32.bias)[:FP32.exponent_bits], negative)
        code, is_nar = Signal(FP32.width, reset_less=True), Signal(reset_less=True)
        m.d.sync += [code.eq(Mux(nonzero, number, 0)), is_nar.eq(nar)]
        out, latency, shape = code, 1, FP32
        if self.pe.scheme.out == "fp16":
            m.submodules.half = half = FloatToHalf(stages=HALF_STAGES)
            m.d.comb += half.i.eq(code)
            is_nar = delay(m, is_nar, HALF_STAGES, name="is_nar", reset_less=True)
            out, latency, shape = half.o, 1 + HALF_STAGES, FP16
        nan = (shape.top_exponent * 2 + 1) << shape.fraction_bits - 1
        m.d.comb += [self.o.eq(Mux(is_nar, nan, out)),
                     self.o_valid.eq(delay(m, self.ctl.valid & self.ctl.last, latency, name="done"))]
        return m
