"""Posits in numpy, against exact fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from golden_cases import random_posit_values

from gemmsmith.formats import POSIT4_1, POSIT8_0, POSIT16_1, POSIT32_2, PositFormat, Special
from gemmsmith_sim.golden.posits import PositRounding, posit_codes, posit_values, storage
from oracle.posits import posit_rounded

SMALL = [PositFormat(n=n, es=es) for n in (2, 3, 4, 5, 8, 11) for es in range(5)]
ALL = [PositFormat(n=n, es=es) for n in range(2, 33) for es in range(5)]
MILLION = 1_000_000


def table(fmt: PositFormat) -> np.ndarray:
    return np.array([np.nan if value is Special.NAN else float(value) for value in fmt.values])


def ties(fmt: PositFormat, codes: np.ndarray) -> np.ndarray:
    """The numbers halfway between positive codes and the next."""
    return posit_values(PositFormat(n=fmt.n + 1, es=fmt.es), 2 * codes + 1)


@pytest.mark.parametrize("fmt", [*SMALL, POSIT16_1, PositFormat(n=16, es=4)], ids=lambda f: f.name)
def test_every_code(fmt: PositFormat) -> None:
    codes, wanted = np.arange(1 << fmt.n), table(fmt)
    assert np.array_equal(posit_values(fmt, codes.astype(storage(fmt))), wanted, equal_nan=True)
    assert np.array_equal(posit_codes(fmt, wanted), codes)


@pytest.mark.parametrize("fmt", [f for f in ALL if f.n < 32], ids=lambda f: f.name)
def test_ties_and_their_neighbours(fmt: PositFormat) -> None:
    last = (1 << fmt.n - 1) - 1
    codes = np.arange(1, last) if fmt.n <= 9 else np.random.default_rng(fmt.n).integers(1, last, 400)
    between = ties(fmt, codes)
    assert np.array_equal(posit_codes(fmt, between), codes + codes % 2)
    assert np.array_equal(posit_codes(fmt, np.nextafter(between, 0)), codes)
    assert np.array_equal(posit_codes(fmt, -np.nextafter(between, np.inf)), (1 << fmt.n) - codes - 1)


@pytest.mark.parametrize("fmt", ALL, ids=lambda f: f.name)
def test_random_values_by_the_rule(fmt: PositFormat) -> None:
    values = random_posit_values(fmt, 60, seed=fmt.n)
    codes = posit_codes(fmt, values)
    assert codes.tolist() == [posit_rounded(x, fmt.n, fmt.es) for x in map(exactly, values)]
    back = posit_values(fmt, codes)
    assert [exactly(x) for x in back] == [fmt.decode(code) for code in codes.tolist()]


@pytest.mark.slow
@pytest.mark.parametrize("fmt", [POSIT4_1, POSIT8_0, POSIT16_1, PositFormat(n=32, es=4)], ids=lambda f: f.name)
def test_a_million_values_against_fractions(fmt: PositFormat) -> None:
    values = random_posit_values(fmt, MILLION, seed=1)
    assert posit_codes(fmt, values).tolist() == [fmt.encode(x) for x in map(exactly, values)]


@pytest.mark.parametrize(("name", "operation"), [("add", np.add), ("mul", np.multiply)])
def test_all_pairs_of_8_bits(name: str, operation: np.ufunc) -> None:
    x, y = np.divmod(np.arange(1 << 16), 256)
    exact = operation(posit_values(POSIT8_0, x), posit_values(POSIT8_0, y))  # of at most 14 bits
    codes = posit_codes(POSIT8_0, exact).tolist()
    values = POSIT8_0.values
    for p, q, code in zip(x.tolist(), y.tolist(), codes, strict=True):
        a, b = values[p], values[q]
        nar = isinstance(a, Special) or isinstance(b, Special)
        assert code == POSIT8_0.encode(Special.NAN if nar else (a + b if name == "add" else a * b)), (p, q)


@pytest.mark.parametrize("fmt", ALL, ids=lambda f: f.name)
def test_rounding_gives_what_the_nearest_codes_mean(fmt: PositFormat) -> None:
    codes = np.random.default_rng(fmt.es).integers(0, 1 << fmt.n, 500)
    between = ties(fmt, np.arange(1, 1 << min(fmt.n, 10) - 1)) if fmt.n < 32 else codes / 7
    values = np.concatenate([random_posit_values(fmt, 3000, seed=fmt.n), between, -between, np.nextafter(between, 0),
                             posit_values(fmt, codes), [0.0, np.nan, 1e308, -1e-308]])
    assert np.array_equal(PositRounding(fmt)(values), posit_values(fmt, posit_codes(fmt, values)), equal_nan=True)


def test_ends_and_what_is_no_number() -> None:
    values = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, -5e-324, 1.7e308, -1.7e308])
    for fmt in ALL:
        nar = 1 << fmt.n - 1
        wanted = [0, 0, nar, nar, nar, 1, 2 * nar - 1, nar - 1, nar + 1]
        assert posit_codes(fmt, values).tolist() == wanted, fmt.name
    assert [posit_codes(fmt, values).dtype.itemsize for fmt in (POSIT4_1, POSIT16_1, POSIT32_2)] == [1, 2, 4]


def exactly(x: float) -> Fraction:
    return Fraction(float(x))
