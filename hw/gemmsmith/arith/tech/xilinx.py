"""Xilinx UltraScale+ (and 7 series): leaves as carry chains behind LUT6_2 cells.

A LUT6_2 gives two functions of the same five inputs. In front of a carry bit, one is f ⊕ g, which decides whether the
carry passes on, the other is f, which is the carry if it does not: so the bit adds f and g, whatever they are. Two
gated rows, or an accumulator with its clear and sign, thus cost a LUT a bit. Three rows cost no more: the LUT adds a
column of three, hands their carry to the next bit's LUT, and the chain adds both.

Chains are of CARRY4, which UltraScale+ takes as half a CARRY8: it is what Yosys infers, so that counts compare. Words
travel through a tree in offset binary (sign bit inverted): a sum's last bit is the carry out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import zip_longest
from typing import NamedTuple

from amaranth.hdl import Cat, Const, Instance, Module, Signal, Value

from gemmsmith.arith.tech import portable
from gemmsmith.arith.tech.registry import variant

Table = Callable[[int, int, int, int, int], int]
ZERO, ONE = Const(0, 1), Const(1, 1)


def init(o6: Table, o5: Table) -> Const:
    """The INIT of a LUT6_2 whose I5 is high: O6 and O5 are functions of I0 … I4."""
    rows = [(i & 1, i >> 1 & 1, i >> 2 & 1, i >> 3 & 1, i >> 4 & 1) for i in range(32)]
    return Const(sum((o6(*row) & 1) << i + 32 | (o5(*row) & 1) << i for i, row in enumerate(rows)), 64)


def adds(f: Callable[[int, int], int], g: Callable[[int, int], int]) -> Const:
    """The INIT of a bit that adds f(I0, I1) and g(I2, I3)."""
    return init(lambda a, b, c, d, _: f(a, b) ^ g(c, d), lambda a, b, c, d, _: f(a, b))


GATED = adds(lambda a, shut_a: a & ~shut_a, lambda c, shut_c: c & ~shut_c)
GATED_SIGN = adds(lambda a, shut_a: a | shut_a, lambda c, shut_c: c | shut_c)
GATED_MINUS = adds(lambda a, shut_a: ~a | shut_a, lambda c, shut_c: c & ~shut_c)
ACCUMULATE = adds(lambda x, minus: x ^ minus, lambda kept, clear: kept & ~clear)
ADD = adds(lambda a, _: a, lambda c, _: c)
ADD_THREE = init(lambda x, y, z, carry, _: x ^ y ^ z ^ carry, lambda x, y, z, *_: (x + y + z) >> 1)


class Row(NamedTuple):
    """An unsigned word of a tree, from 0 to ``limit``, as wide as that needs."""

    value: Value
    limit: int


def lut(m: Module, table: Const, inputs: Sequence[Value]) -> tuple[Value, Value]:
    """O6 and O5 of a LUT6_2 of up to five ``inputs``."""
    o6, o5 = Signal(name="o6"), Signal(name="o5")
    pins = {f"i_I{k}": bit for k, bit in enumerate([*inputs, *[ZERO] * (5 - len(inputs))])}
    m.submodules += Instance("LUT6_2", p_INIT=table, **pins, i_I5=ONE, o_O6=o6, o_O5=o5)
    return o6, o5


def chain(m: Module, selects: Sequence[Value], data: Sequence[Value], *, carry: Value = ZERO) -> Value:
    """Sum bits of a carry chain, the first one the least significant, then its carry out. A bit passes the carry on if
    its select is high, else its data."""
    count = len(selects)
    total, carries = (Signal(-(-count // 4) * 4, name=name) for name in ("chain", "carries"))
    for k in range(0, count, 4):
        m.submodules += Instance(
            "CARRY4", i_CI=carries[k - 1] if k else ZERO, i_CYINIT=ZERO if k else carry,
            i_S=_four(selects[k:k + 4]), i_DI=_four(data[k:k + 4]), o_O=total[k:k + 4], o_CO=carries[k:k + 4])
    return Cat(total[:count], carries[count - 1])


def _four(bits: Sequence[Value]) -> Value:
    return Cat(*bits, Const(0, 4 - len(bits)))


def add_two(m: Module, bits: Iterable[tuple[Const, Sequence[Value]]], *, carry: Value = ZERO) -> Value:
    """Sum of bits, each a table made by ``adds`` and its inputs, then the carry out."""
    selects, data = zip(*(lut(m, table, inputs) for table, inputs in bits), strict=True)
    return chain(m, selects, data, carry=carry)


def add_rows(m: Module, rows: Sequence[Row]) -> Row:
    """The sum of one, two or three rows."""
    limit = sum(row.limit for row in rows)
    columns = list(zip_longest(*(row.value for row in rows), fillvalue=ZERO))
    if len(rows) == 1:
        return rows[0]
    if len(rows) == 2:
        total = add_two(m, [(ADD, (x, ZERO, y)) for x, y in columns])
    else:
        saved: list[Value] = [ZERO]  # carries of the columns, one place up
        selects: list[Value] = []
        for x, y, z in [*columns, (ZERO, ZERO, ZERO)]:
            select, carry = lut(m, ADD_THREE, (x, y, z, saved[-1]))
            selects.append(select)
            saved.append(carry)
        total = chain(m, selects, saved[:-1])
    return Row(total[:limit.bit_length()], limit)


@variant("gated_sum", "xcup")
def gated_sum(m: Module, words: Sequence[Value], gates: Sequence[Value], cuts: Collection[int]) -> Value:
    """The first level takes two words at a time with their gates, the others three rows: fewer levels than those of
    ``cuts``, which are spread over them; what is left over stands behind the last one, where there are fewest bits.

    Cheapest where gates and sign bits come from registers that hold their complement.
    """
    count, width = len(words), len(words[0])
    if count == 1:
        return portable.gated_sum(m, words, gates, cuts)
    levels = (count - 1).bit_length()
    rows = _first_level(m, words, gates)
    if excess := (1 << levels) - count:  # words that are missing, as zeros in offset binary
        rows.append(Row(Const(excess << width - 1), excess << width - 1))
    steps = 1 + _steps(len(rows))
    registers = Counter(-(-cut * steps // levels) for cut in cuts)
    for step in range(1, steps + 1):
        if step > 1:
            rows = [add_rows(m, rows[k:k + 3]) for k in range(0, len(rows), 3)]
        for _ in range(registers[step]):
            rows = [Row(portable.stage(m, row.value, registered=True, name=f"sum_{step}_{i}"), row.limit)
                    for i, row in enumerate(rows)]
    total = rows[0].value
    return Cat(total[:-1], ~total[-1]).as_signed()


def _first_level(m: Module, words: Sequence[Value], gates: Sequence[Value]) -> list[Row]:
    """Gated words in offset binary, added two by two."""
    count, width = len(words), len(words[0])
    signs, shut = Signal(count, name="inverted_signs"), Signal(count, name="inverted_gates")
    m.d.comb += [signs.eq(~Cat(word[-1] for word in words)), shut.eq(~Cat(gates))]
    limit = (1 << width) - 1
    rows = []
    for i in range(0, count - 1, 2):
        a, b = words[i], words[i + 1]
        bits = [(GATED, (a[k], shut[i], b[k], shut[i + 1])) for k in range(width - 1)]
        bits.append((GATED_SIGN, (signs[i], shut[i], signs[i + 1], shut[i + 1])))
        rows.append(Row(add_two(m, bits), 2 * limit))
    if count % 2:
        last = Cat(portable.gated(words[-1], gates[-1])[:-1], signs[-1] | shut[-1])
        rows.append(Row(last, limit))
    return rows


def _steps(rows: int) -> int:
    """Levels of a tree that adds three at a time."""
    steps = 0
    while rows > 1:
        rows, steps = -(-rows // 3), steps + 1
    return steps


@variant("gated_pair", "xcup")
def gated_pair(m: Module, word: Value, gates: Value, negative: bool) -> Value:
    """Cheapest where the gates come from registers that hold their complement."""
    shut = Signal(2, name="inverted_gates")
    m.d.comb += shut.eq(~gates)
    low, high = Cat(word, word[-1], word[-1]), Cat(ZERO, word, word[-1])
    table = GATED_MINUS if negative else GATED
    bits = [(table, (b, shut[1], a, shut[0])) for a, b in zip(low, high, strict=True)]
    return add_two(m, bits, carry=Const(int(negative), 1))[:-1].as_signed()


@variant("accumulate", "xcup")
def accumulate(m: Module, kept: Value, clear: Value, x: Value, subtract: Value | None = None) -> Value:
    minus = ZERO if subtract is None else subtract
    x = Cat(x, x[-1].replicate(max(0, len(kept) - len(x))))
    bits = [(ACCUMULATE, (a, minus, c, clear)) for a, c in zip(x[:len(kept)], kept, strict=True)]
    return add_two(m, bits, carry=minus)[:-1].as_signed()


@variant("gated_parts", "xcup")
def gated_parts(m: Module, word: Value, gates: Value, place: int, lower: Value, upper: Value) -> Value:
    """Each part of the word has gates of its own, which is a LUT for each gate, not for each bit."""
    shut = [portable.stage(m, ~gates[row].replicate(2) | Cat(~lower, ~upper), registered=False,
                           name=f"inverted_gates_{row}") for row in range(2)]

    def bit(row: int, k: int) -> tuple[Value, Value]:
        return (word[k], shut[row][k >= place]) if k in range(len(word)) else (ZERO, ZERO)

    return add_two(m, [(GATED, (*bit(1, k - 1), *bit(0, k))) for k in range(len(word) + 2)])[:-1]


@variant("accumulate_segment", "xcup")
def accumulate_segment(m: Module, kept: Value, clear: Value, x: Value, carry: Value,
                       narrow: Value = ZERO) -> Value:
    total = add_two(m, [(ACCUMULATE, (a, ZERO, c, clear)) for a, c in zip(x, kept, strict=True)], carry=carry)
    return Cat(total, ONE)
