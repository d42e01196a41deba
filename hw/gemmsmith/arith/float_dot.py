"""Fused dot products of floating-point numbers: aligned to the largest exponent, accumulated in fixed point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from amaranth.hdl import Cat, Const, Module, Mux, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.float_multiply import multiply_digits
from gemmsmith.arith.float_stages import Stages, check_stages, shift_left, shift_right
from gemmsmith.arith.sum import levels
from gemmsmith.arith.tech import leaf

STAGES = {
    3: ("level_3", "sum"),
    4: ("level_3", "sum", "fine"),
    5: ("level_1", "level_3", "sum", "fine"),
    6: ("level_1", "level_3", "aligned", "sum", "fine"),
    8: ("level_1", "level_3", "aligned", "pairs", "sum", "fine", "placed"),
}
"""Where to cut for a number of pipeline stages; the accumulator is the last one."""
_FINE = 4
"""Bits of the exponent by which a sum is shifted first."""


class DotFormat(NamedTuple):
    """Widths of a fused dot product of ``lanes`` pairs of numbers (−1)^negative · significand · 2^exponent.

    ``a`` bits of a left significand; ``digits`` bits of the right one's, recoded; both normalized, so that a product
    has ``product`` bits, of which one of the top two is set. ``places`` are kept of a product. ``exponent`` is the
    largest exponent of a product, all are at least 0. The accumulator has ``width`` bits; its unit weighs
    2^(product − places + unit).
    """

    lanes: int
    a: int
    digits: int
    product: int
    places: int
    exponent: int
    unit: int
    width: int

    @property
    def exponent_width(self) -> int:
        """Bits of an operand's signed exponent, and of the sum of two."""
        return self.exponent.bit_length() + 1

    @property
    def half(self) -> int:
        """Bits of the accumulator's lower half."""
        return self.width // 2

    @property
    def left(self) -> data.StructLayout:
        """A left operand. That of zero has a significand of zero and the exponent −2^(exponent_width − 2), which is
        below all others even if the other factor's is the largest."""
        return data.StructLayout({"significand": self.a, "exponent": signed(self.exponent_width), "negative": 1})

    @property
    def right(self) -> data.StructLayout:
        """A right operand, with the digits of ``recode_digits``."""
        return data.StructLayout({"digits": self.digits, "exponent": signed(self.exponent_width), "negative": 1})


class FloatDot(wiring.Component):
    """acc ← acc + Σ products, one group of products a cycle, each truncated towards zero to the places that the largest
    exponent of the group leaves it; all sums exact.

    Nothing of this is a loop but the addition to the accumulator, which is in fixed point.

    Latency: ``stages`` cycles from the operands to the sum that includes them.

    Parameters
    ----------
    format: widths; the number of lanes is a power of two, at least 2.
    stages: registers from input to output, 3, 4, 5, 6 or 8.

    Members
    -------
    first: In(1): forget what was accumulated before this cycle.
    a, w: In: operands, lane 0 lowest, laid out as ``format.left`` and ``format.right``. A cycle that shall change
        nothing has zeros for all of ``a``.
    o: Out(signed(format.width)). o_carry: Out(1): the sum is o + o_carry · 2^format.half.

    Raises
    ------
    ValueError: if ``stages`` is none of those.
    """

    def __init__(self, *, format: DotFormat, stages: int):
        check_stages(stages, STAGES)
        self._format = format
        self._stages = stages
        super().__init__({"first": In(1), "a": In(format.lanes * format.left.size),
                          "w": In(format.lanes * format.right.size), "o": Out(signed(format.width)), "o_carry": Out(1)})

    @property
    def latency(self) -> int:
        return self._stages

    def elaborate(self, platform: object) -> Module:
        m = Module()
        fmt, stages = self._format, Stages(m, STAGES[self._stages])
        left = [data.View(fmt.left, word) for word in _parts(self.a, fmt.lanes)]
        right = [data.View(fmt.right, word) for word in _parts(self.w, fmt.lanes)]
        pairs = list(zip(left, right, strict=True))
        products = [multiply_digits(stages, a.significand, w.digits)[0][:fmt.product] for a, w in pairs]
        exponent, distances = _distances(stages, [(a.exponent + w.exponent)[:fmt.exponent_width] for a, w in pairs])
        (head,) = stages("level_1", head=Cat(self.first, (a.negative ^ w.negative for a, w in pairs)))
        (head,) = stages("level_3", head=head)

        padding = Const(0, fmt.places - fmt.product)
        aligned = {f"lane_{i}": shift_right(stages, Cat(padding, product), distance)
                   for i, (product, distance) in enumerate(zip(products, distances, strict=True))}
        exponent, head, *terms = stages("aligned", exponent=exponent, head=head, **aligned)
        # Signs are relative to that of a sum's first product: each adder subtracts or not, the last one sets it right.
        total, negative, along = _add(stages, terms, head[1:], Cat(head[0], exponent))
        first, exponent = along[0], along[1:]
        place = stages.wire("place", Cat(total, total[-1].replicate(fmt.width + fmt.unit - len(total))))
        fine, coarse = exponent[:_FINE], exponent[_FINE:]
        shifted, coarse, head = stages("fine", value=shift_left(stages, place, fine), coarse=coarse,
                                       head=Cat(first, negative))
        shifted = shift_left(stages, shifted, coarse, unit=1 << _FINE)
        placed, head = stages("placed", value=shifted[fmt.unit:], head=head)
        self._accumulate(m, placed, head[0], head[1])
        return m

    def _accumulate(self, m: Module, value: Value, clear: Value, subtract: Value) -> None:
        """o ← (0 or o) ± value, in two halves: the lower one's carry enters the upper one with the next value."""
        half = self._format.half
        low, carry = Cat(self.o[:half], Const(0, 1)).as_signed(), Cat(self.o_carry, self.o[half:]).as_signed()
        lower = leaf("accumulate")(m, low, clear, Cat(value[:half], Const(0, 1)).as_signed(), subtract)
        # Added to a place below that is set, a carry goes on, whether the sign is plus or minus.
        upper = leaf("accumulate")(m, carry, clear, Cat(Const(1, 1), value[half:]).as_signed(), subtract)
        m.d.sync += [self.o.eq(Cat(lower[:half], upper[1:])), self.o_carry.eq(lower[half] ^ subtract)]


def _parts(word: Value, count: int) -> list[Value]:
    """Equal parts of a word."""
    width = len(word) // count
    return [word[i * width:(i + 1) * width] for i in range(count)]


def _distances(stages: Stages, exponents: Sequence[Value]) -> tuple[Value, list[Value]]:
    """The largest of signed exponents, which means nothing if it is negative, and how much larger it is than each."""
    count = len(exponents)
    level = [value.as_signed() for value in exponents]
    level = [_larger(stages, *pair) for pair in zip(level[::2], level[1::2], strict=True)]
    registered = stages("level_1", **{f"exponent_{i}": value for i, value in enumerate((*exponents, *level))})
    exponents, level = registered[:count], [value.as_signed() for value in registered[count:]]
    while len(level) > 1:
        level = [_larger(stages, *pair) for pair in zip(level[::2], level[1::2], strict=True)]
    largest = level[0]
    distances = {f"distance_{i}": (largest - value.as_signed())[:len(value)] for i, value in enumerate(exponents)}
    exponent, *moved = stages("level_3", exponent=largest[:-1], **distances)
    return exponent, list(moved)


def _larger(stages: Stages, a: Value, b: Value) -> Value:
    return stages.wire("larger", Mux(a < b, b, a)).as_signed()


def _add(stages: Stages, terms: Sequence[Value], negatives: Value, along: Value) -> tuple[Value, Value, Value]:
    """Sum of unsigned terms with signs, to be negated if the sign that follows it is set; then ``along``. Can be cut at
    ``pairs`` and ``sum``."""
    sums, signs = [Cat(term, Const(0, 1)).as_signed() for term in terms], list(negatives)
    depth = levels(len(terms))
    for level in range(depth):
        wider = [Cat(value, value[-1]).as_signed() for value in sums]
        sums = [leaf("accumulate")(stages.module, kept, Const(0, 1), other, s ^ t)
                for kept, other, s, t in zip(wider[::2], sums[1::2], signs[::2], signs[1::2], strict=True)]
        values = {f"sum_{i}": value for i, value in enumerate(sums)}
        head, *found = stages("sum" if level == depth - 1 else "pairs", head=Cat(along, signs[::2]), **values)
        sums, along, signs = list(found), head[:len(along)], list(head[len(along):])
    return sums[0], signs[0], along
