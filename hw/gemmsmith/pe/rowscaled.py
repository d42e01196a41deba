"""What processing elements of integers with a scale per row of A and of W have in common: a result per block, and the
tail that scales."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value

from gemmsmith.arith.float_convert import FloatToHalf, IntToFloat
from gemmsmith.arith.float_multiply import FloatMultiply
from gemmsmith.arith.sum import delay
from gemmsmith.arith.tech.portable import stage
from gemmsmith.pe.base import ProcessingElement, Tail
from gemmsmith.schemes import Axis, Cadence, Operand, Part, RowScaled

SUM = 32
"""Bits that hold the exact sum (see the schemes' bounds on K)."""
CONVERT_STAGES, SCALE_STAGES, HALF_STAGES = 2, 3, 1
"""Pipeline registers of the tail's parts."""


class RowScaledElement(ProcessingElement):
    """Base of processing elements whose outputs are (float(S) · a_scale) · w_scale, S an exact sum over K. Subclasses
    call ``_scaled`` with their own operands, and set what is left.

    A core's sum counts 2^``point``, and lacks what the column edge sends beside it (``column_side``), if it does.
    """

    point: int = 0

    def _scaled(self, scheme: RowScaled, a_codes: Operand, w_codes: Operand, *, width: int = SUM) -> None:
        """What the scheme and the tail decide; ``width``: bits of a core's sum."""
        self.scheme = scheme
        self.operands = (
            a_codes,
            w_codes,
            Operand(name="a_scale", axis=Axis.ROW, width=32, cadence=Cadence.BLOCK, part=Part.TAIL,
                    doc="FP32 scale of the row of A"),
            Operand(name="w_scale", axis=Axis.COLUMN, width=32, cadence=Cadence.BLOCK, part=Part.TAIL,
                    doc="FP32 scale of the row of W"),
        )
        self.result = Cadence.BLOCK
        self.result_width = width
        self.tail_interval = SCALE_STAGES + 1  # never when the result before it takes its second turn
        self.tail_latency = bool(self.column_side) + CONVERT_STAGES + 2 * SCALE_STAGES
        if scheme.out == "fp16":
            self.tail_latency += HALF_STAGES

    def tail(self, share: int) -> Tail:
        return RowScaledTail(self, share)


class RowScaledTail(Tail):
    """(float(S) · a_scale) · w_scale, each step rounded to FP32.

    A core has one result per block, so one multiplier does both products in turn: ``tail_interval`` cycles pass until
    the next core's result may come.
    """

    pe: RowScaledElement

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        half = self.pe.scheme.out == "fp16"
        summed, done = self._summed(m)
        m.submodules.convert = convert = IntToFloat(width=self.pe.result_width, exponent_width=2, stages=CONVERT_STAGES)
        m.submodules.scale = scale = FloatMultiply(stages=SCALE_STAGES)
        # The first product takes the number and both scales as they leave the conversion; the second, ``scale.latency``
        # cycles later, the first one's result and the kept scale of the weights.
        done += convert.latency
        first = delay(m, self.ctl.valid, done, name="first")
        a_scale = delay(m, self.a_scale, done, name="a_scale", reset_less=True)
        w_scale = delay(m, self.w_scale, done, name="w_scale", reset_less=True)
        kept = Signal.like(self.w_scale, reset_less=True)
        with m.If(first):
            m.d.sync += kept.eq(w_scale)
        second = delay(m, first, scale.latency, name="second")
        ready = delay(m, second, scale.latency, name="ready")
        m.d.comb += [
            convert.i.eq(summed),
            convert.exponent.eq(self.pe.point),
            scale.a.eq(Mux(second, scale.o, convert.o)),
            scale.b.eq(Mux(second, kept, a_scale)),
        ]
        if half:
            m.submodules.half = to_half = FloatToHalf(stages=HALF_STAGES)
            m.d.comb += to_half.i.eq(scale.o)
        m.d.comb += [
            self.o.eq(to_half.o if half else scale.o),
            self.o_valid.eq(delay(m, ready, HALF_STAGES if half else 0, name="o_valid")),
        ]
        return m

    def _summed(self, m: Module) -> tuple[Value, int]:
        """The sum with what the core's lacks, and cycles that it took."""
        if not self.pe.column_side:
            return self.i, 0
        return stage(m, (self.i + self.column_side)[:self.pe.result_width], registered=True, name="summed"), 1
