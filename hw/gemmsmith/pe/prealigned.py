"""What processing elements of pre-aligned activations have in common: a result per group, and the tail that scales."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module

from gemmsmith.arith.float_convert import FloatToHalf
from gemmsmith.arith.float_scale import ScaleInteger
from gemmsmith.arith.float_totals import LOOPS, FloatTotals, check_loop
from gemmsmith.arith.round import FP16
from gemmsmith.arith.sum import delay
from gemmsmith.pe.base import ProcessingElement, Tail
from gemmsmith.schemes import Axis, Cadence, Operand, Part, Prealigned

LANES = Prealigned.group
WEIGHT = 4
"""Bits of a weight code."""
HALF_STAGES = 1


SCALE_STAGES = {2: 2, 3: 3, 4: 6, 8: 9}
"""Pipeline registers of the scaling, by the length of the totals' loop."""


class PrealignedElement(ProcessingElement):
    """Base of processing elements of ``Prealigned`` schemes. Subclasses call ``_scaled`` with their own operands, and
    set what is left.
    """

    scheme: Prealigned
    point: int
    """A core's result is S · 2^(point − m): its last bit weighs 2^(E − 15 − (point − 1)), whatever m is."""

    def _scaled(self, scheme: Prealigned, a_codes: Operand, w_codes: Operand, *, point: int, tail_loop: int) -> None:
        """What the scheme and the tail decide. Raises ``ValueError`` if there is no such tail."""
        check_loop(tail_loop)
        self.scheme = scheme
        self.point = point
        self.operands = (
            a_codes,
            Operand(name="a_exponent", axis=Axis.ROW, width=5, cadence=Cadence.GROUP, part=Part.TAIL,
                    dense=True, doc="shared biased FP16 exponent of the group"),
            w_codes,
            Operand(name="w_scale", axis=Axis.COLUMN, width=16, cadence=Cadence.GROUP, part=Part.TAIL,
                    every=scheme.weight_group // LANES, doc="FP16 scale of the weight group"),
        )
        self.group = LANES
        self.result = Cadence.GROUP
        self.tail_loop = tail_loop
        self.tail_latency = SCALE_STAGES[tail_loop] + LOOPS[tail_loop].latency
        if scheme.out == "fp16":
            self.tail_latency += HALF_STAGES + LOOPS[tail_loop].stored

    def tail(self, share: int) -> Tail:
        return ScaledTail(self, share)


class ScaledTail(Tail):
    """acc ← acc + (float(S) · scale), each step rounded to FP32; one accumulator for each of the ``share`` cores.

    A scale with exponent 31 counts as the largest finite FP16.
    """

    pe: PrealignedElement

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pe = self.pe
        m.submodules.scale = scale = ScaleInteger(
            width=pe.result_width, exponent_width=6, stages=SCALE_STAGES[pe.tail_loop])
        m.submodules.totals = totals = FloatTotals(count=self.share, loop=pe.tail_loop)
        tag = delay(m, self.ctl, scale.latency - 1, name="tag")
        m.d.comb += [
            scale.i.eq(self.i),
            scale.exponent.eq(self.a_exponent - (FP16.bias - 1 + pe.point)),
            scale.scale.eq(self.w_scale),
            totals.i.eq(scale.o),
            *totals.told(tag),
        ]
        done, output = totals.o_valid, totals.o
        if pe.scheme.out == "fp16":
            m.submodules.half = to_half = FloatToHalf(stages=HALF_STAGES)
            stored = int(totals.stages.stored)
            m.d.comb += to_half.i.eq(delay(m, output, stored, name="sum", reset_less=True))
            done, output = delay(m, done, HALF_STAGES + stored, name="done"), to_half.o
        m.d.comb += [self.o.eq(output), self.o_valid.eq(done)]
        return m
