"""Posits in numpy, against SoftPosit. In what is compared here, SoftPosit is never wrong."""

from __future__ import annotations

import numpy as np
import pytest
from golden_cases import random_posit_values

from gemmsmith.formats import POSIT8_0, POSIT16_1, POSIT32_2, PositFormat
from gemmsmith_sim.golden.posits import posit_codes, posit_values

softposit = pytest.importorskip("softposit", reason="softposit is built from source: pip install '.[oracles]'")

SOFT = {POSIT8_0: (softposit.convertDoubleToP8, softposit.convertP8ToDouble, softposit.posit8_t),
        POSIT16_1: (softposit.convertDoubleToP16, softposit.convertP16ToDouble, softposit.posit16_t),
        POSIT32_2: (softposit.convertDoubleToP32, softposit.convertP32ToDouble, softposit.posit32_t)}
MILLION = 1_000_000


@pytest.mark.parametrize("fmt", SOFT, ids=lambda f: f.name)
def test_a_million_values_against_softposit(fmt: PositFormat) -> None:
    convert = SOFT[fmt][0]
    values = random_posit_values(fmt, MILLION, seed=2)
    assert posit_codes(fmt, values).tolist() == [convert(x).v for x in values.tolist()]


@pytest.mark.parametrize("fmt", SOFT, ids=lambda f: f.name)
def test_codes_mean_what_softposit_says(fmt: PositFormat) -> None:
    _, convert, kind = SOFT[fmt]
    codes = np.arange(1 << 16) if fmt.n <= 16 else np.random.default_rng(0).integers(1, 1 << 32, 1 << 16)
    codes = codes[(codes < 1 << fmt.n) & (codes != 1 << fmt.n - 1)]  # its NaR is an infinity
    posit, found = kind(), []
    for code in codes.tolist():
        posit.v = code
        found.append(convert(posit))
    assert posit_values(fmt, codes).tolist() == found


@pytest.mark.parametrize("n", range(2, 33))
def test_every_width_of_the_standard_against_softposit(n: int) -> None:
    fmt = PositFormat(n=n, es=2)
    values = random_posit_values(fmt, 10_000, seed=n)
    assert posit_codes(fmt, values).tolist() == [
        softposit.convertDoubleToPX2(x, n).v >> 32 - n for x in values.tolist()]


@pytest.mark.parametrize(("name", "operation"), [("add", np.add), ("mul", np.multiply)])
def test_all_pairs_of_8_bits_against_softposit(name: str, operation: np.ufunc) -> None:
    x, y = np.divmod(np.arange(1 << 16), 256)
    codes = posit_codes(POSIT8_0, operation(posit_values(POSIT8_0, x), posit_values(POSIT8_0, y))).tolist()
    soft, left, right = getattr(softposit, f"p8_{name}"), softposit.posit8_t(), softposit.posit8_t()
    for p, q, code in zip(x.tolist(), y.tolist(), codes, strict=True):
        left.v, right.v = p, q
        assert soft(left, right).v == code, (p, q)
