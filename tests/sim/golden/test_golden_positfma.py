"""Rounded posit multiply-adds against SoftPosit's, and sums that float64 does not hold against fractions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gemmsmith.formats import Special
from gemmsmith.schemes import Axis, PositFma
from gemmsmith_sim.golden import Encoded, for_scheme
from gemmsmith_sim.golden.floats import add_to_odd
from gemmsmith_sim.golden.posits import posit_codes, posit_values

FORMATS = ("posit8es0", "posit16es1")


def soft(x: str) -> tuple[Any, Any]:
    """SoftPosit's type and multiply-add."""
    library = pytest.importorskip("softposit", reason="softposit is built from source: pip install '.[oracles]'")
    return {"posit8es0": (library.posit8_t, library.p8_mulAdd),
            "posit16es1": (library.posit16_t, library.p16_mulAdd)}[x]


@pytest.mark.parametrize("x", FORMATS)
def test_multiply_adds_against_softposit(x: str) -> None:
    number, (kind, mul_add) = PositFma(x=x).number, soft(x)
    rng = np.random.default_rng(number.n)
    codes = rng.integers(0, 1 << number.n, (3, 100_000))
    codes[2, ::3] = -codes[0, ::3] + rng.integers(-2, 3, codes[0, ::3].shape) & (1 << number.n) - 1  # cancels
    codes[1, ::3] = 1 << number.n - 2
    a, w, acc = (posit_values(number, row) for row in codes)
    found = posit_codes(number, add_to_odd(acc, a * w)).tolist()
    p, q, r = kind(), kind(), kind()
    for i, (p.v, q.v, r.v) in enumerate(codes.T.tolist()):
        assert mul_add(p, q, r).v == found[i], codes[:, i]


@pytest.mark.parametrize("x", FORMATS)
def test_dot_products_against_softposit(x: str) -> None:
    scheme, (kind, mul_add) = PositFma(x=x), soft(x)
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 1 << scheme.number.n, (12, 50)).astype(np.uint8 if scheme.number.n <= 8 else np.uint16)
    codes[codes == 1 << scheme.number.n - 1] = 0
    a, w = (Encoded(scheme, axis, (6, 50), {"codes": rows})
            for axis, rows in ((Axis.ROW, codes[:6]), (Axis.COLUMN, codes[6:])))
    found = posit_codes(scheme.number, for_scheme(scheme).matmul(a, w).astype(np.float64))
    p, q, acc = kind(), kind(), kind()
    for i in range(6):
        for j in range(6):
            acc.v = 0
            for p.v, q.v in zip(codes[i].tolist(), codes[6 + j].tolist(), strict=True):
                acc = mul_add(p, q, acc)
            assert acc.v == found[i, j]


@pytest.mark.parametrize("scheme", PositFma.compared(), ids=lambda s: s.short)
def test_sums_are_rounded_once(scheme: PositFma) -> None:
    """Sums at a tie of the accumulator, and a product far below it, of either sign."""
    number = scheme.number
    values = [value for value in number.values if not isinstance(value, Special)]
    rng = np.random.default_rng(3)
    for _ in range(2000):
        a, w, acc = (values[i] for i in rng.integers(0, len(values), 3))
        total = add_to_odd(np.array([float(acc)]), np.array([float(a * w)]))
        assert posit_codes(number, total)[0] == number.encode(acc + a * w)
