"""The portable description of every leaf: plain Amaranth, the contract of its variants.

All data registers are without reset: what they hold before the first valid beat is never looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, Signal, Value

from gemmsmith.arith.tech.registry import variant


@variant("gated_add")
def gated_add(m: Module, a: Value, gate_a: Value, b: Value, gate_b: Value) -> Value:
    """(a if gate_a) + (b if gate_b) for two signed words of one width; one bit wider, combinational."""
    width = len(a)
    gated_a = (a.as_unsigned() & gate_a.replicate(width)).as_signed()
    gated_b = (b.as_unsigned() & gate_b.replicate(width)).as_signed()
    return gated_a + gated_b


@variant("tree_sum")
def tree_sum(m: Module, terms: Sequence[Value]) -> Value:
    """Sum of signed words, pairwise with a register per level; latency ``arith.sum.levels(len(terms))``.

    One bit is gained per level. The registers also keep synthesis from merging the tree into one multi-operand
    adder, which costs FPGAs several times the area of carry chains.
    """
    terms = list(terms)
    while len(terms) > 1:
        pairs = [a + b for a, b in zip(terms[::2], terms[1::2], strict=False)]
        sums = pairs + terms[2 * len(pairs):]
        terms = [Signal(s.shape(), reset_less=True, name=f"sum_{len(sums)}_{i}") for i, s in enumerate(sums)]
        m.d.sync += [t.eq(s) for t, s in zip(terms, sums, strict=True)]
    return terms[0]


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
