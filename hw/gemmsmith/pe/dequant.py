"""INT4 weights dequantised to FP16 once per column, in front of the FP16 multiply-accumulate."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from gemmsmith.arith.float_multiply import finite_half
from gemmsmith.arith.float_stages import leading_places
from gemmsmith.arith.round import FP16, RoundToFloat
from gemmsmith.arith.tech import leaf
from gemmsmith.pe.base import Edge
from gemmsmith.pe.fp16 import EDGE_STAGES, Fp16Edge, Fp16Element
from gemmsmith.schemes import Axis, Cadence, Dequant, Operand

WEIGHT = 4
"""Bits of a weight code."""
PRODUCT = FP16.precision + WEIGHT - 1
"""Bits of a magnitude of at most 8 times a significand."""
DEQUANT_STAGES = 3


class DequantElement(Fp16Element):
    """The element of ``Fp16`` behind column edges that make FP16 codes of weights and scales."""

    family = "dequant"

    def __init__(self, *, scheme: Dequant):
        super().__init__(scheme=scheme)
        self.operands = (
            self.operands[0],
            Operand(name="w_code", axis=Axis.COLUMN, width=WEIGHT, cadence=Cadence.BEAT,
                    doc="INT4 code of W, two's complement"),
            Operand(name="w_scale", axis=Axis.COLUMN, width=FP16.width, cadence=Cadence.GROUP,
                    doc="FP16 scale of the weight group"),
        )
        self.group = scheme.group
        self.edge_latency = DEQUANT_STAGES + EDGE_STAGES

    def beats(self, mode: int) -> int:
        return self.group

    def column_edge(self) -> Edge:
        return DequantColumnEdge(self, Axis.COLUMN)


class DequantColumnEdge(Fp16Edge):
    """Code and scale → FP16 code, and what ``Fp16Edge`` makes of it: an infinity is the largest finite number there.

    A scale with exponent 31 counts as the largest finite FP16.
    """

    def code(self, m: Module) -> Value:
        sign, magnitude = self.w_code[-1], Mux(self.w_code[-1], -self.w_code.as_signed(), self.w_code)[:WEIGHT]
        significand, exponent = finite_half(self.w_scale[:-1])
        factors = [Signal.like(value, name=name, reset_less=True) for name, value in (
            ("magnitude", magnitude), ("significand", significand), ("exponent", exponent), ("sign", sign))]
        m.d.sync += [held.eq(value) for held, value in zip(
            factors, (magnitude, significand, exponent, sign), strict=True)]
        magnitude, significand, exponent, sign = factors

        word = Cat(significand, Const(0, 1)).as_signed()
        low, high = (leaf("gated_pair")(m, word, magnitude[i:i + 2], False) for i in (0, 2))
        product, sign_2, exponent_2 = Signal(PRODUCT, reset_less=True), Signal(), Signal(len(exponent))
        m.d.sync += [product.eq(Cat(low[:2], low[2:] + high)), sign_2.eq(sign), exponent_2.eq(exponent)]

        # The leading one of a product that is not zero is one of the four upper bits, since scales are normal.
        zeros = leading_places(product[-3:], Const(0, 1))
        m.submodules.round = round_ = RoundToFloat(shape=FP16, width=PRODUCT, exponent_width=7)
        w_code = Signal(FP16.width, reset_less=True)
        m.d.comb += [
            round_.sign.eq(sign_2),
            round_.significand.eq(product << zeros),
            round_.exponent.eq(Mux(product.any(), exponent_2 + (WEIGHT - 1) - zeros, 0)),
        ]
        m.d.sync += w_code.eq(round_.o)
        return w_code

    def saturates(self) -> Value:
        return self.w_scale[FP16.fraction_bits:-1].all()
