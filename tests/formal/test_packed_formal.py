"""Products packed into one multiplier are the separate products, proved for all operands."""

import pytest
from amaranth.hdl import Cat, Module, Signal, signed
from prover import prove_always

from gemmsmith.arith.packed import pack, split


def prove(m, inputs, checks, folder):
    equal = Signal()
    m.d.comb += equal.eq(checks)
    prove_always(m, inputs, equal, folder, target="generic")


def all_of(bits):
    return Cat(bits).all()


def restored(m, packed, field, count):
    """What ``split`` finds, put together again."""
    total = Signal(field * count, name="total")
    m.d.comb += total.eq(packed)
    return [(upper + bit)[:field].as_signed() for upper, bit in split(total, field, count)]


@pytest.mark.parametrize(("field", "count"), [(3, 2), (12, 2), (18, 2), (10, 3), (6, 4)])
def test_words_come_back(field, count, tmp_path):
    m = Module()
    words = [Signal(signed(field), name=f"word_{j}") for j in range(count)]
    found = restored(m, pack(words, field), field, count)
    prove(m, words, all_of(a == b for a, b in zip(found, words, strict=True)) |
          ~all_of(word != -(1 << field - 1) for word in words), tmp_path)


@pytest.mark.parametrize(("a_width", "w_width", "count"), [(5, 4, 2), (4, 2, 3)])
def test_products_are_the_separate_ones(a_width, w_width, count, tmp_path):
    m, field = Module(), a_width + w_width
    a = Signal(signed(a_width), name="a")
    words = [Signal(signed(w_width), name=f"word_{j}") for j in range(count)]
    found = restored(m, pack(words, field) * a, field, count)
    prove(m, [a, *words], all_of(product == a * word for product, word in zip(found, words, strict=True)), tmp_path)
