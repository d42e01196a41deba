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
    stages: registers from input to output, 0 to 5; the last one is at the output.

    Members
    -------
    a, b: In(32). o: Out(32).

    Raises
    ------
    ValueError: if ``stages`` is none of those.
    """

    def __init__(self, *, stages: int = 3):
        check_stages(stages, _PLACES)
        self._stages = stages
        super().__init__({"a": In(FP32.width), "b": In(FP32.width), "o": Out(FP32.width)})

    @property
    def latency(self) -> int:
        """Cycles from the input to the output."""
        return self._stages

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stages = Stages(m, _PLACES[self._stages])

        swapped = stages.wire("swapped", self.a[:31] < self.b[:31])
        differ = self.a[31] ^ self.b[31]
        big, small, distance, differ = stages(
            "swap",
            big=Mux(swapped, self.b, self.a),
            small=Mux(swapped, self.a[:31], self.b[:31]),
            distance=Mux(swapped, self.b[23:31] - self.a[23:31], self.a[23:31] - self.b[23:31])[:8],
            differ=differ,
        )
        exponent, small_exponent = big[23:31], small[23:31]
        infinite = exponent.all()
        nan = infinite & (big[22] | (differ & small_exponent.all()))
        head = Cat(big[31], exponent, infinite, nan)

        # Two guard places and a sticky bit: a difference that loses more than one leading bit had nothing shifted
        # beyond them. 31 places shift everything into the sticky bit.
        amount = distance[:5] | distance[5:].any().replicate(5)
        small_significand = Cat(Const(0, 3), small[:23], small_exponent.any())
        aligned = shift_right_sticky(stages, small_significand, amount) ^ differ.replicate(27)
        aligned, big_significand, differ, head = stages(
            "align", small=aligned, big=Cat(big[:23], exponent.any()), differ=differ, head=head
        )

        # The least significant place of both operands carries in the one of the two's complement.
        total = (Cat(differ, Const(0, 3), big_significand) + Cat(differ, aligned))[1:]
        total, head = stages("sum", value=Cat(total[:27], total[27] & ~differ), head=head)
        significand, zeros, head = normalize(stages, total, head=head)

        sign, exponent, infinite, nan = head[0], head[1:9], head[9], head[10]
        m.submodules.round = round_ = RoundToFloat(shape=FP32, width=28, exponent_width=10)
        m.d.comb += [
            round_.sign.eq(sign & ~nan),
            round_.infinite.eq(infinite),
            round_.exponent.eq(exponent + 1 - zeros),
            round_.significand.eq(significand),
        ]
        # Equal infinities cancel to zero before they are seen to be a NaN.
        (out,) = stages("out", value=round_.o | Mux(nan, 0x7FC00000, 0))
        m.d.comb += self.o.eq(out)
        return m
