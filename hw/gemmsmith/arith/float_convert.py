"""Conversions to and from FP32."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.float_stages import Stages, check_stages, normalize, shift_right_sticky
from gemmsmith.arith.round import FP16, FP32, RoundToFloat

_INT_PLACES = {
    0: (),
    1: ("out",),
    2: ("fine", "out"),
    3: ("coarse", "fine", "out"),
    4: ("count", "coarse", "fine", "out"),
    5: ("count", "coarse", "fine", "round", "out"),
}
_HALF_PLACES = {0: (), 1: ("out",), 2: ("align", "out")}


class IntToFloat(wiring.Component):
    """o = i · 2^exponent as FP32: one rounding, to nearest, ties to even; below the normal range +0, above it an
    infinity.

    Latency: ``stages`` cycles; a new number every cycle.

    Parameters
    ----------
    width: bits of ``i``, at least 2.
    exponent_width: bits of ``exponent``, at least 1.
    stages: registers from input to output, 0 to 5; the last one is at the output.

    Members
    -------
    i: In(signed(width)). exponent: In(signed(exponent_width)). o: Out(32).

    Raises
    ------
    ValueError: if a parameter is out of its range.
    """

    def __init__(self, *, width: int, exponent_width: int, stages: int = 2):
        if width < 2:
            raise ValueError(f"width must be at least 2, not {width!r}")
        if exponent_width < 1:
            raise ValueError(f"exponent_width must be at least 1, not {exponent_width!r}")
        check_stages(stages, _INT_PLACES)
        self._width = width
        self._stages = stages
        super().__init__({"i": In(signed(width)), "exponent": In(signed(exponent_width)), "o": Out(FP32.width)})

    @property
    def latency(self) -> int:
        """Cycles from the input to the output."""
        return self._stages

    def elaborate(self, platform: object) -> Module:
        # A negative number is normalized as it is and complemented afterwards. The one that completes its negation
        # then belongs at the very end of a tail of ones: no carry chain adds it, guard and sticky bit account for it.
        m = Module()
        width = self._width
        stages = Stages(m, _INT_PLACES[self._stages])
        significand, exponent, sign = normalize(
            stages,
            Cat(Const(0, 1), self.i[:-1]),
            sign=self.i[-1],
            negative=self.i[-1],
            exponent=self.exponent + (FP32.bias + width - 2),
        )
        padded = Cat(Const(0, max(0, FP32.precision + 2 - width)), significand)
        complement = padded ^ sign.replicate(len(padded))
        kept, guard, rest = (
            complement[-FP32.precision :],
            complement[-FP32.precision - 1],
            padded[: -FP32.precision - 1],
        )
        more = rest.any()

        m.submodules.round = round_ = RoundToFloat(
            shape=FP32, width=FP32.precision + 2, exponent_width=max(FP32.exponent_bits + 1, len(exponent)),
            cut=stages.cuts("round"),
        )
        m.d.comb += [
            round_.sign.eq(sign),
            round_.exponent.eq(exponent),
            round_.significand.eq(Cat(Mux(sign, guard, more), guard | (sign & ~more), kept)),
        ]
        (out,) = stages("out", value=round_.o)
        m.d.comb += self.o.eq(out)
        return m


class FloatToHalf(wiring.Component):
    """FP32 to FP16: to nearest, ties to even; subnormal results are produced, overflow is an infinity, every zero is
    +0.

    An infinity (or NaN) at the input is an infinity.

    Latency: ``stages`` cycles; a new number every cycle.

    Parameters
    ----------
    stages: registers from input to output, 0 to 2; the last one is at the output.

    Members
    -------
    i: In(32). o: Out(16).

    Raises
    ------
    ValueError: if ``stages`` is none of those.
    """

    def __init__(self, *, stages: int = 1):
        check_stages(stages, _HALF_PLACES)
        self._stages = stages
        super().__init__({"i": In(FP32.width), "o": Out(FP16.width)})

    @property
    def latency(self) -> int:
        """Cycles from the input to the output."""
        return self._stages

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stages = Stages(m, _HALF_PLACES[self._stages])
        fraction, exponent, sign = self.i[:23], self.i[23:31], self.i[31]

        # Half's biased exponent; from 0 downwards the significand is shifted to that of the subnormals. What moves 15
        # places is less than half of the smallest subnormal.
        rebased = stages.wire("rebased", exponent - (FP32.bias - FP16.bias))
        below = stages.wire("below", (1 - rebased)[: len(rebased)])
        subnormal = rebased <= 0
        amount = (below[:4] | below[4:8].any().replicate(4)) & subnormal.replicate(4)
        precise = Cat(fraction[:12].any(), fraction[12:], exponent.any())
        aligned = shift_right_sticky(stages, precise, amount)
        significand, exponent, infinite, sign = stages(
            "align",
            significand=aligned,
            exponent=Mux(subnormal, 0, rebased[:8]),
            infinite=exponent.all(),
            sign=sign,
        )

        m.submodules.round = round_ = RoundToFloat(shape=FP16, width=len(precise), exponent_width=9)
        m.d.comb += [
            round_.sign.eq(sign),
            round_.infinite.eq(infinite),
            round_.exponent.eq(exponent),
            round_.significand.eq(significand),
        ]
        (out,) = stages("out", value=round_.o)
        m.d.comb += self.o.eq(out)
        return m
