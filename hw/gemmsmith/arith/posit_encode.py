"""Exact numbers to codes of Posit(16, 1), Posit(8, 0), Posit(4, 1) or E2M1, rounded once."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.serial_normalize import INTERVAL
from gemmsmith.arith.sum import delay

CODE = 16
"""Bits of the longest code."""
FRACTION = 13
"""Bits of the fraction: the most that a code has, and one that rounds."""
EXPONENT = 10
"""Bits of the exponent."""


class PositEncode(wiring.Component):
    """Round a number to a code: posits as the standard of 2022 does, E2M1 to nearest even, saturating.

    The number is x = (1 + f) · 2^exponent, or (−2 + f) · 2^exponent if ``sign``; its fraction f, 0 ≤ f < 1, is
    ``fraction`` · 2^−13 and, if ``more``, less than 2^−13 on top. To E2M1, x / 2 is to be given.

    A posit without an end would be sign, regime, exponent and fraction in a row; it is made once, 15 bits and the one
    behind them, and moved down until the code's last bit is bit 0, the regime's bit coming in from above. That one
    incrementer then rounds all formats. All is in two's complement, which turns every bit of a negative posit's regime
    and exponent, and gives f as it is. E2M1 is a posit without exponent bits from 2 downwards, of x / 2; only from 4 on
    its regime does not end.

    Latency: 9 cycles; a new number every 4.

    Members
    -------
    start: In(1): a number is at the input. format: In(2): 0 E2M1, 1 Posit(4, 1), 2 Posit(8, 0), 3 Posit(16, 1); to be
        held until the code is there.
    sign: In(1). exponent: In(signed(10)). fraction: In(13). more: In(1).
    zero: In(1): x is 0, whatever the others say; ``sign`` must be clear. nar: In(1): x is none, whatever they say.
    o: Out(16): the code, 0 above; NaR or E2M1's code 8 if ``nar``. ``latency`` cycles after ``start``, for one cycle.
    """

    def __init__(self) -> None:
        super().__init__({
            "start": In(1), "format": In(2), "sign": In(1), "exponent": In(signed(EXPONENT)), "fraction": In(FRACTION),
            "more": In(1), "zero": In(1), "nar": In(1), "o": Out(CODE),
        })

    latency = 2 * INTERVAL + 1
    """Cycles from a number to its code."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        string, amount = self._string(m)
        more = self.more | (amount[1:].all() & (self.format != 0))  # posits below minpos are above a half of it
        tags = Cat(self.sign, self.zero, self.nar)
        string, more, (low, tags) = _station(m, self.start, string, more, amount[2:], 4, (amount[:2], tags), name="far")
        second = delay(m, self.start, INTERVAL, name="start")
        string, more, (tags,) = _station(m, second, string, more, low, 1, (tags,), name="near")
        self._round(m, string, more, *tags)
        return m

    def _string(self, m: Module) -> tuple[Signal, Signal]:
        """Regime of two bits, exponent and fraction; and how far to move it: what the regime is longer, and the code
        shorter than 16 bits."""
        long, short, e2m1 = self.format.all(), ~self.format[1], self.format == 0
        with_exponent, small = self.format[0], self.exponent[-1]
        size, longer, above = Signal(EXPONENT - 1), Signal(4), Signal()
        m.d.comb += [
            size.eq(self.exponent[:-1] ^ small.replicate(EXPONENT - 1)),  # −1 − exponent, if negative
            longer.eq(Mux(with_exponent, size[1:5], size[:4])),
            above.eq(size[5:].any() | (size[4] & ~with_exponent)),
        ]
        # No regime need be longer than what leaves no room for a bit behind it; with E2M1, for none that rounds either.
        too_long, endless = Signal(), Signal()
        m.d.comb += [
            too_long.eq(above | Array([  # from 3, 2, 6 or 14 on
                longer[2:].any() | longer[:2].all(), longer[1:].any(), longer[3] | longer[1:3].all(),
                longer[1:].all()])[self.format]),
            endless.eq(e2m1 & ~small & (longer == 1)),  # E2M1's 4 and 6
        ]
        amount, string = Signal(4), Signal(CODE)
        regime = self.sign == small
        m.d.comb += [
            amount.eq(Cat(Mux(too_long, e2m1, longer[0] & ~endless), longer[1] | too_long,
                          longer[2] | short | too_long, longer[3] | ~long | too_long)),
            string.eq(Cat(
                self.fraction[:7],  # rounds, without an exponent: no matter where it is
                Mux(with_exponent, self.fraction[7:], Cat(Const(0, 1), self.fraction[7:-1])),
                Mux(with_exponent, self.exponent[0] ^ self.sign, self.fraction[-1]),
                ~regime ^ endless, regime)),
        ]
        return string, amount

    def _round(self, m: Module, string: Value, more: Value, sign: Value, zero: Value, nar: Value) -> None:
        long, short, e2m1 = self.format.all(), ~self.format[1], self.format == 0
        rounded = Signal(CODE - 1)
        m.d.comb += rounded.eq(string[1:] + (string[0] & (more | string[1])))
        # Sign and magnitude of E2M1. Three zeros are what a magnitude of 8 leaves, or nothing.
        magnitude, some = Signal(3), Signal()
        large = string[-1] ^ sign
        low = rounded[:3]
        m.d.comb += [
            some.eq(low.any() | large),
            magnitude.eq(Mux(low.any(), (low ^ sign.replicate(3)) + sign, large.replicate(3))),
        ]
        void, negative = zero | nar, sign | nar
        m.d.sync += self.o.eq(Cat(
            Mux(void, 0, Mux(e2m1, magnitude, low)),
            Mux(short, nar | (sign & (some | ~e2m1)), rounded[3] & ~void),
            Mux(void | short, 0, rounded[4:7]),
            Mux(long, rounded[7] & ~void, negative & ~short),
            Mux(void | ~long, 0, rounded[8:]),
            negative & long))


def _station(m: Module, load: Value, value: Value, more: Value, times: Value, distance: int, along: tuple[Value, ...],
             *, name: str) -> tuple[Signal, Signal, tuple[Signal, ...]]:
    """A register that takes ``value``, then moves it down by ``distance``, 0 to 3 ``times``, its top bit coming in;
    whether ones were lost or there were ``more``; and what goes ``along``, held as long."""
    held, lost = Signal(len(value), name=name, reset_less=True), Signal(name=f"{name}_more", reset_less=True)
    left = Signal(3, name=f"{name}_left", reset_less=True)
    kept = tuple(Signal.like(item, name=f"{name}_along_{i}", reset_less=True) for i, item in enumerate(along))
    m.d.sync += left.eq(left[1:])
    with m.If(load):
        m.d.sync += [held.eq(value), lost.eq(more), left.eq(Cat(times.any(), times[1], times.all())),
                     *(k.eq(item) for k, item in zip(kept, along, strict=True))]
    with m.Elif(left[0]):
        m.d.sync += [held.eq(Cat(held[distance:], held[-1].replicate(distance))), lost.eq(lost | held[:distance].any())]
    return held, lost, kept
