"""Lattice iCE40: leaves as carry chains whose LUTs choose between two results.

A logic cell's carry takes two of its LUT's inputs as they are, so what it adds cannot be gated in the same cell. But
the LUT has a fourth input: it hands on the sum, or what the sum would be without one of the summands. That summand
needs no gate then, and an accumulator no clear: the chain adds what is not wanted, and nobody looks at it. Synthesis
puts a LUT in front of each such bit.

Words travel through a tree in offset binary (sign bit inverted), so that their sums are plain unsigned ones.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from amaranth.hdl import Cat, Const, Instance, Module, Signal, Value

from gemmsmith.arith.tech import portable
from gemmsmith.arith.tech.registry import variant

Table = Callable[[int, int, int, int], int]
ZERO = Const(0, 1)


def init(table: Table) -> Const:
    """The LUT_INIT of a LUT that is ``table`` of I0, I1, I2 and the carry in, I3."""
    rows = [(i & 1, i >> 1 & 1, i >> 2 & 1, i >> 3) for i in range(16)]
    return Const(sum((table(*row) & 1) << i for i, row in enumerate(rows)), 16)


EITHER = init(lambda shut, a, b, carry: a if shut else a ^ b ^ carry)
EITHER_MINUS = init(lambda shut, a, b, carry: ~a if shut else ~(a ^ b ^ carry))
# In offset binary the zero of a word that is shut out is 100…0.
EITHER_SIGN = init(lambda shut, a, b, carry: ~a if shut else a ^ b ^ carry)
EITHER_TOP = init(lambda shut, a, _, carry: a if shut else carry)
START = init(lambda clear, kept, x, carry: x if clear else kept ^ x ^ carry)
NEGATED = init(lambda minus, kept, x, carry: minus ^ kept ^ x ^ carry)


class Bit(NamedTuple):
    """One bit of a chain: the LUT's table and inputs; the carry adds ``a`` and ``b``."""

    init: Const
    choice: Value
    a: Value
    b: Value


def chain(m: Module, bits: Sequence[Bit]) -> Value:
    """The LUTs' outputs, the first bit the least significant; no carry enters."""
    total, carries = Signal(len(bits), name="chain"), Signal(len(bits), name="carries")
    for k, bit in enumerate(bits):
        carry = carries[k - 1] if k else ZERO
        m.submodules += Instance("SB_LUT4", p_LUT_INIT=bit.init, i_I0=bit.choice, i_I1=bit.a, i_I2=bit.b, i_I3=carry,
                                 o_O=total[k])
        if k + 1 < len(bits):
            m.submodules += Instance("SB_CARRY", i_I0=bit.a, i_I1=bit.b, i_CI=carry, o_CO=carries[k])
    return total


@variant("gated_sum", "ice40")
def gated_sum(m: Module, words: Sequence[Value], gates: Sequence[Value], cuts: Collection[int]) -> Value:
    """Cheapest where sign bits come from registers that hold their complement."""
    if len(words) == 1:
        return portable.gated_sum(m, words, gates, cuts)
    count = len(words)
    signs, shut = Signal(count, name="inverted_signs"), Signal(count, name="inverted_gates")
    m.d.comb += [signs.eq(~Cat(word[-1] for word in words)), shut.eq(~Cat(gates))]
    offset = [Cat(word[:-1], sign) for word, sign in zip(words, signs, strict=True)]
    rows = [_either(m, _gated(offset[i], shut[i]), offset[i + 1], shut[i + 1]) for i in range(0, count - 1, 2)]
    odd = [_gated(offset[-1], shut[-1])] if count % 2 else []
    level = 1
    while True:
        rows += [Cat(row[:-1], ~row[-1], row[-1]) for row in odd]  # a bit wider
        rows = [portable.stage(m, row, registered=level in cuts, name=f"sum_{level}_{i}")
                for i, row in enumerate(rows)]
        if len(rows) == 1:
            return Cat(rows[0][:-1], ~rows[0][-1]).as_signed()
        odd = rows[len(rows) & ~1:]
        rows = portable.pair_sums(rows[:len(rows) & ~1])
        level += 1


def _gated(word: Value, shut: Value) -> Value:
    """A word in offset binary, or its zero."""
    return Cat(word[:-1] & (~shut).replicate(len(word) - 1), word[-1] | shut)


def _either(m: Module, a: Value, b: Value, shut: Value) -> Value:
    """a + b of words in offset binary, or a + 0 if ``shut``."""
    bits = [Bit(EITHER, shut, x, y) for x, y in zip(a[:-1], b[:-1], strict=True)]
    return chain(m, [*bits, Bit(EITHER_SIGN, shut, a[-1], b[-1]), Bit(EITHER_TOP, shut, a[-1], ZERO)])


@variant("gated_pair", "ice40")
def gated_pair(m: Module, word: Value, gates: Value, negative: bool) -> Value:
    """a − b is ~(~a + b), and both complements are free."""
    shut = Signal(name="inverted_gate")
    low = Signal(len(word), name="low")
    m.d.comb += [shut.eq(~gates[1]),
                 low.eq((word.as_unsigned() & gates[0].replicate(len(word))) ^ Const(-negative, len(word)))]
    table = EITHER_MINUS if negative else EITHER
    pairs = zip([*low, low[-1], low[-1]], [ZERO, *word, word[-1]], strict=True)
    return chain(m, [Bit(table, shut, a, b) for a, b in pairs]).as_signed()


@variant("accumulate", "ice40")
def accumulate(m: Module, kept: Value, clear: Value, x: Value, subtract: Value | None = None) -> Value:
    """kept − x is ~(~kept + x): where there is a choice of sign, the LUTs in front of the chain clear and complement
    what is kept, those behind it complement the sum."""
    x = Cat(x, x[-1].replicate(max(0, len(kept) - len(x))))[:len(kept)]
    if subtract is None:
        return chain(m, [Bit(START, clear, a, b) for a, b in zip(kept, x, strict=True)]).as_signed()
    base = (kept.as_unsigned() & (~clear).replicate(len(kept))) ^ subtract.replicate(len(kept))
    return chain(m, [Bit(NEGATED, subtract, a, b) for a, b in zip(base, x, strict=True)]).as_signed()
