"""Posits by the text of their standard: codes read bit by bit, rounding by the posit of one bit more."""

from __future__ import annotations

from fractions import Fraction


def posit_number(code: int, n: int, es: int) -> Fraction | None:
    """What a code means, by the standard's formula ((1 − 3s) + f) · 2^((1 − 2s)(2^es · r + e + s)), in which negative
    codes are read as they stand; None for NaR."""
    bits = f"{code:0{n}b}"
    if "1" not in bits[1:]:
        return None if bits[0] == "1" else Fraction(0)
    s, body = int(bits[0]), bits[1:]
    run = 1
    while run < len(body) and body[run] == body[0]:
        run += 1
    r = -run if body[0] == "0" else run - 1
    rest = body[run + 1:] + "0" * es
    e, fraction = int(rest[:es] or "0", 2), rest[es:] or "0"
    f = Fraction(int(fraction, 2), 2 ** len(fraction))
    return ((1 - 3 * s) + f) * Fraction(2) ** ((1 - 2 * s) * (2**es * r + e + s))


def posit_rounded(x: Fraction, n: int, es: int) -> int:
    """The code that ``x`` rounds to: between neighbours u and w, by the (n + 1)-bit posit between them. By bisection,
    since positive numbers ascend with their codes."""
    if x < 0:
        return -posit_rounded(-x, n, es) % 2**n
    if x == 0:
        return 0
    low, high = 1, 2 ** (n - 1) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _positive(middle, n, es) > x else (middle, high)
    if x <= _positive(low, n, es):
        return low
    if x >= _positive(high, n, es):
        return high
    tie = _positive(2 * low + 1, n + 1, es)
    return low if x < tie or (x == tie and low % 2 == 0) else high


def _positive(code: int, n: int, es: int) -> Fraction:
    number = posit_number(code, n, es)
    assert number is not None
    return number
