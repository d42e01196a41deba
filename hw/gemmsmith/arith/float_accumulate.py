"""Accumulation of FP16 products in FP32, one a cycle into the same accumulator."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.float_stages import Stages, normalize, shift_right_sticky

PRODUCT_WIDTH = 22
"""Two significands of 11 bits."""

SUM_WIDTH = 26
"""A rounded significand in two's complement: 24 bits, a sign, and a place for rounding up to 2^24."""

EXPONENT_WIDTH = 7
"""Products have exponents up to 80; sums of fewer than 2^47 of them up to 127."""

_GUARD = 4
"""Places below the accumulator's last. A difference loses two leading bits at most (the product may have its leading
one a place lower than it could) unless nothing was shifted out of these: two of them become significant, one rounds,
    one is sticky."""

_FRAME_WIDTH = SUM_WIDTH + _GUARD


class FloatAccumulator(wiring.Component):
    """acc ← RNE₂₄(acc + product), every cycle: the sum of FP16 products in ascending order, rounded as FP32 after
    each.

    A product is (−1)^negative · product · 2^(exponent − 70), of normalized significands: 2^20 ≤ product < 2^22, 2 ≤
    exponent ≤ 80. The sum is ``significand`` · 2^(exponent − 72), with magnitude of the significand 2^23 to 2^24, or
    zero: every rounding is that of FP32, which cannot underflow (all is a multiple of 2^-48) and does not overflow
    for fewer than 2^47 products.

    Latency: 2 cycles from a product to the sum that includes it.

    Members
    -------
    first: In(1): forget what was accumulated before this cycle.
    nonzero: In(1): there is a product to add; if not, the other inputs mean nothing.
    negative: In(1). product: In(22). exponent: In(7).
    o_significand: Out(signed(26)). o_exponent: Out(7): the sum; meaningless exponent if it is zero.
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
        # What would lengthen the loop is done beside it. The sum is kept in two's complement (no comparison of
        # magnitudes, no negation of a negative difference) and not yet rounded, so that rounding runs while the
        # shifts are prepared; the difference of the exponents of this sum and the next product is found while the sum
        # is still being normalized.
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

        unrounded = Signal(signed(_FRAME_WIDTH))
        distance = Signal(signed(EXPONENT_WIDTH + 1))
        empty = Signal()
        kept, guard, more = unrounded[5:].as_signed(), unrounded[4], unrounded[:4].any()
        acc = stages.wire("acc", (kept + (guard & (more | kept[0])))[:SUM_WIDTH].as_signed())
        acc_exponent = stages.wire("acc_exponent", (exponent - distance)[:EXPONENT_WIDTH])

        # The operand of the smaller exponent is shifted right by |distance|. For a negative one that is the
        # complement plus one: the product starts a place lower. An empty accumulator counts as the smaller one and as
        # zero.
        lower = distance[-1]
        product_leads = stages.wire("product_leads", (present & ~lower) | empty)
        far = (distance[5:-1] ^ lower.replicate(2)).any()
        amount = stages.wire("amount", (distance[:5] ^ lower.replicate(5)) | far.replicate(5))
        trailing = Mux(product_leads, acc[:] & ~empty.replicate(SUM_WIDTH), Cat(Const(0, 1), product, Const(0, 3)))
        shifted = shift_right_sticky(stages, Cat(Const(0, _GUARD), trailing).as_signed(), amount)
        aligned = shifted ^ (negative & ~product_leads).replicate(_FRAME_WIDTH)

        # The one that completes the product's negation is carried in below the last place.
        placed = Cat(Const(0, 2), product, Const(0, 2)) ^ negative.replicate(SUM_WIDTH)
        leading = Cat((negative & product_leads).replicate(_GUARD), Mux(product_leads, placed, acc[:]))
        total = stages.wire("total", (Cat(negative, leading) + Cat(negative, aligned))[1 : _FRAME_WIDTH + 1])
        normalized, zeros = normalize(stages, total[:-1], sign=total[-1])
        nonzero = normalized[-1] ^ total[-1]

        # The new exponent is that of the leading operand + 1 − zeros.
        leading_exponent = stages.wire("leading_exponent", Mux(product_leads, exponent, acc_exponent))
        step = stages.wire("step", (Cat(0, self.exponent) + Cat(0, ~leading_exponent, 1))[1 : EXPONENT_WIDTH + 2])
        m.d.sync += [
            unrounded.eq(Cat(normalized, total[-1])),
            distance.eq(step + zeros),
            empty.eq(self.first | ~nonzero),
        ]
        m.d.comb += [self.o_significand.eq(acc), self.o_exponent.eq(acc_exponent)]
        return m
