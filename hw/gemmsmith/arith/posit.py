"""Posits taken apart, and fused multiply-adds that round to a posit in every cycle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.float_stages import Stages, normalize, shift_right_sticky
from gemmsmith.arith.tech.portable import fitted
from gemmsmith.formats import PositFormat

_GUARD = 3
"""Places below a sum's last: two that a trailing operand may need when leading bits cancel, and a sticky one."""


@dataclass(frozen=True)
class PositShape:
    """Widths of a posit's parts, of formats with at least one place for a fraction or none (n ≥ es + 3)."""

    number: PositFormat

    @property
    def significand(self) -> int:
        """Most bits of a significand, the leading one included."""
        return self.number.n - 2 - self.number.es

    @property
    def span(self) -> int:
        """Scale, that is binary exponent, of the largest number."""
        return self.number.n - 2 << self.number.es

    @property
    def scale(self) -> int:
        """Bits of a scale, signed."""
        return self.span.bit_length() + 1

    @property
    def product_scale(self) -> int:
        """Bits of a product's scale, and of a sum's of products, signed."""
        return (2 * self.span + 3).bit_length() + 1


@dataclass(frozen=True)
class Posit:
    """A posit taken apart: magnitude significand · 2^(scale − (width of significand − 1)), zero if its leading bit is
    clear, whatever the scale then."""

    significand: Value
    scale: Value
    negative: Value
    nar: Value


def decode_posit(m: Module, code: Value, shape: PositShape) -> Posit:
    """The parts of a code, combinational."""
    n, es = shape.number.n, shape.number.es
    body = Signal(n - 1, name="body")
    m.d.comb += body.eq(Mux(code[-1], -code, code))
    ones = body[-1]
    # Zeros where the run goes on, behind its first bit; a one behind them all ends the longest.
    differs = Cat(Const(1, 1), body[:-1] ^ ones.replicate(n - 2))
    _, more = normalize(Stages(m), differs)
    tail = Signal(n - 1, name="tail")
    m.d.comb += tail.eq((body << 2) << more)
    regime = Cat(more ^ (~ones).replicate(len(more)), ~ones)  # k = more of a run of ones, else −1 − more
    scale = fitted((0, Cat(tail[n - 1 - es:], regime)), shape.scale).as_signed()
    return Posit(Cat(tail[2:n - 1 - es], body.any()), scale, code[-1], code[-1] & ~body.any())


class PositAccumulator(wiring.Component):
    """acc ← round(acc + product), every cycle, to a posit: to nearest, ties to the even code, saturating.

    Latency: 1 cycle from a product to the sum that includes it.

    Parameters
    ----------
    shape: of the factors and the sum.

    Members
    -------
    first: In(1): forget what was accumulated before this cycle.
    nonzero: In(1): there is a product to add; if not, the next three mean nothing.
    negative: In(1). product: In(2 · significand), of two normalized significands. scale: In(signed): the sum of theirs.
    nar: In(1): the sum becomes NaR.
    o_nonzero, o_nar, o_negative: Out(1). o_fraction: Out(significand − 1): behind the leading one.
    o_scale: Out(signed(shape.scale)). NaR comes before all others; zero has no sign, scale and fraction.
    """

    latency = 1

    def __init__(self, shape: PositShape):
        self.shape = shape
        super().__init__({
            "first": In(1), "nonzero": In(1), "negative": In(1), "nar": In(1),
            "product": In(2 * shape.significand), "scale": In(signed(shape.product_scale)),
            "o_nonzero": Out(1), "o_nar": Out(1), "o_negative": Out(1),
            "o_fraction": Out(shape.significand - 1), "o_scale": Out(signed(shape.scale)),
        })

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        stages, width = Stages(m), self.shape.significand
        kept = stages.wire("kept", self.o_nonzero & ~self.first)
        ahead = stages.wire("ahead", self.scale - self.o_scale)
        leads = stages.wire("leads", ~kept | (ahead >= 0))
        distance = stages.wire("distance", Mux(ahead < 0, -ahead, ahead)[:self.shape.product_scale])
        acc = stages.wire("acc", Cat(Const(0, width - 1), self.o_fraction, Const(1, 1)) & kept.replicate(2 * width - 1))
        leading = stages.wire("leading", Mux(leads, self.product, acc))
        trailing = stages.wire("trailing", Cat(Const(0, _GUARD), Mux(leads, acc, self.product)))
        aligned = shift_right_sticky(stages, trailing, distance)

        minus = stages.wire("minus", (self.negative ^ self.o_negative) & kept)
        summand = Cat(aligned ^ minus.replicate(len(aligned)), minus).as_signed()
        total = stages.wire("total", (Cat(Const(0, _GUARD), leading, Const(0, 1)).as_signed() + summand + minus))
        below = stages.wire("is_below", total[-1])
        magnitude = stages.wire("magnitude", Mux(below, -total, total)[:2 * width + 1 + _GUARD])
        normalized, zeros = normalize(stages, magnitude)
        base = stages.wire("base", Mux(leads, self.scale, self.o_scale))
        scale = stages.wire("scale_of_sum", (base + 2 - zeros)[:self.shape.product_scale].as_signed())
        exact = Cat(normalized[-width - 1:-1], scale)
        fraction, rounded = _round(stages, self.shape, exact, normalized[:-width - 1].any())

        with m.If(self.nonzero | self.first):
            m.d.sync += [
                self.o_nonzero.eq(self.nonzero & normalized[-1]), self.o_fraction.eq(fraction),
                self.o_scale.eq(rounded), self.o_negative.eq(Mux(leads, self.negative, self.o_negative) ^ below),
            ]
        m.d.sync += self.o_nar.eq(self.nar | (self.o_nar & ~self.first))
        return m


def _round(stages: Stages, shape: PositShape, exact: Value, sticky: Value) -> tuple[Value, Value]:
    """Fraction and scale of the nearest posit to one of a bit more in its fraction, ``Cat(fraction, scale)``.

    Behind the regime a code has room for exponent and fraction less the run's length, and one bit more than that is
    here: so many bits are rounded off as the run is long.
    """
    es, longest = shape.number.es, shape.number.n - 2
    places = es + shape.significand  # behind the regime, as many as the longest run
    regime = exact[places:].as_signed()
    span = range(-longest, longest)
    lengths = [k + 1 if k >= 0 else -k for k in span]
    index = stages.wire("regime", (regime + longest)[:(2 * longest).bit_length()])
    mask = stages.wire("mask", Array(Const((1 << length) - 1, places) for length in lengths)[index])
    # The last bit that stays is the run's own if nothing stays behind it: that of a run of zeros is the one behind.
    last = stages.wire("last", Array(Const(1 << length, places + 1) for length in lengths)[index])
    odd = Mux(last[-1], regime[-1], (exact[:places] & last[:-1]).any())
    half = (exact[:places] & mask & ~(mask >> 1)).any()
    up = stages.wire("round_up", half & (odd | sticky | (exact[:places] & (mask >> 1)).any()))
    filled = Cat(exact[:places] | mask, exact[places:])
    whole = stages.wire("rounded", (filled + up)[:len(exact)] & ~Cat(mask, Const(0, len(exact) - places)))
    above, below = regime >= longest, regime < -longest
    end = Mux(above, Const(longest << places, len(exact)), Const(-longest << places, len(exact)))
    result = stages.wire("nearest", Mux(above | below, end, whole))
    return result[1:shape.significand], result[shape.significand:][:shape.scale].as_signed()
