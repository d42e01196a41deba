"""Posits, against the formula and the rounding rule of their standard."""

from __future__ import annotations

import random
from collections.abc import Callable
from fractions import Fraction

import pytest

from gemmsmith.formats import (
    POSIT4_1,
    POSIT8_0,
    POSIT8_2,
    POSIT16_1,
    POSIT16_2,
    POSIT32_2,
    PositFormat,
    Special,
)
from oracle.posits import posit_number, posit_rounded

SMALL = [PositFormat(n=n, es=es) for n in range(2, 10) for es in range(5)]
NAMED = [POSIT4_1, POSIT8_0, POSIT8_2, POSIT16_1, POSIT16_2, POSIT32_2]
WIDE = [PositFormat(n=n, es=es) for n in (11, 24, 32) for es in range(5)]


def number(fmt: PositFormat, code: int) -> Fraction | None:
    value = fmt.decode(code)
    return None if value is Special.NAN else fmt.number(code)


@pytest.mark.parametrize("fmt", [*SMALL, POSIT16_1], ids=lambda f: f.name)
def test_every_code_decodes_by_the_formula(fmt: PositFormat) -> None:
    assert [number(fmt, code) for code in fmt.codes()] == [posit_number(code, fmt.n, fmt.es) for code in fmt.codes()]


@pytest.mark.parametrize("fmt", WIDE, ids=lambda f: f.name)
def test_wide_codes_decode_and_encode(fmt: PositFormat) -> None:
    rng, top = random.Random(fmt.n), 1 << fmt.n
    codes = [0, 1, top // 2 - 1, top // 2, top // 2 + 1, top - 1, *(rng.randrange(top) for _ in range(500))]
    for code in codes:
        assert number(fmt, code) == posit_number(code, fmt.n, fmt.es)
        assert fmt.encode(fmt.decode(code)) == code


@pytest.mark.parametrize("fmt", [*SMALL, POSIT16_1], ids=lambda f: f.name)
def test_ties_go_to_the_even_code(fmt: PositFormat) -> None:
    nar = 1 << fmt.n - 1
    for code in range(1, nar - 1, 1 if fmt.n < 12 else 7):
        tie = posit_number(2 * code + 1, fmt.n + 1, fmt.es)
        assert tie is not None
        assert fmt.encode(tie) == code + code % 2
        assert fmt.encode(tie * Fraction(2**60 - 1, 2**60)) == code
        assert fmt.encode(-tie * Fraction(2**60 + 1, 2**60)) == 2 * nar - code - 1
    assert all(fmt.encode(fmt.decode(code)) == code for code in fmt.codes()[::1 if fmt.n < 12 else 5])


@pytest.mark.parametrize("fmt", [*NAMED, *WIDE], ids=lambda f: f.name)
def test_encode_rounds_by_the_rule(fmt: PositFormat) -> None:
    rng = random.Random(fmt.es)
    span = fmt.n << fmt.es
    for _ in range(300):
        x = Fraction(rng.randrange(1, 1 << 80)) * Fraction(2) ** (rng.randrange(-span, span) - 80) * rng.choice((1, -1))
        assert fmt.encode(x) == posit_rounded(x, fmt.n, fmt.es)


def test_the_tie_is_not_the_mean() -> None:
    assert [POSIT4_1.number(POSIT4_1.encode(x)) for x in (7.99, 8, 8.01, 10)] == [4, 4, 16, 16]
    assert POSIT4_1.number(POSIT4_1.encode(-8.01)) == -16
    assert POSIT16_1.encode(Fraction(2) ** 27) == 0x7FFE  # between 2²⁶ and 2²⁸


@pytest.mark.parametrize("fmt", NAMED, ids=lambda f: f.name)
def test_nothing_becomes_zero_or_nar(fmt: PositFormat) -> None:
    top, nar = 1 << fmt.n, 1 << fmt.n - 1
    assert [fmt.encode(x) for x in (fmt.minpos / 2**200, fmt.largest * 2**200)] == [1, nar - 1]
    assert [fmt.encode(-x) for x in (fmt.minpos / 2**200, fmt.largest * 2**200)] == [top - 1, nar + 1]
    assert {fmt.encode(special) for special in Special} == {nar}
    assert fmt.encode(0) == 0


def test_limits() -> None:
    assert [fmt.name for fmt in NAMED] == [
        "posit4es1", "posit8es0", "posit8es2", "posit16es1", "posit16es2", "posit32es2"]
    assert [fmt.largest for fmt in NAMED] == [2**4, 2**6, 2**24, 2**28, 2**56, 2**120]
    assert all(fmt.minpos * fmt.largest == 1 for fmt in NAMED)


@pytest.mark.parametrize("make", [
    lambda: PositFormat(n=1, es=0),
    lambda: PositFormat(n=33, es=2),
    lambda: PositFormat(n=8, es=5),
    lambda: PositFormat(n=8, es=-1),
])
def test_posits_refuse(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="of a posit must be"):
        make()
    with pytest.raises(ValueError, match="code of posit8es0 must be"):
        POSIT8_0.decode(256)
