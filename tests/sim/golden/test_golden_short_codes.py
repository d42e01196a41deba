"""XR-NPE's short formats are encoded by table: every tie and its neighbours against the rounding of the standard, and
of FP4, in exact fractions."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from gemmsmith_sim.golden.xrnpe import nearest
from oracle.posits import posit_number, posit_rounded

FP4 = [Fraction(n, 2) for n in (0, 1, 2, 3, 4, 6, 8, 12)]
FORMATS = {"posit4": (4, 1), "posit8": (8, 0)}


def fp4_rounded(x):
    magnitude = min(range(8), key=lambda code: (abs(FP4[code] - abs(x)), code % 2))
    return magnitude | (8 if x < 0 and magnitude else 0)


def ties(name):
    if name == "fp4":
        return [float(a + b) / 2 for a, b in pairwise(FP4)]
    n, es = FORMATS[name]
    return [float(posit_number(code, n + 1, es)) for code in range(1, 2**n)]


@pytest.mark.parametrize("name", ["fp4", "posit4", "posit8"])
def test_numbers_around_every_tie(name):
    at = np.array(ties(name))
    values = np.concatenate([at, np.nextafter(at, np.inf), np.nextafter(at, 0), at * 1.0009765625, at * 0.9990234375,
                             [0.0, 5e-324, 2.0**-1000, 1e300]])
    values = np.concatenate([values, -values])
    due = [fp4_rounded(Fraction(x)) if name == "fp4" else posit_rounded(Fraction(x), *FORMATS[name]) for x in values]
    found = nearest(name, values)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, due)
    np.testing.assert_array_equal(nearest(name, values.reshape(2, -1)[:, ::2]), np.reshape(due, (2, -1))[:, ::2])
