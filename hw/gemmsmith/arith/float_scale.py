"""Scaling of integers: conversion to FP32 and the product with an FP16 scale in one datapath."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.float_convert import IntToFloat
from gemmsmith.arith.float_multiply import finite_half, multiply_digits, recode_digits
from gemmsmith.arith.float_stages import Stages, check_stages
from gemmsmith.arith.round import FP16, FP32

_PLACES = {
    0: (),
    1: (),
    2: ("product",),
    3: ("digits", "product"),
    4: ("level_1", "product"),
    6: ("digits", "level_1", "product"),
    9: ("digits", "level_1", "level_2", "product"),
}
"""Where to cut the multiplier for a number of pipeline stages; the others are the conversion's."""


class ScaleInteger(wiring.Component):
    """o = RNE₃₂(RNE₃₂(i · 2^exponent) · scale): as a conversion to FP32 and a product of floats would make it, but the
    integer is multiplied as it is, and normalized once.

    Both results must be zero or in FP32's normal range. ``scale`` is FP16 without its sign: subnormals are honoured,
    codes with exponent 31 read as 65504.

    Latency: ``stages`` cycles; a new number every cycle.

    Parameters
    ----------
    width: bits of ``i``, 2 to 26: the first rounding loses at most one bit.
    exponent_width: bits of ``exponent``, at least 1.
    stages: registers from input to output, 0 to 4, 6 or 9; the last one is at the output.

    Members
    -------
    i: In(signed(width)). exponent: In(signed(exponent_width)). scale: In(15). o: Out(32).

    Raises
    ------
    ValueError: if a parameter is out of its range.
    """

    def __init__(self, *, width: int, exponent_width: int, stages: int = 3):
        if width not in range(2, FP32.precision + 3):
            raise ValueError(f"width must be 2..{FP32.precision + 2}, not {width!r}")
        if exponent_width < 1:
            raise ValueError(f"exponent_width must be at least 1, not {exponent_width!r}")
        check_stages(stages, _PLACES)
        self._width = width
        self._exponent_width = exponent_width
        self._stages = stages
        super().__init__({"i": In(signed(width)), "exponent": In(signed(exponent_width)),
                          "scale": In(FP16.width - 1), "o": Out(FP32.width)})

    @property
    def latency(self) -> int:
        """Cycles from the input to the output."""
        return self._stages

    def elaborate(self, platform: object) -> Module:
        m = Module()
        places = _PLACES[self._stages]
        stages = Stages(m, places)
        significand, finite = finite_half(self.scale)
        digits, factor, up, exponent = stages(
            "digits",
            digits=recode_digits(significand),
            **self._rounded(significand),
            exponent=self.exponent + finite - (FP16.bias + FP16.fraction_bits),
        )
        product, exponent = multiply_digits(stages, factor, digits, more=up, exponent=exponent)
        product, exponent = stages("product", product=product[:self._width + FP16.precision], exponent=exponent)
        m.submodules.convert = convert = IntToFloat(
            width=len(product), exponent_width=len(exponent), stages=self._stages - len(places))
        m.d.comb += [convert.i.eq(product), convert.exponent.eq(exponent), self.o.eq(convert.o)]
        return m

    def _rounded(self, significand: Value) -> dict[str, Value]:
        """``i``, and what else its rounding to FP32 adds to the product."""
        if self._width < FP32.precision + 2:
            return {"factor": self.i, "up": Const(0, 0)}
        # A last bit too many is half a unit, a tie: it goes, or two are added to make the significand even.
        tie = (self.i[-1] ^ self.i[-2]) & self.i[0]
        factor = Cat(self.i[0] & ~tie, self.i[1:]).as_signed()
        up = Cat(Const(0, 1), significand & (tie & self.i[1]).replicate(len(significand)))
        return {"factor": factor, "up": up}
