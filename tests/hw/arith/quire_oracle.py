"""What the read-out of a quire must compute, in Python's integers and fractions: nothing here looks at the hardware."""

from bisect import bisect_right
from fractions import Fraction
from functools import cache

FORMATS = ("fp4", "posit4", "posit8", "posit16")
LSB = {"fp4": -2, "posit4": -8, "posit8": -12, "posit16": -56}
SEGMENTS = {"fp4": 4, "posit4": 4, "posit8": 2, "posit16": 1}
POSITS = {"posit4": (4, 1), "posit8": (8, 0), "posit16": (16, 1)}
FP4 = tuple(Fraction(x, 2) for x in (0, 1, 2, 3, 4, 6, 8, 12))


def total(words, kind):
    """Sum of the segments of a quire, given as four (value, carry)."""
    segments, size = SEGMENTS[kind], 4 // SEGMENTS[kind]
    sums = [0] * segments
    for j, (value, carry) in enumerate(words):
        sums[j // size] += (value + (carry << 32)) << 32 * (j % size)
    bits = 32 * size
    return signed(sum(signed(s, bits) for s in sums), bits)


def signed(value, bits):
    value %= 1 << bits
    return value - (value >> bits - 1 << bits)


def posit_value(code, n, es):
    """Value of the positive posit ``code`` of ``n`` bits: regime, exponent and fraction as a string of digits."""
    digits = f"{code:0{n - 1}b}"
    run = len(digits) - len(digits.lstrip(digits[0]))
    regime = run - 1 if digits[0] == "1" else -run
    rest = digits[run + 1:] + "0" * es
    exponent = int(rest[:es] or "0", 2)
    return Fraction(2) ** (regime * 2**es + exponent) * (1 + Fraction(int("0" + rest[es:], 2), 1 << len(rest[es:])))


@cache
def ties(n, es):
    """Between each posit code of ``n`` bits and the next one, from minpos: that of n + 1 bits."""
    return [posit_value(2 * code + 1, n + 1, es) for code in range(1, 2 ** (n - 1) - 1)]


def to_code(x, kind):
    """Code of the nearest number to the fraction x."""
    if x == 0:
        return 0
    if kind == "fp4":
        halves = [(a + b) / 2 for a, b in zip(FP4, FP4[1:], strict=False)]
        code = nearest(abs(x), halves)
        return code | 8 if x < 0 and code else code
    n, es = POSITS[kind]
    code = 1 + nearest(abs(x), ties(n, es), even_first=False)
    return code if x > 0 else 2**n - code


def nearest(x, between, *, even_first=True):
    """Place of ``x`` among the intervals that ``between`` parts; at a boundary the even one, by its code."""
    place = bisect_right(between, x)
    if place and between[place - 1] == x and place % 2 == even_first:
        place -= 1
    return place


def nar_code(kind):
    return 8 if kind == "fp4" else 1 << POSITS[kind][0] - 1


def to_fp32(x):
    """Code of FP32: to nearest even with an unbounded exponent, then flushed or overflown."""
    if x == 0:
        return 0
    magnitude = abs(x)
    exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    exponent -= magnitude < Fraction(2) ** exponent
    significand = round(magnitude / Fraction(2) ** (exponent - 23))
    if significand == 1 << 24:
        significand, exponent = 1 << 23, exponent + 1
    sign = (x < 0) << 31
    if exponent < -126:
        return 0
    return sign | (0x7F800000 if exponent > 127 else (exponent + 127) << 23 | significand - (1 << 23))
