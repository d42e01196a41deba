"""Scaling of integer sums by scales of several formats."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.float_convert import IntToFloat
from gemmsmith.arith.float_multiply import FloatMultiply
from gemmsmith.arith.float_scale import ScaleInteger
from gemmsmith.arith.round import FP16, FP32
from gemmsmith.arith.sum import delay

SCALE_WIDTHS = {"fp16": 16, "fp32": 32, "pow2": 8}
"""Bits of a scale. ``pow2`` is the exponent field of an FP32 number."""
STAGES = {2: (2, 2, 2), 3: (3, 2, 3), 4: (6, 3, 4), 8: (9, 5, 5)}
"""By the length of the loop behind it: stages of the product with an FP16 scale, or of a conversion and of a product of
floats."""


class Dequantise(wiring.Component):
    """o = RNE₃₂(RNE₃₂(i · 2^point) · scale): one sum a cycle, ``latency`` cycles later.

    Parameters
    ----------
    width: bits of ``i``, 2 to 32. scale: ``fp16``, ``fp32`` or ``pow2``. point: a constant, −8 to 0.
    pace: 2, 3, 4 or 8: stages fit a loop of so many cycles, see ``FloatTotals``.

    Members
    -------
    i: In(signed(width)). scale: In(16, 32 or 8): positive normal; results must be zero or in FP32's normal range.
    o: Out(32).
    """

    def __init__(self, *, width: int, scale: str, point: int, pace: int):
        self.width = width
        self.format = scale
        self.point = point
        self.fused, self.convert, self.multiply = STAGES[pace]
        self.latency = dequantise_latency(width=width, scale=scale, pace=pace)
        super().__init__({"i": In(signed(width)), "scale": In(SCALE_WIDTHS[scale]), "o": Out(FP32.width)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        if _fuses(self.width, self.format):
            m.submodules.scale = fused = ScaleInteger(width=self.width, exponent_width=4, stages=self.fused)
            m.d.comb += [fused.i.eq(self.i), fused.exponent.eq(self.point), fused.scale.eq(self.scale[:-1]),
                         self.o.eq(fused.o)]
            return m
        m.submodules.convert = convert = IntToFloat(width=self.width, exponent_width=9, stages=self.convert)
        m.d.comb += convert.i.eq(self.i)
        if self.format == "pow2":
            m.d.comb += [convert.exponent.eq(self.scale - (FP32.bias - self.point)), self.o.eq(convert.o)]
            return m
        m.submodules.multiply = multiply = FloatMultiply(
            b_shape=FP16 if self.format == "fp16" else FP32, stages=self.multiply)
        scale = delay(m, self.scale, self.convert, name="scale", reset_less=True)
        m.d.comb += [convert.exponent.eq(self.point), multiply.a.eq(convert.o), multiply.b.eq(scale),
                     self.o.eq(multiply.o)]
        return m


def dequantise_latency(*, width: int, scale: str, pace: int) -> int:
    """Latency of a ``Dequantise`` of these parameters."""
    fused, convert, multiply = STAGES[pace]
    if _fuses(width, scale):
        return fused
    return convert if scale == "pow2" else convert + multiply


def _fuses(width: int, scale: str) -> bool:
    return scale == "fp16" and width <= FP32.precision + 2
