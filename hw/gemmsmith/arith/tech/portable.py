"""The portable description of every leaf: plain Amaranth, the contract of its variants.

All data registers are without reset: what they hold before the first valid beat is never looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from gemmsmith.arith.tech.registry import leaf, variant

NEVER = Const(0, 1)


@variant("gated_sum")
def gated_sum(m: Module, words: Sequence[Value], gates: Sequence[Value], cuts: Collection[int]) -> Value:
    """Σ (word if gate) of signed words of one width; a bit wider for each of the ⌈log₂⌉ levels of the tree.

    ``cuts`` are the levels, counted from 1, whose sums are registered: the latency is their number. Registers also
    keep synthesis from merging the tree into one multi-operand adder, which costs FPGAs several times the area of
    carry chains.
    """
    return _tree(m, [gated(word, gate) for word, gate in zip(words, gates, strict=True)], cuts)


def _tree(m: Module, terms: Sequence[Value], cuts: Collection[int]) -> Value:
    level = 0
    while len(terms) > 1:
        level += 1
        terms = [stage(m, total, registered=level in cuts, name=f"sum_{level}_{i}")
                 for i, total in enumerate(pair_sums(terms))]
    return terms[0]


@variant("ternary_sum")
def ternary_sum(m: Module, words: Sequence[Value], present: Value, negative: Value, cuts: Collection[int]) -> Value:
    """Σ (word if present, else 0; complemented if negative) of signed words of one width; otherwise as ``gated_sum``.

    Each complement lacks a one: −x = ~x + 1. Summands are registered, so that the latency is a cycle more.
    """
    terms = [((word.as_unsigned() & p.replicate(len(word))) ^ n.replicate(len(word))).as_signed()
             for word, p, n in zip(words, present, negative, strict=True)]
    return _tree(m, [stage(m, term, registered=True, name=f"term_{i}") for i, term in enumerate(terms)], cuts)


@variant("gated_pair")
def gated_pair(m: Module, word: Value, gates: Value, negative: bool) -> Value:
    """word · gates[0] ± word · 2 · gates[1] for a signed word: minus if ``negative``; two bits wider, combinational."""
    low, high = gated(word, gates[0]), Cat(Const(0, 1), gated(word, gates[1])).as_signed()
    return (low - high if negative else low + high)[:len(word) + 2].as_signed()


@variant("gated_parts")
def gated_parts(m: Module, word: Value, gates: Value, place: int, lower: Value, upper: Value) -> Value:
    """word · gates[0] + word · 2 · gates[1] for an unsigned word, two bits wider, combinational: without the word's
    bits below ``place`` unless ``lower``, and without the others unless ``upper``."""
    kept = word & Cat(lower.replicate(place), upper.replicate(len(word) - place))
    return leaf("gated_pair")(m, Cat(kept, Const(0, 1)).as_signed(), gates, False)[:len(word) + 2]


@variant("accumulate")
def accumulate(m: Module, kept: Value, clear: Value, x: Value, subtract: Value | None = None) -> Value:
    """(0 if clear else kept) ± x for signed words; as wide as ``kept`` (wraps), combinational.

    ``subtract`` (None: never) chooses the minus.
    """
    width = len(kept)
    base = kept.as_unsigned() & (~clear).replicate(width)
    if subtract is None:
        return (base.as_signed() + x)[:width].as_signed()
    # −x = ~x + 1; the 1 enters through an extra bit below, so that it stays one carry chain.
    operand = Mux(subtract, ~x, x)
    return (Cat(subtract, base).as_signed() + Cat(subtract, operand).as_signed())[1:width + 1].as_signed()


@variant("accumulate_segment")
def accumulate_segment(m: Module, kept: Value, clear: Value, x: Value, carry: Value,
                       narrow: Value = NEVER) -> Value:
    """(0 if clear else kept) + x + carry of unsigned words of one width, combinational; two bits wider: the carry out,
    and whether the upper half is another than that of ``kept``, or may be.

    ``narrow`` says that the upper half of x repeats a sign bit, and that nobody wants the carry out."""
    base = kept & (~clear).replicate(len(kept))
    # The carry enters through an extra bit below, so that it stays one carry chain.
    return Cat((Cat(carry, base) + Cat(carry, x))[1:], Const(1, 1))


@variant("negate_lanes")
def negate_lanes(m: Module, word: Value, minus: Value, joined: Value) -> Value:
    """Opposites of the numbers side by side in ``word``, where ``minus`` says so; as wide, combinational.

    The word is cut into as many parts as ``minus`` has bits; a part that is ``joined`` goes on the number of the part
    below it, and has its ``minus``.
    """
    size = len(word) // len(minus)
    bits, below = [], Const(0, 1)
    for part, (opposite, goes_on) in enumerate(zip(minus, joined, strict=True)):
        below = below & goes_on
        for bit in word[part * size:(part + 1) * size]:
            bits.append(bit ^ (opposite & below))  # the lowest one and the zeros below it stay
            below = below | bit
        below = stage(m, below, registered=False, name=f"below_{part}")
    return Cat(bits)


@variant("accumulate_chosen")
def accumulate_chosen(m: Module, kept: Value, low: Value, high: Value, choose: Value) -> Value:
    """kept + (high if choose else low) of words of one width; as wide (wraps), combinational."""
    return (kept + Mux(choose, high, low))[:len(kept)].as_signed()


@variant("shift_left")
def shift_left(m: Module, word: Value, distance: Value, unit: int) -> Value:
    """word · 2^(unit · distance) of a signed word, for a distance of two bits: 3 · unit bits wider, 2 cycles later."""
    first = stage(m, Mux(distance[0], word.shift_left(unit), word), registered=True, name=f"left_{unit}")
    higher = stage(m, distance[1], registered=True, name=f"left_by_{2 * unit}")
    return stage(m, Mux(higher, first.shift_left(2 * unit), first), registered=True, name=f"left_{2 * unit}")


@variant("gated_accumulate")
def gated_accumulate(m: Module, words: Sequence[Value], gates: Sequence[Sequence[Value]], cuts: Collection[int],
                     kept: Value, clear: Value, subtract: Value) -> Value:
    """(0 if clear else kept) ± Σ (word if gate), of signed words; as wide as ``kept`` (wraps). ``cuts`` are those of
    ``gated_sum``; kept, clear and subtract come as much later as the sum.

    ``gates`` are one or two for each word: of two, those in the second list count double, and ``subtract`` is of them
    alone.
    """
    low, *high = (leaf("gated_sum")(m, words, plane, cuts) for plane in gates)
    if not high:
        return leaf("accumulate")(m, kept, clear, low, subtract)
    return leaf("accumulate")(m, kept, clear, weigh(m, low, high[0], subtract))


def weigh(m: Module, low: Value, high: Value, minus: Value) -> Value:
    """low ± 2 · high of two signed words of one width; two bits wider, combinational."""
    above = Cat(low[1:], low[-1].replicate(2)).as_signed()
    return Cat(low[0], leaf("accumulate")(m, above, Const(0, 1), high, minus)).as_signed()


@variant("fused_sum")
def fused_sum(m: Module, low: Value, high: Value, fused: Value, shift: int, width: int) -> Value:
    """low + (high · 2^shift if fused else high) of signed words; signed of ``width`` bits (wraps), combinational."""
    return fitted((0, low + Mux(fused, Cat(Const(0, shift), high).as_signed(), high)), width).as_signed()


Row = tuple[int, Value]
"""A summand: ``(place, value)`` is value · 2^place, of a signed value."""


@variant("sum_rows")
def sum_rows(m: Module, rows: Sequence[Row], width: int) -> Value:
    """Σ value · 2^place over one row or more, modulo 2^width; unsigned, combinational."""
    while len(rows) > 1:
        rows = [add_neighbours(m, rows[k:k + 2]) for k in range(0, len(rows), 2)]
    return fitted(rows[0], width)


def add_neighbours(m: Module, rows: Sequence[Row]) -> Row:
    """The sum of one row or two. The places below the higher one pass by the adder, which also keeps Yosys from merging
    a whole tree of carry chains into one multi-operand sum made of gates."""
    if len(rows) == 1:
        return rows[0]
    (low_place, low), (high_place, high) = sorted(rows, key=lambda row: row[0])
    offset = high_place - low_place
    low = Cat(low, low[-1].replicate(max(0, offset + 1 - len(low))))
    total = Cat(low[:offset], low[offset:].as_signed() + high).as_signed()
    return low_place, stage(m, total, registered=False, name="sum")


def fitted(row: Row, width: int) -> Value:
    """A row as ``width`` bits."""
    place, value = row
    extended = Cat(Const(0, place), value, value[-1].replicate(max(0, width - place - len(value))))
    return extended[:width]


@variant("rows_accumulate")
def rows_accumulate(m: Module, rows: Sequence[Row], kept: Value, clear: Value) -> Value:
    """(0 if clear else kept) + Σ value · 2^place; as wide as ``kept`` (wraps), combinational."""
    total = balanced_sum([Cat(Const(0, place), value).as_signed() for place, value in rows])
    return leaf("accumulate")(m, kept, clear, total)


def pair_sums(terms: Sequence[Value]) -> list[Value]:
    """Sums of neighbours; an odd one is left as it is."""
    return [a + b for a, b in zip(terms[::2], terms[1::2], strict=False)] + list(terms[len(terms) & ~1:])


def balanced_sum(terms: Sequence[Value]) -> Value:
    """Sum of one term or more, as a balanced tree: a chain of many would nest too deeply."""
    while len(terms) > 1:
        terms = pair_sums(terms)
    return terms[0]


def gated(word: Value, gate: Value) -> Value:
    """``word`` if ``gate``, else 0; signed."""
    return (word.as_unsigned() & gate.replicate(len(word))).as_signed()


def stage(m: Module, value: Value, *, registered: bool, name: str) -> Signal:
    """``value`` as a signal, one cycle later if ``registered``."""
    signal = Signal(value.shape(), name=name, reset_less=True)
    (m.d.sync if registered else m.d.comb).__iadd__(signal.eq(value))
    return signal
