"""Golden model of ``Prealigned``: exact integer sums per group of 64, scaled and accumulated in FP32."""

from __future__ import annotations

from abc import abstractmethod
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import Axis, Operand, Prealigned
from gemmsmith_sim.golden.base import (
    Array,
    Encoded,
    EncodeError,
    Golden,
    Layout,
    expect,
    little_endian,
    pad_k,
    to_fp16,
)
from gemmsmith_sim.golden.floats import FP16_MAX_EXPONENT, saturate_fp16

P = TypeVar("P", bound=Prealigned)
GROUP = Prealigned.group
FP16_BIAS = 15
FP16_SMALLEST_NORMAL = np.float16(2.0**-14)
SMALLEST_CODE, LARGEST_CODE = -8, 7
BLOCK_ROWS, BLOCK_COLUMNS = 32, 128
"""Accumulators that are updated together. Their products over one group are too small for BLAS to split among threads,
which would wait for each other thousands of times: on a busy machine that costs a factor of a hundred."""


class PrealignedGolden(Golden[P]):
    """A family adds the words of its codes; see ``code_words``.

    Arrays of activations:

    - ``codes``: int32 (rows, K), signed mantissas, −(2^m − 1) … 2^m − 1;
    - ``exponents``: uint8 (rows, ⌈K/64⌉), the groups' E, 1..30.

    Arrays of weights:

    - ``codes``: int8 (rows, K), −8..7;
    - ``scales``: float16 (rows, ⌈K/weight_group⌉), positive normal numbers.

    Operands of all families:

    - ``a_exponent``: 5 bits per group;
    - ``w_scale``: an FP16 code per weight group.
    """

    @abstractmethod
    def code_words(self, codes: Array, operand: Operand) -> NDArray[np.uint8]:
        """Words of the operand that holds ``codes`` (rows, K padded to whole groups), see ``Golden.words``."""

    def layout(self, axis: Axis, shape: tuple[int, int]) -> Layout:
        rows, k = shape
        if axis is Axis.ROW:
            return {"codes": (np.int32, shape), "exponents": (np.uint8, (rows, -(-k // GROUP)))}
        return {"codes": (np.int8, shape), "scales": (np.float16, (rows, -(-k // self.scheme.weight_group)))}

    def check(self, encoded: Encoded) -> None:
        codes = encoded.arrays["codes"]
        if encoded.axis is Axis.ROW:
            largest = (1 << self.scheme.m) - 1
            _within("mantissas", codes, -largest, largest)
            _within("exponents", encoded.arrays["exponents"], 1, FP16_MAX_EXPONENT)
            return
        _within("weights", codes, SMALLEST_CODE, LARGEST_CODE)
        scales = encoded.arrays["scales"]
        if not ((scales >= FP16_SMALLEST_NORMAL) & np.isfinite(scales)).all():
            raise ValueError(f"scales of {self.scheme.family} weights must be positive normal FP16 numbers")

    def encode(self, axis: Axis, values: Array) -> dict[str, Array]:
        if axis is Axis.COLUMN:
            return self._encode_weights(values)
        codes, exponents = align(to_fp16(axis, values), m=self.scheme.m, round=self.scheme.round)
        return {"codes": codes, "exponents": exponents}

    def _encode_weights(self, values: Array) -> dict[str, Array]:
        """Symmetric INT4 with one FP16 scale per weight group; both divisions are in float32."""
        size = self.scheme.weight_group
        with np.errstate(over="ignore", under="ignore"):
            groups = pad_k(values.astype(np.float32), size).reshape(len(values), -1, size)
            scales = (np.abs(groups).max(axis=2) / np.float32(LARGEST_CODE)).astype(np.float16)
        if np.isinf(scales).any():
            row, group = np.argwhere(np.isinf(scales))[0]
            raise EncodeError(f"weights: row {row}, columns from {group * size}: "
                              "a seventh of the group's largest magnitude is beyond the largest FP16, 65504")
        scales = np.where(groups.any(axis=2), np.maximum(scales, FP16_SMALLEST_NORMAL), np.float16(1))
        with np.errstate(under="ignore"):
            quotients = np.rint(groups / scales.astype(np.float32)[:, :, None])
        codes = np.clip(quotients, SMALLEST_CODE, LARGEST_CODE).astype(np.int8)
        return {"codes": codes.reshape(len(values), -1)[:, : values.shape[1]], "scales": scales}

    def decode(self, encoded: Encoded) -> NDArray[np.float64]:
        codes = encoded.arrays["codes"].astype(np.float64)
        if encoded.axis is Axis.ROW:
            return codes * self._per_element(self._ulps(encoded), GROUP, encoded)
        return codes * self._per_element(encoded.arrays["scales"], self.scheme.weight_group, encoded)

    def product(self, a: Encoded, w: Encoded) -> NDArray[np.float32]:
        """Per group t = RNE₃₂(S · ulp), u = RNE₃₂(t · scale), acc = RNE₃₂(acc + u).

        The powers of two go into the activations beforehand, which changes no significand. S · ulp is then a
        BLAS product: |S| ≤ 64 · 8 · (2^m − 1) is exact in float32 for m ≤ 15, in float64 always. Nothing here
        can leave FP32's normal range: t is 0 or at least 2⁻²⁹, scales at least 2⁻¹⁴, sums multiples of 2⁻⁶⁶.
        """
        exact: type[np.floating] = np.float32 if self.scheme.m <= 15 else np.float64
        left = _grouped((a.arrays["codes"] * self._per_element(self._ulps(a), GROUP, a)).astype(exact))
        right = w.keep(f"by_group_{exact.__name__}", lambda: _grouped(w.arrays["codes"].astype(exact)))
        scales = w.arrays["scales"].astype(np.float32).repeat(self.scheme.weight_group // GROUP, axis=1).T
        out = np.empty((a.shape[0], w.shape[0]), np.float32)
        for row in range(0, len(out), BLOCK_ROWS):
            for column in range(0, out.shape[1], BLOCK_COLUMNS):
                block = np.s_[row : row + BLOCK_ROWS], np.s_[column : column + BLOCK_COLUMNS]
                out[block] = _accumulate(left[:, block[0]], right[:, block[1]], scales[:, block[1]])
        return out

    def words(self, encoded: Encoded, operand: Operand) -> NDArray[np.uint8]:
        if operand.name == "a_exponent":
            expect(operand, width=5)
            return encoded.arrays["exponents"][:, :, None]
        if operand.name == "w_scale":
            expect(operand, width=16)
            return little_endian(encoded.arrays["scales"])
        return self.code_words(pad_k(encoded.arrays["codes"], GROUP), operand)

    def _ulps(self, activations: Encoded) -> NDArray[np.float64]:
        """Weight of a mantissa's last bit, per group: 2^(E − 15 − (m − 1))."""
        return np.exp2(activations.arrays["exponents"].astype(np.float64) - (FP16_BIAS + self.scheme.m - 1))

    @staticmethod
    def _per_element(per_group: Array, size: int, encoded: Encoded) -> NDArray[np.float64]:
        """A factor per group as one per element, (rows, K)."""
        return per_group.astype(np.float64).repeat(size, axis=1)[:, : encoded.shape[1]]


def align(codes: NDArray[np.uint16], *, m: int,
          round: str = "trunc") -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Group FP16 codes (rows, K) as the bit-plane compressor does; Inf and NaN saturate.

    Returns signed mantissas, int32 (rows, K), and the groups' exponents, uint8 (rows, ⌈K/64⌉).
    """
    rows, k = codes.shape
    groups = pad_k(saturate_fp16(codes), GROUP).reshape(rows, -1, GROUP).astype(np.int32)
    field = groups >> 10 & 31
    significand = groups & 1023 | (field > 0) << 10
    effective = np.maximum(field, 1)
    exponents = effective.max(axis=2)
    # The largest significand's hidden one moves from bit 10 to bit m − 1: left by 5, then right by 16 − m.
    shift = exponents[:, :, None] - effective + (16 - m)
    mantissa = _cut(significand << 5, np.minimum(shift, 31), m=m, round=round)
    signed = np.where(groups & 0x8000, -mantissa, mantissa)
    return signed.reshape(rows, -1)[:, :k].astype(np.int32), exponents.astype(np.uint8)


def _cut(significand: NDArray[np.int32], shift: NDArray[np.int32], *, m: int, round: str) -> NDArray[np.int32]:
    """``significand`` / 2^``shift``, truncated, or to nearest even and at most 2^m − 1."""
    kept = significand >> shift
    if round == "trunc":
        return kept
    # A half less one, and one more if what is kept is odd, carries exactly when nearest even rounds up.
    half = np.int32(1) << np.maximum(shift, 1) - 1
    rounded = np.where(shift > 0, significand + (half - 1) + (kept & 1) >> shift, kept)
    return np.minimum(rounded, np.int32((1 << m) - 1))


def lane_words(codes: Array, operand: Operand, *, width: int) -> NDArray[np.uint8]:
    """Two's-complement ``codes`` (rows, K) of ``width`` bits, as many to a word as the operand has room for: bytes
    (rows, words, bytes of a word), the first code lowest. Raises ``ValueError`` unless it has room for a divisor of 64.
    """
    lanes, rest = divmod(operand.width, width)
    if rest or GROUP % lanes:
        raise ValueError(f"width of {operand.name} must be {width} times a divisor of {GROUP}, not {operand.width}")
    bits = (codes[:, :, None] >> np.arange(width, dtype=codes.dtype) & 1).astype(np.uint8)
    return np.packbits(bits.reshape(len(codes), -1, operand.width), axis=2, bitorder="little")


def _grouped(codes: Array) -> Array:
    """(rows, K) as (groups, rows, 64), padded with zeros."""
    padded = pad_k(codes, GROUP)
    return np.ascontiguousarray(padded.reshape(len(codes), -1, GROUP).swapaxes(0, 1))


def _accumulate(left: Array, right: Array, scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum over groups, ascending: RNE₃₂(acc + RNE₃₂(RNE₃₂(left · rightᵀ) · scale)) from +0."""
    acc = np.zeros((left.shape[1], right.shape[1]), np.float32)
    for x, y, scale in zip(left, right, scales, strict=False):
        acc += (x @ y.T).astype(np.float32, copy=False) * scale
    return acc


def _within(name: str, codes: Array, low: int, high: int) -> None:
    if codes.min() < low or codes.max() > high:
        raise ValueError(f"{name} must be {low}..{high}, not {codes.min()}..{codes.max()}")
