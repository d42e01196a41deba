"""Golden model of ``XrNpe``: exact sums of integers, one rounding per output."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemmsmith.formats import POSIT4_1, POSIT8_0, POSIT16_1, PositFormat
from gemmsmith.schemes import Axis, Operand, XrNpe
from gemmsmith.schemes.xrnpe import BITS
from gemmsmith_sim.golden.base import Array, Encoded, Golden, Layout, expect, little_endian, pad_k, to_fp32, unknown
from gemmsmith_sim.golden.exact import limbs, product_sums, rounded_to_odd
from gemmsmith_sim.golden.floats import round_fp32_flush
from gemmsmith_sim.golden.fp4 import HALVES, nearest_fp4
from gemmsmith_sim.golden.posits import posit_codes, posit_values

POSITS: dict[str, PositFormat] = {"posit4": POSIT4_1, "posit8": POSIT8_0, "posit16": POSIT16_1}
SMALLEST = {"fp4": 1, "posit4": 4, "posit8": 6, "posit16": 28}
"""Format → its numbers are multiples of 2^−this."""
LIMBS = {"fp4": 1, "posit4": 1, "posit8": 1, "posit16": 3}
CANDIDATES = {"fp4": (1, 2), "posit4": range(5), "posit8": range(6), "posit16": (3,)}
"""Format → binades that the largest magnitude of a row may be brought to."""
WORD = 16
HEAD = 6
"""Fraction bits of the numbers halfway between two neighbours, at most, in formats of up to 8 bits."""


class XrNpeGolden(Golden[XrNpe]):
    """Arrays, for activations and weights alike: ``codes``, uint16 (rows, K), below 2^bits of the format;
    ``exponents``, int8 (rows,), of the power of two that scales the row.

    Outputs that are codes are uint16.

    Operands: ``a_codes`` and ``w_codes``, a multiple of 16 bits per beat, 16 of which are 1, 2 or 4 codes, that of the
    lowest k in the lowest bits. ``a_exponent`` and ``w_exponent``: 8 bits, two's complement, one per block.
    """

    family = "xrnpe"

    def layout(self, axis: Axis, shape: tuple[int, int]) -> Layout:
        rows, k = shape
        if k > self.scheme.max_k:
            raise ValueError(f"K of {self.scheme.short} must be at most {self.scheme.max_k}, not {k}: longer sums may "
                             "not fit the quire")
        return {"codes": (np.uint16, shape), "exponents": (np.int8, (rows,))}

    def check(self, encoded: Encoded) -> None:
        limit = 1 << BITS[self.scheme.format]
        if (encoded.arrays["codes"] >= limit).any():
            raise ValueError(f"codes of {self.scheme.format} must be below {limit}")

    def encode(self, axis: Axis, values: Array) -> dict[str, Array]:
        x = to_fp32(axis, values).astype(np.float64)
        largest = np.abs(x).max(axis=1)
        binades = np.frexp(largest)[1] - 1
        codes, exponents, least = np.zeros(x.shape, np.uint16), np.zeros(len(x), np.int8), np.full(len(x), np.inf)
        numbers = number_table(self.scheme.format)
        for j in sorted(CANDIDATES[self.scheme.format], reverse=True):
            tried = np.where(largest > 0, np.clip(binades - j, -128, 127), 0)
            scaled = np.ldexp(x, -tried[:, None])
            candidate = nearest(self.scheme.format, scaled)
            errors = np.square(np.ldexp(numbers[candidate] - scaled, tried[:, None])).sum(axis=1)
            better = errors < least
            codes[better], exponents[better], least[better] = candidate[better], tried[better], errors[better]
        return {"codes": codes, "exponents": exponents}

    def decode(self, encoded: Encoded) -> NDArray[np.float64]:
        return np.ldexp(number_table(self.scheme.format)[encoded.arrays["codes"]],
                        encoded.arrays["exponents"].astype(np.int64)[:, None])

    def product(self, a: Encoded, w: Encoded) -> Any:
        sums = rounded_to_odd(product_sums(list(self._limbs(a)), list(w.keep("limbs", lambda: self._limbs(w)))))
        exponents = a.arrays["exponents"].astype(np.int64)[:, None] + w.arrays["exponents"]
        exact = np.ldexp(sums, exponents - 2 * SMALLEST[self.scheme.format])
        nar = self._nar(a)[:, None] | self._nar(w)
        if self.scheme.out in SMALLEST:
            return np.where(nar, nar_code(self.scheme.out), nearest(self.scheme.out, exact)).astype(np.uint16)
        return np.where(nar, np.float32(np.nan), round_fp32_flush(exact))

    def output_values(self, outputs: Array) -> NDArray[np.float64]:
        if self.scheme.out not in SMALLEST:
            return super().output_values(outputs)
        values = number_table(self.scheme.out)[outputs]
        return np.where(outputs == nar_code(self.scheme.out), np.nan, values)

    def words(self, encoded: Encoded, operand: Operand) -> NDArray[np.uint8]:
        if operand.name in ("a_exponent", "w_exponent"):
            expect(operand, width=8)
            return little_endian(encoded.arrays["exponents"][:, None])
        if operand.name not in ("a_codes", "w_codes"):
            raise unknown(self.scheme, operand)
        expect(operand, multiple=WORD)
        bits, units = BITS[self.scheme.format], operand.width // WORD
        codes = pad_k(encoded.arrays["codes"], units * WORD // BITS["fp4"])
        lanes = codes.reshape(len(codes), -1, WORD // bits)
        words = (lanes << np.arange(0, WORD, bits, dtype=np.uint16)).sum(axis=2, dtype=np.uint16)
        return little_endian(words).reshape(len(codes), -1, WORD // 8 * units)

    def _limbs(self, encoded: Encoded) -> Array:
        numbers = np.nan_to_num(number_table(self.scheme.format)[encoded.arrays["codes"]])
        whole = np.ldexp(numbers, SMALLEST[self.scheme.format]).astype(np.int64)
        return np.array(limbs(whole, LIMBS[self.scheme.format]))

    def _nar(self, encoded: Encoded) -> NDArray[np.bool_]:
        """Rows with a NaR."""
        if self.scheme.format == "fp4":
            return np.zeros(encoded.shape[0], bool)
        return (encoded.arrays["codes"] == nar_code(self.scheme.format)).any(axis=1)


def nar_code(name: str) -> int:
    """NaR; FP4's −0, which stands for it."""
    return 1 << BITS[name] - 1


@cache
def number_table(name: str) -> NDArray[np.float64]:
    """What each code means; NaR as NaN."""
    if name == "fp4":
        return HALVES / 2
    return posit_values(POSITS[name], np.arange(1 << BITS[name]))


def nearest(name: str, values: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Codes of the numbers nearest to finite values."""
    return _rounded(name, values) if BITS[name] > 8 else code_table(name)[_heads(values)]


def _rounded(name: str, values: NDArray[np.float64]) -> NDArray[np.uint16]:
    codes = nearest_fp4(values) if name == "fp4" else posit_codes(POSITS[name], values)
    return codes.astype(np.uint16)


@cache
def code_table(name: str) -> NDArray[np.uint16]:
    """The code by the head of a float64 (see ``_heads``), which is all that a short format looks at."""
    heads = np.arange(1 << 12 + HEAD + 1, dtype=np.uint64)
    return _rounded(name, (heads >> 1 << np.uint64(52 - HEAD) | heads & 1).view(np.float64))


def _heads(values: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Sign, exponent, the first ``HEAD`` bits of the fraction, and whether any bit behind them is set."""
    bits = np.ascontiguousarray(values).view(np.uint64)
    rest = np.uint64(52 - HEAD)
    return bits >> rest << 1 | (bits & (np.uint64(1) << rest) - 1 != 0)
