"""What a quire's words sum up to, and the one rounding of it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from oracle.exact import fp16_bits, fp32_bits, round_to_fp32, round_to_ieee_fp16
from oracle.posits import posit_rounded
from oracle.schemes import FP4

FORMATS = ("fp4", "posit4", "posit8", "posit16")
LSB = {"fp4": -2, "posit4": -8, "posit8": -12, "posit16": -56}
"""Weight of the last bit of a quire's segment: the square of the format's least number."""
SEGMENTS = {"fp4": 4, "posit4": 4, "posit8": 2, "posit16": 1}
POSITS = {"posit4": (4, 1), "posit8": (8, 0), "posit16": (16, 1)}

Words = Sequence[tuple[int, int]]
"""Four words of 32 bits, least significant first, and each one's carry into the next."""


def twos_complement(value: int, bits: int) -> int:
    value %= 1 << bits
    return value - (value >> bits - 1 << bits)


def quire_sum(words: Words, segments: int) -> int:
    """Of a quire's segments, of which nothing is carried into the next."""
    size = 4 // segments
    totals = [0] * segments
    for j, (value, carry) in enumerate(words):
        totals[j // size] += value + (carry << 32) << 32 * (j % size)
    return twos_complement(sum(totals), 32 * size)


def code_of(x: Fraction, out: str) -> int:
    """The code of ``out`` that ``x`` rounds to."""
    if out == "fp32":
        return fp32_bits(round_to_fp32(x))
    if out == "fp16":
        return fp16_bits(round_to_ieee_fp16(round_to_fp32(x)))
    if out == "fp4":
        code = min(range(8), key=lambda c: (abs(FP4[c] - abs(x)), c % 2))
        return code | 8 if x < 0 and code else code
    return posit_rounded(x, *POSITS[out])


def nar_of(out: str) -> int:
    """The code of ``out`` for what is not a number."""
    return {"fp32": 0x7FC00000, "fp16": 0x7E00, "fp4": 8, "posit4": 8, "posit8": 0x80, "posit16": 0x8000}[out]
