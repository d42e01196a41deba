"""FP16 × INT4 multiply-accumulate with an FP32 accumulator, scaled per group of weights."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from gemmsmith.arith.float_accumulate import EXPONENT_WIDTH, PRODUCT_WIDTH, SUM_WIDTH, FloatAccumulator
from gemmsmith.arith.float_stages import leading_places
from gemmsmith.arith.round import FP16, FP32
from gemmsmith.arith.tech import leaf
from gemmsmith.pe.base import Core, Edge, ProcessingElement, Tail
from gemmsmith.pe.fp16 import EDGE_STAGES, EXPONENT, SIGNIFICAND, Fp16Edge, sum_code
from gemmsmith.pe.grouped import GROUP_TAIL_LOOP, GroupTail, group_tail_latency
from gemmsmith.schemes import Axis, Cadence, FpInt, Operand, Part

WEIGHT = 4
"""Bits of a weight code."""
WEIGHT_EXPONENT = 5
PADDING = PRODUCT_WIDTH - SIGNIFICAND - 3
"""Places below a product of an activation's and a weight's significand of three bits."""
SMALLEST = 25
"""Exponent of a weight of magnitude 1, such that its sum with an activation's is the accumulator's (2^-70): an
activation's unit is 2^-35, a weight's significand 2^-2."""
CODE_STAGES = 1


class FpIntElement(ProcessingElement):
    """One product a cycle, added to the FP32 accumulator in the next; a result per group of weights.

    Edges make a normalized significand and an exponent of what they get: a weight has three bits of the one and two of
    the other. The tail makes an FP32 code of a group's sum, scales it, and adds it up.
    """

    family = "fpint"

    def __init__(self, *, scheme: FpInt):
        self.scheme = scheme
        self.operands = (
            Operand(name="a_code", axis=Axis.ROW, width=FP16.width, cadence=Cadence.BEAT, doc="FP16 code of A"),
            Operand(name="w_code", axis=Axis.COLUMN, width=WEIGHT, cadence=Cadence.BEAT,
                    doc="INT4 code of W, two's complement"),
            Operand(name="w_scale", axis=Axis.COLUMN, width=FP16.width, cadence=Cadence.GROUP, part=Part.TAIL,
                    doc="FP16 scale of the weight group"),
        )
        self.group = scheme.weight_group
        self.result = Cadence.GROUP
        self.result_width = SUM_WIDTH + 1 + EXPONENT_WIDTH
        self.row_payload = 1 + EXPONENT + SIGNIFICAND
        self.column_payload = 1 + WEIGHT_EXPONENT + 3
        self.edge_latency = EDGE_STAGES
        self.core_latency = FloatAccumulator.latency
        self.tail_loop = GROUP_TAIL_LOOP
        self.tail_latency = CODE_STAGES + group_tail_latency(scheme)

    def beats(self, mode: int) -> int:
        return self.group

    def row_edge(self) -> Edge:
        return Fp16Edge(self, Axis.ROW)

    def column_edge(self) -> Edge:
        return FpIntColumnEdge(self, Axis.COLUMN)

    def core(self) -> Core:
        return FpIntCore(self)

    def tail(self, share: int) -> Tail:
        return FpIntTail(self, share, code_stages=CODE_STAGES)


class FpIntColumnEdge(Edge):
    """Code → sign, exponent, significand 1.xx, its two lower bits complemented, and whether there is one."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        code = Signal(WEIGHT, reset_less=True)
        sign = code[-1]
        magnitude = Mux(sign, -code.as_signed(), code)[:WEIGHT]
        # Of 1 to 7 the leading bit is one of three; 8 is 4 with an exponent more.
        zeros = leading_places(magnitude[:3], Const(0, 1))
        fraction = (magnitude[:2] << zeros)[:2] & ~magnitude[-1].replicate(2)
        exponent = Mux(magnitude[-1], SMALLEST + 3, SMALLEST + 2 - zeros)
        m.d.sync += [code.eq(self.w_code), self.o.eq(Cat(~fraction, magnitude.any(), exponent[:WEIGHT_EXPONENT], sign))]
        return m


class FpIntCore(Core):
    """Exact product, then acc ← RNE₂₄(acc + product)."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.accumulator = accumulator = FloatAccumulator()
        significand, a_exponent, a_sign = self.a[:SIGNIFICAND], self.a[SIGNIFICAND:-1], self.a[-1]
        absent, w_present, w_exponent, w_sign = self.w[:2], self.w[2], self.w[3:-1], self.w[-1]
        lower = leaf("gated_pair")(m, Cat(significand, Const(0, 1)).as_signed(), ~absent, False)
        product = Cat(lower[:2], lower[2:SIGNIFICAND + 2] + significand)
        m.d.comb += [
            accumulator.first.eq(self.ctl.first & self.ctl.valid),
            accumulator.nonzero.eq(significand[-1] & w_present & self.ctl.valid),
            accumulator.negative.eq(a_sign ^ w_sign),
            accumulator.product.eq(Cat(Const(0, PADDING), product)),
            accumulator.exponent.eq(a_exponent + w_exponent),
            self.o.eq(Cat(accumulator.o, accumulator.o_up, accumulator.o_exponent)),
        ]
        return m


class FpIntTail(GroupTail):
    """A group's sum comes as the accumulator has it."""

    def code(self, m: Module) -> Value:
        code = Signal(FP32.width, reset_less=True)
        m.d.sync += code.eq(sum_code(self.i))
        return code
