"""FP16 multiply-accumulate with an FP32 accumulator: the floating-point baseline."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from gemmsmith.arith.float_accumulate import EXPONENT_WIDTH, PRODUCT_WIDTH, SUM_WIDTH, FloatAccumulator
from gemmsmith.arith.float_convert import FloatToHalf
from gemmsmith.arith.float_multiply import multiply_digits, recode_digits, unpack
from gemmsmith.arith.float_stages import Stages
from gemmsmith.arith.round import FP16, FP32
from gemmsmith.arith.sum import delay
from gemmsmith.pe.base import Core, Edge, ProcessingElement, Tail
from gemmsmith.schemes import Axis, Cadence, Operand, Scheme

SIGNIFICAND = FP16.precision
DIGITS = 2 * (SIGNIFICAND // 2 + 1)
"""Bits of a recoded significand."""
EXPONENT = 6
"""Bits of an operand's exponent, counted from that of the smallest subnormal: 0..40 (−10 + 10 … 30 + 10)."""
SMALLEST = 10
"""What makes the exponent of a normalized subnormal positive."""
MULTIPLY_CUTS = ("level_2",)
"""Where the multiplier's tree of six rows is registered, once: the accumulator is slower than all of it."""
EDGE_STAGES, HALF_STAGES = 2, 2


class Fp16Element(ProcessingElement):
    """One product a cycle, added to the FP32 accumulator in the next: consecutive beats need no interleaving.

    Edges normalize subnormals, saturate what is not finite and recode the weight's significand, once per row and
    column. The accumulator is in two's complement; the tail makes an FP32 code of it.
    """

    family = "fp16"

    def __init__(self, *, scheme: Scheme):
        self.scheme = scheme
        self.operands = (
            Operand(name="a_code", axis=Axis.ROW, width=FP16.width, cadence=Cadence.BEAT, doc="FP16 code of A"),
            Operand(name="w_code", axis=Axis.COLUMN, width=FP16.width, cadence=Cadence.BEAT, doc="FP16 code of W"),
        )
        self.group = 1
        self.result = Cadence.BLOCK
        self.result_width = SUM_WIDTH + 1 + EXPONENT_WIDTH
        self.row_payload = 1 + EXPONENT + SIGNIFICAND
        self.column_payload = 1 + EXPONENT + 1 + DIGITS
        self.edge_latency = EDGE_STAGES
        self.core_latency = len(MULTIPLY_CUTS) + FloatAccumulator.latency
        self.tail_latency = 1 + (HALF_STAGES if scheme.out == "fp16" else 0)

    def beats(self, mode: int) -> int:
        return 1

    def beats_signal(self, mode: Any) -> Any:
        return Const(1)

    def row_edge(self) -> Edge:
        return Fp16Edge(self, Axis.ROW)

    def column_edge(self) -> Edge:
        return Fp16Edge(self, Axis.COLUMN)

    def core(self) -> Core:
        return Fp16Core(self)

    def tail(self, share: int) -> Tail:
        return Fp16Tail(self, share)


class Fp16Edge(Edge):
    """Code → sign, exponent, significand (of weights: whether there is one, and its digits)."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        row = self.axis is Axis.ROW
        significand, exponent, sign = decode(m, self.code(m))
        m.d.sync += self.o.eq(Cat(significand if row else Cat(recode_digits(significand), significand[-1]),
                                  exponent, sign))
        m.d.sync += self.flag.eq(self.ctl.valid & self.saturates())
        if row:
            m.d.comb += self.ctl_o.eq(delay(m, self.ctl, self.pe.edge_latency, name="ctl"))
        return m

    def code(self, m: Module) -> Value:
        """The FP16 code, as much later as the element's edges take longer than this one."""
        return delay(m, self._operand, self.pe.edge_latency - EDGE_STAGES, name="code", reset_less=True)

    def saturates(self) -> Value:
        """Whether the operand at hand is not finite."""
        return self._operand[10:15].all()

    @property
    def _operand(self) -> Value:
        return self.a_code if self.axis is Axis.ROW else self.w_code


def decode(m: Module, code: Value) -> tuple[Value, Value, Value]:
    """Significand, normalized or zero, exponent (see ``EXPONENT``) and sign of an FP16 code, a cycle later."""
    held = Signal(FP16.width, name="held_code", reset_less=True)
    m.d.sync += held.eq(code)
    factor = unpack(Stages(m), held, FP16)
    return factor.significand, (factor.exponent + SMALLEST)[:EXPONENT], held[-1]


class Fp16Core(Core):
    """Exact product, then acc ← RNE₂₄(acc + product)."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.accumulator = accumulator = FloatAccumulator()
        a_significand, a_exponent, a_sign = self.a[:SIGNIFICAND], self.a[SIGNIFICAND:-1], self.a[-1]
        digits, w_present = self.w[:DIGITS], self.w[DIGITS]
        w_exponent, w_sign = self.w[DIGITS + 1:-1], self.w[-1]
        product, exponent, negative, nonzero = multiply_digits(
            Stages(m, MULTIPLY_CUTS), a_significand, digits, exponent=a_exponent + w_exponent,
            negative=a_sign ^ w_sign, nonzero=a_significand[-1] & w_present & self.ctl.valid)
        m.d.comb += [
            accumulator.first.eq(delay(m, self.ctl.first & self.ctl.valid, len(MULTIPLY_CUTS), name="first")),
            accumulator.nonzero.eq(nonzero), accumulator.negative.eq(negative),
            accumulator.product.eq(product[:PRODUCT_WIDTH]), accumulator.exponent.eq(exponent),
            self.o.eq(Cat(accumulator.o, accumulator.o_up, accumulator.o_exponent)),
        ]
        return m


def sum_code(word: Value) -> Value:
    """FP32 code of an accumulator's sum, ``Cat(o, o_up, o_exponent)``; nothing is rounded."""
    significand, up, exponent = word[:SUM_WIDTH], word[SUM_WIDTH], word[SUM_WIDTH + 1:]
    sign = significand[-1]
    magnitude = ((significand ^ sign.replicate(SUM_WIDTH)) + (up ^ sign))[:SUM_WIDTH]
    moved = []
    for distance in (4, 2, 1):
        moved.append(magnitude[FP32.fraction_bits + distance:].any())
        magnitude = Mux(moved[-1], magnitude >> distance, magnitude)
    # A magnitude of 2^31 is now one of 2^24: it carries into the exponent, its fraction is zero.
    one = magnitude[FP32.fraction_bits:FP32.fraction_bits + 2]
    biased = Cat(*reversed(moved), exponent) + (FP32.bias + FP32.fraction_bits - 72 - 1) + one
    return Mux(one.any(), Cat(magnitude[:FP32.fraction_bits], biased[:8], sign), 0)


class Fp16Tail(Tail):
    """Two's complement → FP32 code, exactly; with ``out=fp16`` one rounding more."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        code = Signal(FP32.width, reset_less=True)
        m.d.sync += code.eq(sum_code(self.i))
        out, latency = code, 1
        if self.pe.scheme.out == "fp16":
            m.submodules.half = half = FloatToHalf(stages=HALF_STAGES)
            m.d.comb += half.i.eq(code)
            out, latency = half.o, 1 + HALF_STAGES
        m.d.comb += [self.o.eq(out), self.o_valid.eq(delay(m, self.ctl.valid & self.ctl.last, latency, name="done"))]
        return m
