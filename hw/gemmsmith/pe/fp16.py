"""FP16 multiply-accumulate with an FP32 accumulator: the floating-point baseline, and what others of its kind share."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from gemmsmith.arith.float_accumulate import EXPONENT_WIDTH, PRODUCT_WIDTH, SUM_WIDTH, FloatAccumulator
from gemmsmith.arith.float_convert import FloatToHalf
from gemmsmith.arith.float_multiply import digits_width, finite_code, multiply_digits, recode_digits, special
from gemmsmith.arith.float_stages import Stages, normalize
from gemmsmith.arith.round import FP32
from gemmsmith.arith.sum import delay
from gemmsmith.formats import FP16, FloatFormat
from gemmsmith.pe.base import Core, Edge, ProcessingElement, Tail
from gemmsmith.schemes import Axis, Cadence, Operand, Scheme

EDGE_STAGES, HALF_STAGES = 2, 2


def significand_width(number: FloatFormat) -> int:
    """Bits of a significand, the leading one included."""
    return number.fraction_width + 1


def exponent_width(number: FloatFormat) -> int:
    """Bits of an operand's exponent, which is 1 for the smallest subnormal."""
    return (number.encode(number.largest) // (1 << number.fraction_width) + number.fraction_width).bit_length()


def product_bias(number: FloatFormat) -> int:
    """The accumulator's bias, with exponents like these: it takes products as multiples of 2^−20."""
    assert number.bias is not None
    return 2 * (number.bias + number.fraction_width) + PRODUCT_WIDTH - 2


SIGNIFICAND, EXPONENT = significand_width(FP16), exponent_width(FP16)
DIGITS = digits_width(SIGNIFICAND)


class Fp16Element(ProcessingElement):
    """One product a cycle, added to the FP32 accumulator in the next: consecutive beats need no interleaving.

    Edges normalize subnormals, saturate what is not finite and recode the weight's significand, once per row and
    column. The accumulator is in two's complement; the tail makes an FP32 code of it.

    Subclasses may take operands of another ``number``, of at most 11 significant bits.
    """

    family = "fp16"
    number: FloatFormat = FP16
    title = "FP16"

    def __init__(self, *, scheme: Scheme):
        self.scheme = scheme
        number = self.number
        self.operands = (
            Operand(name="a_code", axis=Axis.ROW, width=number.width, cadence=Cadence.BEAT,
                    doc=f"{self.title} code of A"),
            Operand(name="w_code", axis=Axis.COLUMN, width=number.width, cadence=Cadence.BEAT,
                    doc=f"{self.title} code of W"),
        )
        self.group = 1
        self.result = Cadence.BLOCK
        # Products have exponents up to twice an operand's, and sums of any K a few bytes more.
        self.sum_exponent = max(EXPONENT_WIDTH, exponent_width(number) + 1 - 3)
        self.result_width = SUM_WIDTH + 1 + self.sum_exponent
        self.row_payload = 1 + exponent_width(number) + significand_width(number)
        self.column_payload = 1 + exponent_width(number) + 1 + digits_width(significand_width(number))
        self.edge_latency = EDGE_STAGES
        self.core_latency = 1 + FloatAccumulator.latency
        self.tail_latency = 1 + (HALF_STAGES if scheme.out == "fp16" else 0)

    def beats(self, mode: int) -> int:
        return 1

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

    number: FloatFormat = FP16

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        row = self.axis is Axis.ROW
        significand, exponent, sign = decode(m, self.code(m), self.number)
        m.d.sync += self.o.eq(Cat(significand if row else Cat(recode_digits(significand), significand[-1]),
                                  exponent, sign))
        m.d.sync += self.flag.eq(self.ctl.valid & self.saturates())
        if row:
            m.d.comb += self.ctl_o.eq(delay(m, self.ctl, self.pe.edge_latency, name="ctl"))
        return m

    def code(self, m: Module) -> Value:
        """The operand's code, as much later as the element's edges take longer than this one."""
        return delay(m, self._operand, self.pe.edge_latency - EDGE_STAGES, name="code", reset_less=True)

    def saturates(self) -> Value:
        """Whether the operand at hand is not finite."""
        return special(self._operand[:-1], self.number)

    @property
    def _operand(self) -> Value:
        return self.a_code if self.axis is Axis.ROW else self.w_code


def decode(m: Module, code: Value, number: FloatFormat = FP16) -> tuple[Value, Value, Value]:
    """Significand, normalized or zero, exponent (see ``exponent_width``) and sign of a code, a cycle later."""
    held = Signal(number.width, name="held_code", reset_less=True)
    m.d.sync += held.eq(code)
    significand, exponent = finite_code(held[:-1], number)
    significand, zeros = normalize(Stages(m), significand)
    return significand, (exponent + number.fraction_width - zeros)[:exponent_width(number)], held[-1]


class Fp16Core(Core):
    """Exact product, then acc ← RNE₂₄(acc + product)."""

    pe: Fp16Element

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.accumulator = accumulator = FloatAccumulator(exponent_width=self.pe.sum_exponent)
        width = significand_width(self.pe.number)
        digits_end = digits_width(width)
        a_significand, a_exponent, a_sign = self.a[:width], self.a[width:-1], self.a[-1]
        digits, w_present = self.w[:digits_end], self.w[digits_end]
        w_exponent, w_sign = self.w[digits_end + 1:-1], self.w[-1]
        # The multiplier's tree of at most six rows is registered once: the accumulator is slower than all of it.
        cut = "level_1" if digits_end <= 4 else "level_2"
        product, exponent, negative, nonzero = multiply_digits(
            Stages(m, (cut,)), a_significand, digits, exponent=a_exponent + w_exponent,
            negative=a_sign ^ w_sign, nonzero=a_significand[-1] & w_present & self.ctl.valid)
        m.d.comb += [
            accumulator.first.eq(delay(m, self.ctl.first & self.ctl.valid, 1, name="first")),
            accumulator.nonzero.eq(nonzero), accumulator.negative.eq(negative),
            accumulator.product.eq(product[:2 * width] << PRODUCT_WIDTH - 2 * width),
            accumulator.exponent.eq(exponent),
            self.o.eq(Cat(accumulator.o, accumulator.o_up, accumulator.o_exponent)),
        ]
        return m


def sum_code(word: Value, number: FloatFormat = FP16) -> Value:
    """FP32 code of an accumulator's sum, ``Cat(o, o_up, o_exponent)``, of products of a format; nothing is rounded.
    What is below FP32's normal range becomes +0, what is above it an infinity.
    """
    significand, up, exponent = word[:SUM_WIDTH], word[SUM_WIDTH], word[SUM_WIDTH + 1:]
    sign = significand[-1]
    magnitude = ((significand ^ sign.replicate(SUM_WIDTH)) + (up ^ sign))[:SUM_WIDTH]
    moved = []
    for distance in (4, 2, 1):
        moved.append(magnitude[FP32.fraction_bits + distance:].any())
        magnitude = Mux(moved[-1], magnitude >> distance, magnitude)
    # A magnitude of 2^31 is now one of 2^24: it carries into the exponent, its fraction is zero.
    one = magnitude[FP32.fraction_bits:FP32.fraction_bits + 2]
    biased = Cat(*reversed(moved), exponent) + (FP32.bias + FP32.fraction_bits - product_bias(number) - 3) + one
    code = Cat(magnitude[:FP32.fraction_bits], biased[:8], sign)
    if number.exponent_width == FP32.exponent_bits:  # sums are not sure to be in range
        above, below = biased >= FP32.top_exponent, biased <= 0
        code = Mux(above, Cat(Const(FP32.top_exponent << FP32.fraction_bits, FP32.width - 1), sign),
                   code & (~below).replicate(FP32.width))
    return Mux(one.any(), code, 0)


class Fp16Tail(Tail):
    """Two's complement → FP32 code, exactly; with ``out=fp16`` one rounding more."""

    pe: Fp16Element

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        code = Signal(FP32.width, reset_less=True)
        m.d.sync += code.eq(sum_code(self.i, self.pe.number))
        out, latency = code, 1
        if self.pe.scheme.out == "fp16":
            m.submodules.half = half = FloatToHalf(stages=HALF_STAGES)
            m.d.comb += half.i.eq(code)
            out, latency = half.o, 1 + HALF_STAGES
        m.d.comb += [self.o.eq(out), self.o_valid.eq(delay(m, self.ctl.valid & self.ctl.last, latency, name="done"))]
        return m
