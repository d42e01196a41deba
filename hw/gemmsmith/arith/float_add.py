"""FP32 addition."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.float_stages import Stages, check_stages, normalize, shift_right_sticky
from gemmsmith.arith.round import FP32, RoundToFloat

_PLACES = {
    0: (),
    1: ("out",),
    2: ("sum", "out"),
    3: ("align", "coarse", "out"),
    4: ("swap", "sum", "fine", "out"),
    5: ("swap", "sum", "coarse", "fine", "out"),
    6: ("swap", "sum", "count", "coarse", "round", "out"),
    7: ("swap", "align", "sum", "count", "coarse", "round", "out"),
}
"""Where to cut for a number of pipeline stages, so that the stages are about equally long."""


class FloatAdd(wiring.Component):
    """o = a + b in FP32: one rounding, to nearest, ties to even; results below the normal range flushed to +0.

    Subnormals must not be given. Zero has no sign: x + (−x) = +0. An infinity plus a finite number or an infinity of
    the same sign is that infinity. Infinities of opposite signs make the NaN 0x7FC00000, which stays, whatever is
    added to it.

    Latency: ``stages`` cycles; a new addition every cycle.

    Parameters
    ----------
    stages: registers from input to output, 0 to 7; the last one is at the output.
    stored: whether that last one is left to whoever stores the sum; then the latency is ``stages`` − 1.

    Members
    -------
    a, b: In(32). o: Out(32).

    Raises
    ------
    ValueError: if ``stages`` is none of those.
    """

    def __init__(self, *, stages: int = 3, stored: bool = False):
        check_stages(stages, _PLACES)
        self._places = tuple(place for place in _PLACES[stages] if not (stored and place == "out"))
        super().__init__({"a": In(FP32.width), "b": In(FP32.width), "o": Out(FP32.width)})

    @property
    def latency(self) -> int:
        """Cycles from the input to the output."""
        return len(self._places)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stages = Stages(m, self._places)

        swapped = stages.wire("swapped", self.a[:31] < self.b[:31])
        differ = self.a[31] ^ self.b[31]
        big, small, small_low, distance, differ = stages(
            "swap",
            big=Mux(swapped, self.b, self.a),
            small=Mux(swapped, self.a[:31], self.b[:31]),
            # What a shift by 16 places makes sticky.
            small_low=Mux(swapped, self.a[:14].any(), self.b[:14].any()),
            distance=Mux(swapped, self.b[23:31] - self.a[23:31], self.a[23:31] - self.b[23:31])[:8],
            differ=differ,
        )
        exponent, small_exponent = big[23:31], small[23:31]
        infinite = exponent.all()
        nan = infinite & (big[22] | (differ & small_exponent.all()))
        head = Cat(big[31], exponent, infinite, nan)

        # Two guard places and a sticky bit: a difference that loses more than one leading bit had nothing shifted
        # beyond them. From 32 places on everything is in the sticky bit.
        amount, far = distance[:5], distance[5:].any()
        small_significand = Cat(Const(0, 3), small[:23], small_exponent.any())
        # The last places are shifted together with the complement, which shares their functions.
        coarsely = Mux(amount[4], Cat(small_low, small_significand[17:], Const(0, 16)), small_significand)
        nearly = shift_right_sticky(stages, coarsely, amount[2:4], unit=4)
        nearly, rest, big_significand, differ, head = stages(
            "align", small=Mux(far, small_exponent.any(), nearly), rest=amount[:2],
            big=Cat(big[:23], exponent.any()), differ=differ, head=head,
        )
        aligned = shift_right_sticky(stages, nearly, rest) ^ differ.replicate(27)

        # The least significant place of both operands carries in the one of the two's complement, whose sign ends the
        # carry of a difference.
        total = (Cat(differ, Const(0, 3), big_significand, Const(0, 1)) + Cat(differ, aligned, differ))[1:29]
        total, head = stages("sum", value=total, head=head)
        significand, exponent, head = normalize(stages, total, exponent=head[1:9] + 1, head=head)

        sign, infinite, nan = head[0], head[9], head[10]
        m.submodules.round = round_ = RoundToFloat(
            shape=FP32, width=28, exponent_width=10, cut=stages.cuts("round"))
        m.d.comb += [
            round_.sign.eq(sign & ~nan),
            round_.infinite.eq(infinite),
            round_.exponent.eq(exponent),
            round_.significand.eq(significand),
        ]
        # Equal infinities cancel to zero before they are seen to be a NaN.
        (nan,) = stages("round", nan=nan)
        (out,) = stages("out", value=round_.o | Mux(nan, 0x7FC00000, 0))
        m.d.comb += self.o.eq(out)
        return m
