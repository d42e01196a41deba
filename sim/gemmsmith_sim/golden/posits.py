"""Posits in numpy: what codes mean, and the nearest codes to numbers, of every ``PositFormat``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gemmsmith.formats import PositFormat
from gemmsmith_sim.golden.base import Array

FRACTION = 52
"""Fraction bits of a float64."""


def posit_values(fmt: PositFormat, codes: Array) -> NDArray[np.float64]:
    """What unsigned codes mean, exactly, NaR as NaN; bits above the format's are not looked at."""
    width = fmt.n - 1
    below = (1 << width) - 1
    codes = codes.astype(np.int64) & (1 << fmt.n) - 1
    negative = codes > 1 << width
    body = np.where(negative, -codes, codes) & below
    ones = body >> width - 1 == 1
    run = width - bit_length(np.where(ones, ~body & below, body))
    # Behind the regime come exponent and fraction, as one number of width bits behind the exponent's.
    tail = (body << run + 1 & below) << fmt.es
    scale = np.where(ones, run - 1, -run) * (1 << fmt.es) + (tail >> width)
    magnitudes = np.ldexp((tail & below | 1 << width).astype(np.float64), scale - width)
    values = np.where(negative, -magnitudes, magnitudes)
    return np.where(codes == 0, 0.0, np.where(codes == 1 << width, np.nan, values))


def posit_codes(fmt: PositFormat, values: NDArray[np.float64]) -> Array:
    """Codes nearest to ``values``, in the narrowest unsigned type. Ties, at the posit of one bit more, go to the even
    code. It saturates at both ends, so that nothing but zero becomes 0; infinities and NaN become NaR.

    All 53 bits count: a number that was rounded to odd, to 53 bits, gives the code of the number before.
    """
    es, nar = fmt.es, 1 << fmt.n - 1
    plain = np.isfinite(values) & (values != 0)
    mantissas, exponents = np.frexp(np.where(plain, np.abs(values), 1.0))
    fraction = np.ldexp(mantissas, FRACTION + 1).astype(np.int64) - (1 << FRACTION)
    # One step beyond the largest and the least number the code has no bit left, so farther need not be told apart.
    span = fmt.n - 2 << es
    scale = np.clip(exponents.astype(np.int64) - 1, -span - 1, span)
    k = scale >> es
    regime, length = np.where(k >= 0, (1 << np.maximum(k, 0) + 2) - 2, 1), np.where(k >= 0, k + 2, 1 - k)
    tail = (scale & (1 << es) - 1) << FRACTION | fraction
    room = fmt.n - length  # for the tail, with one bit more than the code has
    rest = FRACTION + es - room
    longer = (regime << room) + (tail >> rest)
    sticky = (tail & (1 << rest) - 1) != 0
    up = (longer & 1 == 1) & (sticky | (longer & 2 == 2))
    magnitudes = np.clip((longer >> 1) + up, 1, nar - 1)
    codes = np.where(values < 0, 2 * nar - magnitudes, magnitudes)
    codes = np.where(plain, codes, np.where(values == 0, 0, nar))
    return codes.astype(storage(fmt))


class PositRounding:
    """``posit_values(fmt, posit_codes(fmt, values))`` for numbers or NaN, in as few steps as numpy needs.

    A float64 without its sign is an integer, exponent and fraction, of which the code's exponent and fraction are the
    upper bits: as many are rounded off as the exponent tells, which tables say.
    """

    def __init__(self, fmt: PositFormat):
        exponents = np.arange(2048) + 1  # biased so that their last es bits are the posit's exponent
        k = np.clip((exponents >> fmt.es) - (1024 >> fmt.es), 2 - fmt.n, fmt.n - 3)
        run = np.where(k >= 0, k + 1, -k)
        self._dropped = FRACTION + fmt.es - (fmt.n - 2 - run)
        # Where nothing stays behind the regime its own last bit, that of a run of zeros, makes a code odd.
        last = run == fmt.n - 2
        self._less = (1 << self._dropped - 1) - np.where(last, k >= 0, 1).astype(np.int64)
        self._looked_at = np.where(last, 0, 1)
        ends = np.array([-(fmt.n - 2 << fmt.es), fmt.n - 2 << fmt.es])
        self._least, self._largest = ends + 1024 << FRACTION

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The nearest posits."""
        magnitudes = np.minimum(np.abs(values), 2.0**1000)  # far beyond the largest, and no carry reaches the sign
        bits = magnitudes.view(np.int64)
        exponents = bits >> FRACTION
        dropped = self._dropped[exponents]
        bits = bits + (1 << FRACTION)
        odd = bits >> dropped & self._looked_at[exponents]
        bits = bits + self._less[exponents] + odd >> dropped << dropped
        np.clip(bits, self._least, self._largest, out=bits)
        bits -= 1 << FRACTION
        nearest = np.copysign(bits.view(np.float64), values)
        special = ~(magnitudes > 0)  # zeros and NaN stay as they are
        np.copyto(nearest, values, where=special)
        return nearest


def storage(fmt: PositFormat) -> type[np.unsignedinteger]:
    """The narrowest type that codes fit in."""
    return np.uint8 if fmt.n <= 8 else np.uint16 if fmt.n <= 16 else np.uint32


def bit_length(x: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of non-negative integers below 2⁵³."""
    return np.frexp(x.astype(np.float64))[1].astype(np.int64)
