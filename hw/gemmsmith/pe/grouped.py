"""The tail of processing elements whose cores hand over one sum per group of weights, with an FP16 scale each."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from amaranth.hdl import Module, Value

from gemmsmith.arith.float_convert import FloatToHalf
from gemmsmith.arith.float_multiply import FloatMultiply
from gemmsmith.arith.float_totals import LOOPS, FloatTotals
from gemmsmith.arith.round import FP16
from gemmsmith.arith.sum import delay
from gemmsmith.pe.base import ProcessingElement, Tail
from gemmsmith.schemes import Scheme

SCALE_STAGES, HALF_STAGES = 4, 1
"""Pipeline registers of the tail's parts."""
GROUP_TAIL_LOOP = 4
"""Least cycles between two results of a core."""


def group_tail_latency(scheme: Scheme) -> int:
    """Cycles from a group's sum as FP32 code to the output."""
    return SCALE_STAGES + LOOPS[GROUP_TAIL_LOOP].latency + HALF_STAGES * (scheme.out == "fp16")


class GroupTail(Tail):
    """total ← total + (sum · w_scale), each step rounded to FP32; one total for each of the ``share`` cores.

    A scale with exponent 31 counts as the largest finite FP16. Subclasses make FP32 codes of sums, in ``code_stages``
    cycles.
    """

    def __init__(self, pe: ProcessingElement, share: int, *, code_stages: int):
        self._code_stages = code_stages
        super().__init__(pe, share)

    @abstractmethod
    def code(self, m: Module) -> Value:
        """FP32 code of a group's sum, ``code_stages`` cycles after ``i``."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        half = self.pe.scheme.out == "fp16"
        m.submodules.scale = scale = FloatMultiply(b_shape=FP16, stages=SCALE_STAGES)
        m.submodules.totals = totals = FloatTotals(count=self.share, loop=GROUP_TAIL_LOOP)
        tag = delay(m, self.ctl, self._code_stages + scale.latency - 1, name="tag")
        m.d.comb += [
            scale.a.eq(self.code(m)),
            scale.b.eq(delay(m, self.w_scale, self._code_stages, name="w_scale", reset_less=True)),
            totals.i.eq(scale.o),
            *totals.told(tag),
        ]
        done = totals.o_valid
        if half:
            m.submodules.half = to_half = FloatToHalf(stages=HALF_STAGES)
            m.d.comb += to_half.i.eq(totals.o)
            done = delay(m, done, HALF_STAGES, name="done")
        m.d.comb += [self.o.eq(to_half.o if half else totals.o), self.o_valid.eq(done)]
        return m
