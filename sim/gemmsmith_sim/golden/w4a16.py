"""Golden model of ``W4A16``: activations aligned beat by beat, exact sums per weight group, then scale and sum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import W4A16, Axis, Operand
from gemmsmith.schemes.w4a16 import EXACT
from gemmsmith_sim.golden.base import Array, Encoded, Golden, Layout, expect, little_endian, pad_k, to_fp16, unknown
from gemmsmith_sim.golden.floats import fp16_values, saturate_fp16
from gemmsmith_sim.golden.fp4 import encode_fp4, fp4_halves
from gemmsmith_sim.golden.int4 import check_int4, check_range, check_scales, encode_int4, per_element
from gemmsmith_sim.golden.prealigned import lane_words

FP16_POINT = 24
"""A significand of the smallest exponent counts in units of 2^−24."""
PART = 24
"""Bits of the lower part of an aligned activation: the products of either part sum up exactly in float64."""


class W4A16Golden(Golden[W4A16]):
    """Arrays of activations:

    - ``codes``: uint16 (rows, K), FP16 codes.

    Arrays of weights:

    - ``codes``: int8 (rows, K), −8..7; ``w=fp4``: uint8, E2M1 codes 0..15;
    - ``scales``: float16 (rows, ⌈K/group⌉), positive normal numbers.

    Operands: ``a_codes``, FP16 codes, and ``w_codes``, 4-bit codes, ``lanes`` of them per beat, lane 0 lowest;
    ``w_scale``, an FP16 code per weight group.
    """

    family = "w4a16"

    def layout(self, axis: Axis, shape: tuple[int, int]) -> Layout:
        if axis is Axis.ROW:
            return {"codes": (np.uint16, shape)}
        return {"codes": (np.int8 if self.scheme.w == "int4" else np.uint8, shape),
                "scales": (np.float16, (shape[0], -(-shape[1] // self.scheme.group)))}

    def check(self, encoded: Encoded) -> None:
        if encoded.axis is Axis.ROW:
            return
        if self.scheme.w == "int4":
            check_int4(**encoded.arrays, family=self.family)
            return
        check_range("weights", encoded.arrays["codes"], 0, 15)
        check_scales(encoded.arrays["scales"], family=self.family)

    def encode(self, axis: Axis, values: Array) -> dict[str, Array]:
        if axis is Axis.ROW:
            return {"codes": to_fp16(axis, values)}
        encode = encode_int4 if self.scheme.w == "int4" else encode_fp4
        return encode(values, group=self.scheme.group)

    def decode(self, encoded: Encoded) -> NDArray[np.float64]:
        if encoded.axis is Axis.ROW:
            return fp16_values(encoded.arrays["codes"]).astype(np.float64)
        scales = per_element(encoded.arrays["scales"], self.scheme.group, encoded.shape)
        return self._integers(encoded) * scales / (2 if self.scheme.w == "fp4" else 1)

    def product(self, a: Encoded, w: Encoded) -> NDArray[np.float32]:
        """Aligned activations, below 2^48, in two parts, the lower one not negative: products of either part with
        integers of at most 12, 256 of them, sum up exactly in float64, and both together stay below 2^63. What the
        roundings give never leaves FP32's normal range, so a power of two changes no significand.
        """
        size, out = self.scheme.group, np.zeros((a.shape[0], w.shape[0]), np.float32)
        lanes = 1 if self.scheme.guard == EXACT else self.scheme.lanes  # what is alone loses nothing
        left = pad_k(align(a.arrays["codes"], lanes=lanes, guard=self.scheme.guard_bits), size)
        high, low = (left >> PART).astype(np.float64), (left & (1 << PART) - 1).astype(np.float64)
        right = w.keep("integers", lambda: pad_k(self._integers(w), size).astype(np.float64).T)
        scales = w.arrays["scales"].astype(np.float32).T
        unit = np.float32(2.0**-(FP16_POINT + self.scheme.guard_bits + (self.scheme.w == "fp4")))
        for group, scale in enumerate(scales):
            span = np.s_[group * size : (group + 1) * size]
            upper, lower = ((part[:, span] @ right[span]).astype(np.int64) for part in (high, low))
            out += ((upper << PART) + lower).astype(np.float32) * unit * scale
        return out

    def words(self, encoded: Encoded, operand: Operand) -> NDArray[np.uint8]:
        if operand.name == "w_scale":
            expect(operand, width=16)
            return little_endian(encoded.arrays["scales"])
        codes, lanes = pad_k(encoded.arrays["codes"], self.scheme.group), self.scheme.lanes
        if operand.name == "a_codes":
            expect(operand, width=16 * lanes)
            return little_endian(codes).reshape(len(codes), -1, 2 * lanes)
        if operand.name == "w_codes":
            expect(operand, width=4 * lanes)
            return lane_words(codes, operand, width=4, group=self.scheme.group)
        raise unknown(self.scheme, operand)

    def _integers(self, weights: Encoded) -> NDArray[np.int8]:
        codes = weights.arrays["codes"]
        return codes if self.scheme.w == "int4" else fp4_halves(codes)


def align(codes: NDArray[np.uint16], *, lanes: int, guard: int) -> NDArray[np.int64]:
    """FP16 codes (rows, K) as integers (rows, K) in units of 2^−(24 + guard), cut to what is kept of them in their
    beat; Inf and NaN saturate."""
    rows, k = codes.shape
    beats = pad_k(saturate_fp16(codes), lanes).reshape(rows, -1, lanes).astype(np.int64)
    field = beats >> 10 & 31
    effective = np.maximum(field, 1)
    exponents = effective.max(axis=2, keepdims=True)
    kept = (beats & 1023 | (field > 0) << 10) << guard >> exponents - effective << exponents - 1
    return np.where(beats & 0x8000, -kept, kept).reshape(rows, -1)[:, :k]
