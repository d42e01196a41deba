"""Accumulation of FP16 products in FP32, one a cycle into the same accumulator."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.float_stages import Stages, leading_places, normalize, shift_left, shift_right_sticky

PRODUCT_WIDTH = 22
"""Two significands of 11 bits."""

SUM_WIDTH = 26
"""A rounded significand in two's complement: 24 bits, a sign, and a place for rounding up to 2^24."""

EXPONENT_WIDTH = 7
"""Products have exponents up to 80; sums of fewer than 2^47 of them up to 127."""

_GUARD = 4
"""Places below the accumulator's last that its far path keeps. A far sum has up to three leading places to spare (one
for its carry, one as a product may begin a place lower than it could, one lost in a difference), so that two of these
places become significant, one rounds, and one is sticky."""

_NEAR_GUARD = 2
"""The same for the near path, which shifts by two places at most and is exact."""

_TOP_ZEROS = 4
"""Leading places to spare that make a sum near."""


class FloatAccumulator(wiring.Component):
    """acc ← RNE₂₄(acc + product), every cycle: FP16 products added in the order they come, rounded as FP32 each time.

    A product is (−1)^negative · product · 2^(exponent − 70), of normalized significands: 2^20 ≤ product < 2^22,
    2 ≤ exponent ≤ 80. The sum is o_significand · 2^(o_exponent − 72), where o_significand has a magnitude from 2^23
    to 2^24 or is zero. FP32 holds every sum: all are multiples of 2^-48, and fewer than 2^47 products cannot
    overflow.

    Latency: 2 cycles from a product to the sum that includes it.

    Members
    -------
    first: In(1): forget what was accumulated before this cycle.
    nonzero: In(1): there is a product to add; if not, the next three mean nothing.
    negative: In(1). product: In(22). exponent: In(7).
    o_significand: Out(signed(26)). o_exponent: Out(7): the sum. The exponent of zero means nothing.
    """

    latency = 2

    def __init__(self) -> None:
        super().__init__({
            "first": In(1),
            "nonzero": In(1),
            "negative": In(1),
            "product": In(PRODUCT_WIDTH),
            "exponent": In(EXPONENT_WIDTH),
            "o_significand": Out(signed(SUM_WIDTH)),
            "o_exponent": Out(EXPONENT_WIDTH),
        })

    def elaborate(self, platform: object) -> Module:
        # One cycle holds the whole loop, so what would lengthen it is done beside it. The sum is kept in two's
        # complement: no magnitudes are compared, no negative difference is negated. The distance of its exponent from
        # the next product's is found while the sum is still being normalized. And there are two paths, of which the
        # sum takes one at the end: far sums are shifted and rounded; near ones, which cancel after a shift by two
        # places at most, are normalized and exact.
        m = Module()
        stages = Stages(m)
        product = Signal(PRODUCT_WIDTH)
        negative = Signal()
        present = Signal()
        exponent = Signal(EXPONENT_WIDTH)
        m.d.sync += [
            product.eq(Mux(self.nonzero, self.product, 0)),
            negative.eq(self.negative),
            present.eq(self.nonzero),
            exponent.eq(self.exponent),
        ]
        # Two registers hold the sum: the one that goes round the loop is cleared by the next sum's first product,
        # just as the other shows the result.
        acc = Signal(SUM_WIDTH)
        result = Signal(SUM_WIDTH)
        empty = Signal()
        distance = Signal(signed(EXPONENT_WIDTH + 1))
        acc_exponent = stages.wire("acc_exponent", (exponent - distance)[:EXPONENT_WIDTH])
        m.d.comb += [self.o_significand.eq(result), self.o_exponent.eq(acc_exponent)]

        # The operand of the smaller exponent trails: it is shifted right by |distance|. Of a negative distance that
        # is the complement plus one, so the product starts a place lower. 28 places leave nothing but the sign. An
        # empty accumulator, which is zero, trails.
        lower = distance[-1]
        leads = stages.wire("product_leads", (present & ~lower) | empty)
        far = (distance[5:-1] ^ lower.replicate(2)).any()
        amount = stages.wire("amount", (distance[:5] ^ lower.replicate(5)) | Cat(Const(0, 2), far.replicate(3)))
        placed = Cat(Const(0, 2), product, Const(0, 2)) ^ negative.replicate(SUM_WIDTH)
        leading = stages.wire("leading", Cat((negative & leads).replicate(_GUARD), Mux(leads, placed, acc)))
        trailing = Mux(leads, acc, Cat(Const(0, 1), product, Const(0, 3)))
        slightly = shift_right_sticky(stages, Cat(Const(0, _GUARD), trailing).as_signed(), amount[:2])
        fully = shift_right_sticky(stages, slightly.as_signed(), amount[2:], unit=4)

        # The one that completes the negation of a product is carried in below the last place.
        def add(trailing: Value, guard: int) -> Value:
            inverted = trailing ^ (negative & ~leads).replicate(len(trailing))
            return (Cat(negative, leading[_GUARD - guard :]) + Cat(negative, inverted))[1 : SUM_WIDTH + guard + 1]

        far_sum, near, far_zeros = _round_far(stages, stages.wire("far_total", add(fully, _GUARD)))
        near_total = stages.wire("near_total", add(slightly[_GUARD - _NEAR_GUARD :], _NEAR_GUARD))
        near_sum, zero, near_zeros = _normalize_near(stages, near_total)

        # The sum's exponent is that of the leading operand + 1 − zeros.
        zeros = stages.wire("zeros", Mux(near, near_zeros, far_zeros))
        leading_exponent = stages.wire("leading_exponent", Mux(leads, exponent, acc_exponent))
        step = stages.wire("step", (Cat(0, self.exponent) + Cat(0, ~leading_exponent, 1))[1 : EXPONENT_WIDTH + 2])
        total = stages.wire("total", Mux(near, near_sum, far_sum))
        m.d.sync += [
            result.eq(total),
            acc.eq(Mux(self.first, 0, total)),
            distance.eq(step + zeros),
            empty.eq(self.first | (near & zero)),
        ]
        return m


def _round_far(stages: Stages, total: Value) -> tuple[Value, Value, Value]:
    """Rounded sum of up to three spare leading places; whether there are more; their number."""
    sign = total[-1]
    near = stages.wire("near", ~(total[-1 - _TOP_ZEROS : -1] ^ sign.replicate(_TOP_ZEROS)).any())
    zeros = stages.wire("far_zeros", leading_places(total[-4:-1], sign))
    shifted = shift_left(stages, total[:-1], zeros)
    rest, kept = shifted[: _GUARD + 1], Cat(shifted[_GUARD + 1 :], sign)
    up = rest[-1] & (rest[:-1].any() | kept[0])
    return stages.wire("far_sum", (kept.as_signed() + up)[:SUM_WIDTH]), near, zeros


def _normalize_near(stages: Stages, total: Value) -> tuple[Value, Value, Value]:
    """Exact sum of four spare leading places or more; whether it is zero; the number of places."""
    sign = total[-1]
    normalized, zeros = normalize(stages, total[: -1 - _TOP_ZEROS], sign=sign)
    padding = SUM_WIDTH - 2 - len(normalized)
    value = Cat(Const(0, padding), normalized, sign, sign)
    return value, ~(normalized[-1] ^ sign), (zeros + _TOP_ZEROS)[: len(zeros)]
