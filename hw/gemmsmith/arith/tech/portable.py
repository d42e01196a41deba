"""The portable description of every leaf: plain Amaranth, the contract of its variants.

All data registers are without reset: what they hold before the first valid beat is never looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from gemmsmith.arith.tech.registry import leaf, variant


@variant("gated_sum")
def gated_sum(m: Module, words: Sequence[Value], gates: Sequence[Value], cuts: Collection[int]) -> Value:
    """Σ (word if gate) of signed words of one width; a bit wider for each of the ⌈log₂⌉ levels of the tree.

    ``cuts`` are the levels, counted from 1, whose sums are registered: the latency is their number. Registers also
    keep synthesis from merging the tree into one multi-operand adder, which costs FPGAs several times the area of
    carry chains.
    """
    terms = [gated(word, gate) for word, gate in zip(words, gates, strict=True)]
    level = 0
    while len(terms) > 1:
        level += 1
        terms = [a + b for a, b in zip(terms[::2], terms[1::2], strict=False)] + terms[len(terms) & ~1:]
        terms = [stage(m, total, registered=level in cuts, name=f"sum_{level}_{i}") for i, total in enumerate(terms)]
    return terms[0]


@variant("gated_pair")
def gated_pair(m: Module, word: Value, gates: Value, negative: bool) -> Value:
    """word · gates[0] ± word · 2 · gates[1] for a signed word: minus if ``negative``; two bits wider, combinational."""
    low, high = gated(word, gates[0]), Cat(Const(0, 1), gated(word, gates[1])).as_signed()
    return (low - high if negative else low + high)[:len(word) + 2].as_signed()


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


@variant("gated_accumulate")
def gated_accumulate(m: Module, words: Sequence[Value], gates: Sequence[Value], cuts: Collection[int], kept: Value,
                     clear: Value, subtract: Value) -> Value:
    """(0 if clear else kept) ± Σ (word if gate), of signed words; as wide as ``kept`` (wraps). ``cuts`` are those of
    ``gated_sum``; kept, clear and subtract come as much later as the sum."""
    total = leaf("gated_sum")(m, words, gates, cuts)
    return leaf("accumulate")(m, kept, clear, total, subtract)


@variant("rows_accumulate")
def rows_accumulate(m: Module, rows: Sequence[tuple[int, Value]], kept: Value, clear: Value) -> Value:
    """(0 if clear else kept) + Σ 2^shift · word, over (shift, word), of signed words; as wide as ``kept`` (wraps),
    combinational."""
    terms = [Cat(Const(0, shift), word).as_signed() for shift, word in rows]
    while len(terms) > 1:
        terms = [a + b for a, b in zip(terms[::2], terms[1::2], strict=False)] + terms[len(terms) & ~1:]
    return leaf("accumulate")(m, kept, clear, terms[0])


def gated(word: Value, gate: Value) -> Value:
    """``word`` if ``gate``, else 0; signed."""
    return (word.as_unsigned() & gate.replicate(len(word))).as_signed()


def stage(m: Module, value: Value, *, registered: bool, name: str) -> Signal:
    """``value`` as a signal, one cycle later if ``registered``."""
    signal = Signal(value.shape(), name=name, reset_less=True)
    (m.d.sync if registered else m.d.comb).__iadd__(signal.eq(value))
    return signal
