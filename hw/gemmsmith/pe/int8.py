"""INT8 dot-product unit: the integer baseline."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed

from gemmsmith.arith.dot import PlaneDot
from gemmsmith.arith.float_convert import FloatToHalf, IntToFloat
from gemmsmith.arith.float_multiply import FloatMultiply
from gemmsmith.arith.sum import delay, levels
from gemmsmith.arith.tech import leaf
from gemmsmith.pe.base import Core, Edge, ProcessingElement, Tail
from gemmsmith.schemes import Axis, Cadence, Int8, Operand, Part

CODE = 8
SUM = 32
"""Bits of a code and of the exact sum (see the scheme's bound on K)."""
CONVERT_STAGES, SCALE_STAGES, HALF_STAGES = 2, 3, 1
"""Pipeline registers of the tail's parts."""


class Int8Element(ProcessingElement):
    """``lanes`` INT8 × INT8 products a cycle, summed by bit planes into a 32-bit accumulator.

    Parameters
    ----------
    lanes: products per cycle and core, a power of two from 1 to 64.
    """

    family = "int8"
    options = {"lanes": "products per cycle and core: a power of two, 1..64"}

    def __init__(self, *, scheme: Int8, lanes: int = 16):
        if lanes not in (1, 2, 4, 8, 16, 32, 64):
            raise ValueError(f"lanes must be a power of two from 1 to 64, not {lanes!r}")
        self.scheme = scheme
        self.lanes = lanes
        codes = CODE * lanes
        self.operands = (
            Operand(name="a_codes", axis=Axis.ROW, width=codes, cadence=Cadence.BEAT,
                    doc="INT8 codes, lane 0 lowest"),
            Operand(name="w_codes", axis=Axis.COLUMN, width=codes, cadence=Cadence.BEAT,
                    doc="INT8 codes, lane 0 lowest"),
            Operand(name="a_scale", axis=Axis.ROW, width=32, cadence=Cadence.BLOCK, part=Part.TAIL,
                    doc="FP32 scale of the row of A"),
            Operand(name="w_scale", axis=Axis.COLUMN, width=32, cadence=Cadence.BLOCK, part=Part.TAIL,
                    doc="FP32 scale of the row of W"),
        )
        self.group = lanes
        self.result = Cadence.BLOCK
        self.result_width = SUM
        self.row_payload = self.column_payload = codes
        self.edge_latency = 1
        self.core_latency = levels(lanes) + levels(CODE) + 1
        self.tail_interval = SCALE_STAGES + 1  # never when the result before it takes its second turn
        self.tail_latency = CONVERT_STAGES + 2 * SCALE_STAGES
        if scheme.out == "fp16":
            self.tail_latency += HALF_STAGES

    def beats(self, mode: int) -> int:
        return 1

    def beats_signal(self, mode: Any) -> Any:
        return Const(1)

    def row_edge(self) -> Edge:
        return Int8Edge(self, Axis.ROW)

    def column_edge(self) -> Edge:
        return Int8Edge(self, Axis.COLUMN)

    def core(self) -> Core:
        return Int8Core(self)

    def tail(self, share: int) -> Tail:
        return Int8Tail(self, share)


class Int8Edge(Edge):
    """Row or column edge: one register for all cores behind it.

    It holds activations in offset binary and the complements of weights, as the leaves of some technologies want them.
    """

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        row = self.axis is Axis.ROW
        codes = Signal.like(self.o, reset_less=True)
        with m.If(self.ctl.valid):
            m.d.sync += codes.eq(invert_signs(self.a_codes) if row else ~self.w_codes)
        m.d.comb += self.o.eq(codes)
        if row:
            m.d.sync += self.ctl_o.eq(self.ctl)
        return m


def invert_signs(codes: Value) -> Value:
    """Codes side by side, from two's complement to offset binary or back."""
    return codes ^ Const(1 << CODE - 1, CODE).replicate(len(codes) // CODE)


class Int8Core(Core):
    """Dot product of a beat, then accumulation over the block; beats that are not valid change nothing."""

    pe: Int8Element

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.dot = dot = PlaneDot(lanes=self.pe.lanes, a_width=CODE, w_width=CODE)
        total = Signal(signed(SUM), reset_less=True)
        # Beats take effect in their order, and the first one clears: even ``valid`` needs no reset.
        valid = delay(m, self.ctl.valid, dot.latency, name="valid", reset_less=True)
        first = delay(m, self.ctl.first, dot.latency, name="first", reset_less=True)
        m.d.comb += [dot.a.eq(invert_signs(self.a)), dot.w.eq(~self.w), self.o.eq(total)]
        following = leaf("accumulate")(m, total, first, dot.o)
        with m.If(valid):
            m.d.sync += total.eq(following)
        return m


class Int8Tail(Tail):
    """(float(S) · a_scale) · w_scale, each step rounded to FP32.

    A core has one result per block, so one multiplier does both products in turn: ``tail_interval`` cycles pass until
    the next core's result may come.
    """

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        half = self.pe.scheme.out == "fp16"
        m.submodules.convert = convert = IntToFloat(width=SUM, exponent_width=1, stages=CONVERT_STAGES)
        m.submodules.scale = scale = FloatMultiply(stages=SCALE_STAGES)
        # The first product takes the number and both scales as they leave the conversion; the second, ``scale.latency``
        # cycles later, the first one's result and the kept scale of the weights.
        first = delay(m, self.ctl.valid, convert.latency, name="first")
        a_scale = delay(m, self.a_scale, convert.latency, name="a_scale", reset_less=True)
        w_scale = delay(m, self.w_scale, convert.latency, name="w_scale", reset_less=True)
        kept = Signal.like(self.w_scale, reset_less=True)
        with m.If(first):
            m.d.sync += kept.eq(w_scale)
        second = delay(m, first, scale.latency, name="second")
        done = delay(m, second, scale.latency, name="done")
        m.d.comb += [
            convert.i.eq(self.i),
            scale.a.eq(Mux(second, scale.o, convert.o)),
            scale.b.eq(Mux(second, kept, a_scale)),
        ]
        if half:
            m.submodules.half = to_half = FloatToHalf(stages=HALF_STAGES)
            m.d.comb += to_half.i.eq(scale.o)
        m.d.comb += [
            self.o.eq(to_half.o if half else scale.o),
            self.o_valid.eq(delay(m, done, HALF_STAGES if half else 0, name="o_valid")),
        ]
        return m
