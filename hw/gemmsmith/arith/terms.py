"""Dot products by weights of few terms: a weight is Σ 4^k · t_k, and each term t_k is 0, ±1, ±2 or ±4.

A term chooses 0, a, 2a or 4a of an activation, or the complement of one of them: −x = ~x + 1. The ones depend on the
weights alone, so that they are counted where weights are decoded, once for all dot products with the same weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from amaranth.hdl import Cat, Const, Module, Value
from amaranth.lib import data

from gemmsmith.arith.tech import leaf
from gemmsmith.arith.tech.portable import Row, balanced_sum

Term = data.StructLayout({"one": 1, "two": 1, "four": 1, "minus": 1})
"""|t| as one of 1, 2 and 4, else 0, and whether it is negative; a zero is not."""


def terms_of(number: int, count: int) -> tuple[int, ...]:
    """``count`` terms of a number, t₀ first, of those that there are the fewest.

    Raises ``ValueError`` if it has none.
    """
    choices = [terms for terms in product((0, 1, 2, 4, -1, -2, -4), repeat=count)
               if sum(term << 2 * k for k, term in enumerate(terms)) == number]
    if not choices:
        raise ValueError(f"{number} is no sum of {count} terms")
    return min(choices, key=lambda terms: sum(term != 0 for term in terms))


def term_bits(terms: Sequence[int]) -> int:
    """The terms as ``Term``, t₀ lowest."""
    return sum((abs(term) | (term < 0) << 3) << Term.size * k for k, term in enumerate(terms))


def ones_width(lanes: int, count: int) -> int:
    """Bits of ``count_ones``, an unsigned number."""
    return (lanes * sum(4**k for k in range(count))).bit_length()


def count_ones(weights: Sequence[Value], count: int) -> Value:
    """What completes the complements of all weights' terms, ``count`` of them each."""
    minuses = [balanced_sum([weight[Term.size * k + 3] for weight in weights]) << 2 * k for k in range(count)]
    return balanced_sum(minuses)


def accumulated(m: Module, numbers: Sequence[Value], weights: Sequence[Value], ones: Value, kept: Value,
                clear: Value) -> Value:
    """(0 if clear else kept) + Σ a · w of signed numbers and of weights in ``Term``s; as wide as ``kept``."""
    rows: list[Row] = [(0, Cat(ones, Const(0, 1)).as_signed())]
    for number, weight in zip(numbers, weights, strict=True):
        for k in range(len(weight) // Term.size):
            term = data.View(Term, weight.word_select(k, Term.size))
            rows.append((2 * k, _row(number, term)))
    return leaf("rows_accumulate")(m, rows, kept, clear)


def _row(number: Value, term: data.View) -> Value:
    """number · term without the one of a complement, two bits wider."""
    sign = number[-1]
    once, twice, four = [*number, sign, sign], [Const(0, 1), *number, sign], [Const(0, 1), Const(0, 1), *number]
    bits = [((x & term.one) | (xx & term.two) | (xxxx & term.four)) ^ term.minus
            for x, xx, xxxx in zip(once, twice, four, strict=True)]
    return Cat(bits).as_signed()
