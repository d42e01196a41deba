"""Accumulation of products in FP32, one a cycle into the same accumulator."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.float_stages import Stages, shift_left
from gemmsmith.arith.tech import leaf

PRODUCT_WIDTH = 22
"""Two significands of 11 bits; of shorter ones, the upper bits."""

SUM_WIDTH = 32
"""A rounded significand in two's complement: its leading one in the top byte, behind the sign."""

EXPONENT_WIDTH = 4
"""Of a sum of FP16 products, counted in bytes."""

_BYTE = 8
_GUARD = 4
"""Places below the sum's last that an addition keeps: two that may become significant, as a product leads a sum by two
places less than a byte or cancels one more, one that rounds, and one besides the sticky bit."""

_FARTHEST = 5
"""Bytes after which a trailing operand leaves nothing but its sign."""


class FloatAccumulator(wiring.Component):
    """acc ← RNE₂₄(acc + product), every cycle: products added in the order they come, rounded each time as FP32 is, but
    for the bounds of its exponent.

    A product is (−1)^negative · product · 2^(exponent − bias), of normalized significands: 2^20 ≤ product < 2^22, and
    a multiple of 2^(22 − bias) if all are. The sum is (o + o_up) · 2^(8 · o_exponent − bias − 2), zero or with a
    magnitude from 2^23 to 2^31, of 24 significant bits. What the bias is plays no part.

    FP16 products have exponents from 2 to 80 with a bias of 70. FP32 holds every sum of them: all are multiples of
    2^-48, and fewer than 2^45 products cannot overflow.

    Latency: 2 cycles from a product to the sum that includes it.

    Parameters
    ----------
    exponent_width: bits of a sum's exponent, in bytes: at least 4, and as many as the largest sum needs.

    Members
    -------
    first: In(1): forget what was accumulated before this cycle.
    nonzero: In(1): there is a product to add; if not, the next three mean nothing.
    negative: In(1). product: In(22). exponent: In(exponent_width + 3).
    o: Out(signed(32)). o_up: Out(1). o_exponent: Out(exponent_width): the sum. The exponent of zero means nothing.
    """

    latency = 2

    def __init__(self, *, exponent_width: int = EXPONENT_WIDTH) -> None:
        if exponent_width < EXPONENT_WIDTH:
            raise ValueError(f"exponent_width must be at least {EXPONENT_WIDTH}, not {exponent_width!r}")
        super().__init__({
            "first": In(1),
            "nonzero": In(1),
            "negative": In(1),
            "product": In(PRODUCT_WIDTH),
            "exponent": In(exponent_width + 3),
            "o": Out(signed(SUM_WIDTH)),
            "o_up": Out(1),
            "o_exponent": Out(exponent_width),
        })

    def elaborate(self, platform: object) -> Module:
        # One cycle holds the whole loop, so little is left in it. Exponents count bytes: the finer part of a product's
        # shift is made before, and that of a sum's never; instead its rounding finds the place of its last bit, which
        # is one of the lowest byte's. What rounding adds waits for the next addition: the places below the last one
        # are filled with it, and it is carried in. The sum is in two's complement: no magnitudes are compared, nothing
        # is negated.
        m = Module()
        stages = Stages(m)
        product = Signal(signed(SUM_WIDTH))
        product_exponent = Signal.like(self.o_exponent)
        clear = Signal()
        leads = Signal()
        distance = Signal(range(_FARTHEST + 1))
        zero, magnitude = Const(0, signed(PRODUCT_WIDTH + 1)), Cat(self.product, Const(0, 1)).as_signed()
        negated = leaf("accumulate")(m, zero, Const(0, 1), magnitude, self.negative)
        fine = Cat(Const(0, 2), negated, negated[-1].replicate(_BYTE - 1))
        m.d.sync += [
            product.eq(Mux(self.nonzero, shift_left(stages, fine, self.exponent[:3]), 0)),
            product_exponent.eq(self.exponent[3:]),
            clear.eq(self.first),
        ]

        # The operand of the smaller exponent trails, an accumulator of zero does.
        acc = Cat(self.o_up.replicate(_GUARD), self.o)
        padded = Cat(Const(0, _GUARD), product)
        leading = stages.wire("leading", Mux(leads, padded, acc))
        trailing = stages.wire("trailing", Mux(leads, acc & ~clear.replicate(len(acc)), padded))
        acc_lost = stages.wire("acc_lost", _lost(acc ^ self.o_up.replicate(len(acc)), distance))
        sticky = stages.wire("sticky", Mux(leads, acc_lost & ~clear, _lost(padded, distance)))
        carry = stages.wire("carry", self.o_up & ~clear & ~(leads & acc_lost))
        aligned = trailing.as_signed()
        for k in reversed(range(len(distance))):
            aligned = stages.wire(f"right_{_BYTE << k}", Mux(distance[k], aligned >> (_BYTE << k), aligned)).as_signed()
        total = stages.wire("total", (Cat(carry, leading).as_signed() + Cat(carry, aligned).as_signed())[1:])
        rounded, up, found = _normalize(stages, total, sticky)

        exponent = stages.wire("leading_exponent", Mux(leads, product_exponent, self.o_exponent))
        moved, next_leads, next_distance = _next(stages, self.exponent[3:], exponent, found)
        m.d.sync += [
            self.o.eq(rounded),
            self.o_up.eq(up),
            self.o_exponent.eq(moved),
            leads.eq(self.first | (self.nonzero & next_leads)),
            distance.eq(next_distance),
        ]
        return m


def _next(stages: Stages, product: Value, exponent: Value, found: Sequence[Value]) -> tuple[Value, Value, Value]:
    """Exponent of a sum, of its leading operand's and of where its leading byte was found; whether the next product,
    of the exponent ``product``, leads it; and their distance in bytes, at most ``_FARTHEST``.

    Where the byte is known last, so that it only chooses among what is prepared.
    """
    farthest = _FARTHEST + len(found) - 2
    # How far the product is ahead of the leading operand, from −farthest on, as far as it matters.
    ahead = stages.wire("ahead", (product + farthest - exponent)[:len(exponent) + 2])
    index = stages.wire("index", (ahead[:4] | ahead[4:-1].any().replicate(4)) & ~ahead[-1].replicate(4))
    byte = stages.wire("byte", _first(found))
    results: list[Value] = []
    for bit in range(4):
        cases = [[_ahead(k - farthest - 1 + case) >> bit & 1 for k in range(16)] for case in range(len(found))]
        cases += [[int(bit == 3)] * 16] * (8 - len(found))  # the sum is zero
        words = [Const(sum(value << k for k, value in enumerate(case)), 16) for case in cases]
        results.append(_select([word.bit_select(index, 1) for word in words], byte))
    step = 1 - byte
    moved = (exponent + Cat(step, step[-1].replicate(len(exponent) - len(step))))[:len(exponent)]
    return moved, results[3], Cat(results[:3])


def _ahead(apart: int) -> int:
    """Distance, and behind its three bits whether the product leads."""
    return min(abs(apart), _FARTHEST) | (apart >= 0) << 3


def _select(cases: Sequence[Value], index: Value) -> Value:
    for k in range(len(index)):
        cases = [Mux(index[k], high, low) for low, high in zip(cases[::2], cases[1::2], strict=True)]
    return cases[0]


def _first(flags: Sequence[Value]) -> Value:
    """Number of the first flag that is set; of all of them if none is."""
    number: Value = Const(len(flags), 3)
    for k, flag in reversed(list(enumerate(flags))):
        number = Mux(flag, Const(k, 3), number)
    return number


def _lost(word: Value, distance: Value) -> Value:
    """Whether a shift by ``distance`` bytes loses a bit that is set."""
    return Cat(word[_BYTE * k:_BYTE * (k + 1)].any() & (distance > k) for k in range(_FARTHEST)).any()


def _normalize(stages: Stages, total: Value, sticky: Value) -> tuple[Value, Value, list[Value]]:
    """The sum cut to 24 bits, its leading one in the top byte; what rounding adds, which also fills the places below;
    then flags, the first of which that is set says where that byte was: one above, in its place, one below, and so on.
    """
    sign, width = total[-1], _GUARD + SUM_WIDTH
    differs = stages.wire("differs", total ^ sign.replicate(len(total)))
    bounds = [width, *range(width - 1, 0, -_BYTE), 0]
    found = [stages.wire("found", differs[low:high].any()) for high, low in pairwise(bounds)]

    def round_at(place: int) -> Value:
        return total[place - 1] & (total[place] | total[:place - 1].any() | sticky)

    # In its place the last of the 24 bits is one of the lowest byte; below[k]: it is above place k.
    below = stages.wire("below", Cat(differs[k + width - _BYTE:width - 1].any() for k in range(_BYTE - 1)))
    last = Cat(Const(1, 1), below) & ~Cat(below, Const(0, 1))
    up = stages.wire("up", Cat(last[k] & round_at(_GUARD + k) for k in range(_BYTE)).any())
    lowest = (total[_GUARD:_GUARD + _BYTE - 1] & ~below) | (below & up.replicate(_BYTE - 1))
    # A byte above, only its last place can be the leading one's. A byte below, only its first two can, or nothing is
    # rounded.
    above_up = stages.wire("above_up", round_at(_GUARD + _BYTE))
    top = differs[width - 1 - _BYTE - 1]
    below_up = stages.wire("below_up", Mux(top, round_at(3), round_at(2)))
    words = [
        Cat(total[_GUARD + _BYTE:width], sign.replicate(_BYTE), above_up),
        Cat(lowest, total[_GUARD + _BYTE - 1:width], up),
        Cat(below_up.replicate(6), Mux(top, below_up, total[2]), total[3:width - _BYTE], below_up),
        *(Cat(Const(0, k), total[:SUM_WIDTH - k], Const(0, 1)) for k in range(2 * _BYTE - _GUARD, SUM_WIDTH, _BYTE)),
    ]
    word = words[-1]
    for flag, other in reversed(list(zip(found, words, strict=True))[:-1]):
        word = stages.wire("word", Mux(flag, other, word))
    return word[:-1], word[-1], found
