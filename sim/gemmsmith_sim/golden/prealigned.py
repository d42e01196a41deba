"""Golden model of ``Prealigned``: exact integer sums per group of 64, scaled and accumulated in FP32."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import Axis, Operand, Prealigned
from gemmsmith_sim.golden.base import Array, Encoded, Golden, Layout, expect, little_endian, pad_k, to_fp16
from gemmsmith_sim.golden.floats import FP16_MAX_EXPONENT, saturate_fp16
from gemmsmith_sim.golden.int4 import check_int4, check_range, encode_int4, per_element

P = TypeVar("P", bound=Prealigned)
GROUP = Prealigned.group
FP16_BIAS = 15
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
        if encoded.axis is Axis.ROW:
            largest = (1 << self.scheme.m) - 1
            check_range("mantissas", encoded.arrays["codes"], -largest, largest)
            check_range("exponents", encoded.arrays["exponents"], 1, FP16_MAX_EXPONENT)
            return
        check_int4(**encoded.arrays, family=self.scheme.family)

    def encode(self, axis: Axis, values: Array) -> dict[str, Array]:
        if axis is Axis.COLUMN:
            return encode_int4(values, group=self.scheme.weight_group)
        codes, exponents = align(to_fp16(axis, values), m=self.scheme.m, round=self.scheme.round)
        return {"codes": codes, "exponents": exponents}

    def decode(self, encoded: Encoded) -> NDArray[np.float64]:
        codes = encoded.arrays["codes"].astype(np.float64)
        if encoded.axis is Axis.ROW:
            return codes * per_element(self._ulps(encoded), GROUP, encoded.shape)
        return codes * per_element(encoded.arrays["scales"], self.scheme.weight_group, encoded.shape)

    def product(self, a: Encoded, w: Encoded) -> NDArray[np.float32]:
        """Per group t = RNE₃₂(S · ulp), u = RNE₃₂(t · scale), acc = RNE₃₂(acc + u).

        The powers of two go into the activations beforehand, which changes no significand. S · ulp is then a
        BLAS product: |S| ≤ 64 · 8 · (2^m − 1) is exact in float32 for m ≤ 15, in float64 always. Nothing here
        can leave FP32's normal range: t is 0 or at least 2⁻²⁹, scales at least 2⁻¹⁴, sums multiples of 2⁻⁶⁶.
        """
        exact: type[np.floating] = np.float32 if self.scheme.m <= 15 else np.float64
        left = by_group((a.arrays["codes"] * per_element(self._ulps(a), GROUP, a.shape)).astype(exact), GROUP)
        right = w.keep(f"by_group_{exact.__name__}", lambda: by_group(w.arrays["codes"].astype(exact), GROUP))
        scales = w.arrays["scales"].astype(np.float32).repeat(self.scheme.weight_group // GROUP, axis=1).T
        out = np.empty((a.shape[0], w.shape[0]), np.float32)
        for rows, columns in small_blocks(out.shape):
            out[rows, columns] = scaled_sums(left[:, rows], right[:, columns], scales[:, columns])
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


def lane_words(codes: Array, operand: Operand, *, width: int, group: int = GROUP) -> NDArray[np.uint8]:
    """``codes`` (rows, K) of ``width`` bits, as many to a word as the operand has room for: bytes (rows, words, bytes
    of a word), the first code lowest, signed ones in two's complement.

    K is filled up with zeros to whole groups, or whole words if ``group`` is 0. Raises ``ValueError`` unless a word
    holds a divisor of the group.
    """
    lanes, rest = divmod(operand.width, width)
    if rest or group % lanes:
        times = f"{width} times a divisor of {group}" if group else f"a multiple of {width}"
        raise ValueError(f"width of {operand.name} must be {times}, not {operand.width}")
    codes = pad_k(codes, group or lanes)
    bits = (codes[:, :, None] >> np.arange(width, dtype=codes.dtype) & 1).astype(np.uint8)
    return np.packbits(bits.reshape(len(codes), -1, operand.width), axis=2, bitorder="little")


def by_group(codes: Array, size: int) -> Array:
    """(rows, K) as (groups, rows, size), padded with zeros."""
    return np.ascontiguousarray(pad_k(codes, size).reshape(len(codes), -1, size).swapaxes(0, 1))


def small_blocks(shape: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the outputs that ``scaled_sums`` best computes together."""
    for row in range(0, shape[0], BLOCK_ROWS):
        for column in range(0, shape[1], BLOCK_COLUMNS):
            yield slice(row, row + BLOCK_ROWS), slice(column, column + BLOCK_COLUMNS)


def scaled_sums(left: Array, right: Array, scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum over groups, ascending: RNE₃₂(acc + RNE₃₂(RNE₃₂(left · rightᵀ) · scale)) from +0."""
    acc = np.zeros((left.shape[1], right.shape[1]), np.float32)
    for x, y, scale in zip(left, right, scales, strict=False):
        acc += (x @ y.T).astype(np.float32, copy=False) * scale
    return acc
