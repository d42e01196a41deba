"""Lattice ECP5: leaves as chains of CCU2C cells.

A CCU2C holds two bits of a carry chain, each a LUT4 in front of a carry multiplexer. Let its table be
P = f(A, B) ⊕ g(C, D) with g(0, 0) = 0: then the carry of P = 0 is f, so that the bit adds f and g, whatever they are.
Two gated rows, or an accumulator with its clear, thus cost nothing beyond the adder; synthesis never infers it.

Words travel through a tree in offset binary (sign bit inverted). Their sums are unsigned and end in a bit that only
takes the carry out and hands none on, so that two sums of odd width share a chain and no half of a cell is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

from amaranth.hdl import Cat, Const, Instance, Module, Signal, Value

from gemmsmith.arith.tech import portable
from gemmsmith.arith.tech.registry import variant

Table = Callable[[bool, bool], bool]


def init(f: Table, g: Table) -> Const:
    """The INIT of a bit that adds f(A, B) and g(C, D).

    Raises ``ValueError`` if g(0, 0) is set: the carry would not be that of a sum.
    """
    if g(False, False):
        raise ValueError("g(0, 0) must be 0")
    bits = ((bool(i & 1), bool(i & 2), bool(i & 4), bool(i & 8)) for i in range(16))
    return Const(sum((f(a, b) != g(c, d)) << i for i, (a, b, c, d) in enumerate(bits)), 16)


GATED = init(lambda a, shut_a: a and not shut_a, lambda c, shut_c: c and not shut_c)
GATED_SIGN = init(lambda a, shut_a: a or shut_a, lambda c, shut_c: c or shut_c)
GATED_MINUS = init(lambda a, shut_a: not a or shut_a, lambda c, shut_c: c and not shut_c)
ADD = init(lambda a, _: a, lambda c, _: c)
COMPLEMENTED = init(lambda a, minus_a: a != minus_a, lambda c, minus_c: c != minus_c)
ACCUMULATE = init(lambda x, minus: x != minus, lambda kept, clear: kept and not clear)
CHOSEN = Const(sum((bool(i & 1) != bool(i & 4 if i & 2 else i & 8)) << i for i in range(16)), 16)
"""A + (C if B else D): with C and D clear, B changes nothing, so that the carry is A's as well."""
CARRY, CARRY_INVERTED = Const(0, 16), Const(0xFFFF, 16)
ZERO = Const(0, 1)


class Bit(NamedTuple):
    """One bit of a chain: its table and inputs."""

    init: Const
    a: Value = ZERO
    b: Value = ZERO
    c: Value = ZERO
    d: Value = ZERO


def chain(m: Module, bits: Sequence[Bit], *, carry: Value = ZERO) -> Value:
    """Sum bits of a carry chain, the first one the least significant."""
    padded = [*bits, Bit(CARRY)] if len(bits) % 2 else bits
    total = Signal(len(padded), name="chain")
    carries = Signal(len(padded) // 2, name="carries")
    for k in range(len(carries)):
        ports: dict[str, Any] = {"i_CIN": carries[k - 1] if k else carry, "o_COUT": carries[k]}
        for half, bit in enumerate(padded[2 * k:2 * k + 2]):
            ports |= {f"p_INIT{half}": bit.init, f"p_INJECT1_{half}": "NO", f"o_S{half}": total[2 * k + half],
                      **{f"i_{pin.upper()}{half}": getattr(bit, pin) for pin in "abcd"}}
        m.submodules += Instance("CCU2C", **ports)
    return total[:len(bits)]


@variant("gated_sum", "ecp5")
def gated_sum(m: Module, words: Sequence[Value], gates: Sequence[Value], cuts: Collection[int]) -> Value:
    """Cheapest where gates and sign bits come from registers that hold their complement: that is how the cells take
    them."""
    if len(words) == 1:
        return portable.gated_sum(m, words, gates, cuts)
    count, width = len(words), len(words[0])
    signs, shut = Signal(count, name="inverted_signs"), Signal(count, name="inverted_gates")
    m.d.comb += [signs.eq(~Cat(word[-1] for word in words)), shut.eq(~Cat(gates))]
    sums = [[*(Bit(GATED, words[i][k], shut[i], words[i + 1][k], shut[i + 1]) for k in range(width - 1)),
             Bit(GATED_SIGN, signs[i], shut[i], signs[i + 1], shut[i + 1])] for i in range(0, count - 1, 2)]
    odd = [_wider(Cat(portable.gated(words[-1], gates[-1])[:-1], signs[-1] | shut[-1]))] if count % 2 else []
    return _tree(m, sums, odd, cuts)


@variant("ternary_sum", "ecp5")
def ternary_sum(m: Module, words: Sequence[Value], present: Value, negative: Value, cuts: Collection[int]) -> Value:
    """Chains alone: resets of the gated words' registers are their gates, and complements are the chain's."""
    if len(words) == 1:
        return portable.ternary_sum(m, words, present, negative, cuts)
    minus = portable.stage(m, negative, registered=True, name="minus")
    gated = []
    for lane, word in enumerate(words):
        gated.append(Signal(len(word), name=f"gated_{lane}", reset_less=True))
        m.d.sync += gated[lane].eq(Cat(word[:-1], ~word[-1]))
        with m.If(~present[lane]):
            m.d.sync += gated[lane].eq(1 << len(word) - 1)
    sums = [[Bit(COMPLEMENTED, a, minus[lane], c, minus[lane + 1])
             for a, c in zip(gated[lane], gated[lane + 1], strict=True)] for lane in range(0, len(words) - 1, 2)]
    odd = [_wider(gated[-1] ^ minus[-1].replicate(len(gated[-1])))] if len(words) % 2 else []
    return _tree(m, sums, odd, cuts)


def _tree(m: Module, sums: list[list[Bit]], odd: list[Value], cuts: Collection[int]) -> Value:
    """Sum of the chains ``sums``, words in offset binary, and of an ``odd`` one as wide as their sums."""
    level = 1
    while True:
        last = len(sums) + len(odd) == 1
        rows = [*_chains(m, sums, Bit(CARRY_INVERTED if last else CARRY)), *odd]
        rows = [portable.stage(m, row, registered=level in cuts, name=f"sum_{level}_{i}")
                for i, row in enumerate(rows)]
        if last:
            return rows[0].as_signed()
        sums = [[Bit(ADD, a=x, c=y) for x, y in zip(low, high, strict=True)]
                for low, high in zip(rows[::2], rows[1::2], strict=False)]
        odd = [_wider(rows[-1])] if len(rows) % 2 else []
        level += 1


def _wider(row: Value) -> Value:
    """A word in offset binary, a bit wider."""
    return Cat(row[:-1], ~row[-1], row[-1])


def _chains(m: Module, sums: Sequence[Sequence[Bit]], top: Bit) -> list[Value]:
    """Sums of equal width with ``top`` as their most significant bit; two to a chain if their width is odd."""
    width = len(sums[0]) + 1
    per_chain = 1 + width % 2
    rows: list[Value] = []
    for k in range(0, len(sums), per_chain):
        total = chain(m, [bit for bits in sums[k:k + per_chain] for bit in (*bits, top)])
        rows += [total[i:i + width] for i in range(0, len(total), width)]
    return rows


@variant("gated_pair", "ecp5")
def gated_pair(m: Module, word: Value, gates: Value, negative: bool) -> Value:
    """Cheapest where the gates come from registers that hold their complement."""
    shut = Signal(2, name="inverted_gates")
    m.d.comb += shut.eq(~gates)
    low, high = Cat(word, word[-1], word[-1]), Cat(Const(0, 1), word, word[-1])
    table = GATED_MINUS if negative else GATED
    bits = [Bit(table, b, shut[1], a, shut[0]) for a, b in zip(low, high, strict=True)]
    return chain(m, bits, carry=Const(int(negative))).as_signed()


@variant("gated_parts", "ecp5")
def gated_parts(m: Module, word: Value, gates: Value, place: int, lower: Value, upper: Value) -> Value:
    """Each part of the word has gates of its own, which is a LUT for each gate, not for each bit."""
    shut = [portable.stage(m, ~gates[row].replicate(2) | Cat(~lower, ~upper), registered=False,
                           name=f"inverted_gates_{row}") for row in range(2)]

    def bit(row: int, k: int) -> tuple[Value, Value]:
        return (word[k], shut[row][k >= place]) if k in range(len(word)) else (ZERO, ZERO)

    return chain(m, [Bit(GATED, *bit(1, k - 1), *bit(0, k)) for k in range(len(word) + 2)])


@variant("accumulate", "ecp5")
def accumulate(m: Module, kept: Value, clear: Value, x: Value, subtract: Value | None = None) -> Value:
    minus = ZERO if subtract is None else subtract
    x = Cat(x, x[-1].replicate(max(0, len(kept) - len(x))))
    bits = [Bit(ACCUMULATE, a, minus, c, clear) for a, c in zip(x[:len(kept)], kept, strict=True)]
    return chain(m, bits, carry=minus).as_signed()


@variant("accumulate_segment", "ecp5")
def accumulate_segment(m: Module, kept: Value, clear: Value, x: Value, carry: Value,
                       narrow: Value = ZERO) -> Value:
    bits = [Bit(ACCUMULATE, a, ZERO, c, clear) for a, c in zip(x, kept, strict=True)]
    return Cat(chain(m, [Bit(ADD, a=carry, c=carry), *bits, Bit(CARRY)])[1:], Const(1, 1))


@variant("negate_lanes", "ecp5")
def negate_lanes(m: Module, word: Value, minus: Value, joined: Value) -> Value:
    """Between two parts a bit hands the carry on, or starts a new one."""
    size = len(word) // len(minus)
    bits: list[Bit] = []
    for part, (opposite, goes_on) in enumerate(zip(minus, joined, strict=True)):
        bits.append(Bit(ADD, a=opposite | goes_on, c=opposite & ~goes_on))
        bits += [Bit(ACCUMULATE, bit, opposite) for bit in word[part * size:(part + 1) * size]]
    total = chain(m, bits)
    return Cat(total[part * (size + 1) + 1:(part + 1) * (size + 1)] for part in range(len(minus)))


@variant("accumulate_chosen", "ecp5")
def accumulate_chosen(m: Module, kept: Value, low: Value, high: Value, choose: Value) -> Value:
    bits = [Bit(CHOSEN, a, choose, c, d) for a, c, d in zip(kept, high, low, strict=True)]
    return chain(m, bits).as_signed()


@variant("shift_left", "ecp5")
def shift_left(m: Module, word: Value, distance: Value, unit: int) -> Value:
    """A register for each distance, all but one of them reset, and one LUT for the union of four: half of what choosing
    takes."""
    copies = []
    for k in range(4):
        copy = Signal(word.shape(), name=f"left_{k * unit}", reset_less=True)
        m.d.sync += copy.eq(0)
        with m.If(distance == k):
            m.d.sync += copy.eq(word)
        copies.append(Cat(Const(0, k * unit), copy, copy[-1].replicate((3 - k) * unit)))
    return portable.stage(m, (copies[0] | copies[1] | copies[2] | copies[3]).as_signed(), registered=True,
                          name=f"left_{unit}")
@variant("fused_sum", "ecp5")
def fused_sum(m: Module, low: Value, high: Value, fused: Value, shift: int, width: int) -> Value:
    low, high, shifted = (portable.fitted((place, row), width) for place, row in ((0, low), (0, high), (shift, high)))
    return chain(m, [Bit(CHOSEN, a, fused, c, d) for a, c, d in zip(low, shifted, high, strict=True)]).as_signed()
