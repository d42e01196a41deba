"""Golden model of ``MixPe``: exact integer sums per group, scaled and accumulated in FP32."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import Axis, MixPe, Operand
from gemmsmith_sim.golden.base import Array, Encoded, Golden, Layout, expect, little_endian, to_fp32, unknown
from gemmsmith_sim.golden.floats import FP32_SMALLEST_NORMAL
from gemmsmith_sim.golden.int4 import FP16_SMALLEST_NORMAL, check_range, per_element
from gemmsmith_sim.golden.narrow import (
    LARGEST_FACTOR,
    POW2_CODES,
    Groups,
    decode_codes,
    encode_narrow,
    int_range,
    scale_values,
)
from gemmsmith_sim.golden.prealigned import by_group, lane_words, scaled_sums, small_blocks
from gemmsmith_sim.golden.rowscaled import encode_rows, exact_sums, scale_fp32

EXACT_TERMS = 512
"""Products are at most 2⁷ · 255, so FP32 sums of this many are exact in any order; of fp4, in halves, as well."""
SCALE_TYPES = {"fp16": np.float16, "fp32": np.float32, "pow2": np.uint8, "int8": np.float32}
SCALE_BITS = {"fp16": 16, "fp32": 32, "pow2": 8, "int8": 32}


class MixPeGolden(Golden[MixPe]):
    """Arrays of activations:

    - ``codes``: int8 (rows, K), −128..127 or, with 4 bits, −8..7;
    - ``scales``: float32 (rows,), positive normal numbers.

    Arrays of weights; groups is ⌈K/group⌉, or 1:

    - ``codes``: (rows, K), int8 of symmetric integers and ternary weights, uint8 of integers with zero points, of E2M1
      codes and of binary weights (0, 1);
    - ``scales``: (rows, groups), float16 or float32, positive normal numbers, or uint8, exponents 1..254; of two
      levels float32 (rows,);
    - ``group_scales``, of two levels: uint8 (rows, groups), 1..127;
    - ``zeros``, with zero points: uint8 (rows, groups), in the codes' range.

    Operands with L lanes, a divisor of the group: ``a_codes``, a·L bits per beat, lane i in bits a·i+a−1..a·i as two's
    complement, holding k = L·beat + i; ``w_codes`` likewise in codes of ``weight_bits``. Words per weight group, or per
    block: ``w_scale``, 16, 32 or 8 bits; ``w_group_scale``, 7 bits; ``w_zero``, ``weight_bits``. ``a_scale``: an FP32
    word per block.
    """

    family = "mixpe"

    def layout(self, axis: Axis, shape: tuple[int, int]) -> Layout:
        rows, k = shape
        scheme = self.scheme
        if scheme.largest_k is not None and k > scheme.largest_k:
            raise ValueError(f"K of {scheme.short} with one sum over K must be at most {scheme.largest_k}, not {k}: "
                             "the sum has 32 bits")
        if axis is Axis.ROW:
            return {"codes": (np.int8, shape), "scales": (np.float32, (rows,))}
        per_group = rows, -(-k // scheme.group) if scheme.group else 1
        unsigned = scheme.zero == "zp" or scheme.w in ("fp4", "binary")
        layout: Layout = {"codes": (np.uint8 if unsigned else np.int8, shape),
                          "scales": (SCALE_TYPES[scheme.scale], (rows,) if scheme.scale == "int8" else per_group)}
        if scheme.scale == "int8":
            layout["group_scales"] = (np.uint8, per_group)
        if scheme.zero == "zp":
            layout["zeros"] = (np.uint8, per_group)
        return layout

    def check(self, encoded: Encoded) -> None:
        arrays = encoded.arrays
        if encoded.axis is Axis.ROW:
            half = 1 << self.scheme.a - 1
            check_range("activations", arrays["codes"], -half, half - 1)
            _check_floats("activations", arrays["scales"])
            return
        low, high = (0, (1 << self.scheme.weight_bits) - 1) if self.scheme.w in ("fp4", "binary") else int_range(
            self.scheme)
        check_range("weights", arrays["codes"], low, high)
        if "zeros" in arrays:
            check_range("zeros", arrays["zeros"], low, high)
        if self.scheme.scale == "pow2":
            check_range("scales", arrays["scales"], *POW2_CODES)
        else:
            _check_floats("weights", arrays["scales"])
        if self.scheme.scale == "int8":
            check_range("group_scales", arrays["group_scales"], 1, LARGEST_FACTOR)
            check_range("products of weight and group_scale", self._integers(encoded), -128, 127)

    def encode(self, axis: Axis, values: Array) -> dict[str, Array]:
        if axis is Axis.ROW:
            return encode_rows(axis, values, largest=(1 << self.scheme.a - 1) - 1)
        groups = Groups.of(self.scheme, to_fp32(axis, values))
        return encode_narrow(self.scheme, groups).arrays(values.shape[1])

    def decode(self, encoded: Encoded) -> NDArray[np.float64]:
        arrays = encoded.arrays
        if encoded.axis is Axis.ROW:
            return arrays["codes"] * arrays["scales"].astype(np.float64)[:, None]
        integers = self._integers(encoded).astype(np.float64)
        if self.scheme.scale == "int8":
            return integers * arrays["scales"].astype(np.float64)[:, None]
        return integers * per_element(scale_values(self.scheme, arrays["scales"], None), self._size(encoded),
                                      encoded.shape)

    def product(self, a: Encoded, w: Encoded) -> NDArray[np.float32]:
        """``fp4`` codes count whole here: their value is q / 2, and so the sums are S / 2, exact as well."""
        with np.errstate(over="ignore", invalid="ignore"):
            if self.scheme.largest_k is None:
                acc = self._group_sums(a, w)
            else:
                right = w.keep("integers", lambda: self._integers(w))
                sums = exact_sums(a.arrays["codes"].astype(np.float32), right, terms=EXACT_TERMS)
                acc = scale_fp32(sums.astype(np.float32), self._scales(w)[:, 0])
            # Infinities of opposite signs made a NaN, which the last multiplication takes for an infinity.
            return scale_fp32(np.where(np.isnan(acc), np.float32(np.inf), acc), a.arrays["scales"][:, None])

    def words(self, encoded: Encoded, operand: Operand) -> NDArray[np.uint8]:
        arrays, scheme = encoded.arrays, self.scheme
        bits = scheme.weight_bits
        if operand.name in ("a_codes", "w_codes"):
            width = scheme.a if encoded.axis is Axis.ROW else bits
            return lane_words(arrays["codes"], operand, width=width, group=scheme.group)
        name, width = {"a_scale": ("scales", 32), "w_scale": ("scales", SCALE_BITS[scheme.scale]),
                       "w_group_scale": ("group_scales", 7), "w_zero": ("zeros", bits)}.get(operand.name, ("", 0))
        if name not in arrays:
            raise unknown(scheme, operand)
        expect(operand, width=width)
        return little_endian(arrays[name].reshape(len(arrays[name]), -1))

    def _size(self, encoded: Encoded) -> int:
        """Weights of a group."""
        return self.scheme.group or encoded.shape[1]

    def _integers(self, w: Encoded) -> NDArray[np.float32]:
        """What is multiplied with activations, exact, before a scale: (rows, K)."""
        def spread(name: str) -> Array:
            return w.arrays[name].repeat(self._size(w), axis=1)[:, : w.shape[1]]

        integers = decode_codes(self.scheme, w.arrays["codes"], spread("zeros") if "zeros" in w.arrays else None)
        return integers * spread("group_scales") if "group_scales" in w.arrays else integers

    def _scales(self, w: Encoded) -> NDArray[np.float32]:
        """(rows, groups), or (rows, 1) of two levels."""
        scales = w.arrays["scales"].reshape(w.shape[0], -1)
        return scale_values(self.scheme, scales, None).astype(np.float32)

    def _group_sums(self, a: Encoded, w: Encoded) -> NDArray[np.float32]:
        """Per group u = RNE₃₂(S · s), acc = RNE₃₂(acc + u); S is exact in float32.

        With FP16 scales nothing leaves FP32's normal range: S is 0 or at least ½, sums are multiples of 2⁻²⁵.
        """
        size = self.scheme.group
        left = by_group(a.arrays["codes"].astype(np.float32), size)
        right = w.keep("by_group", lambda: by_group(self._integers(w), size))
        scales = self._scales(w).T
        accumulate = scaled_sums if self.scheme.scale == "fp16" else _wide_sums
        out = np.empty((a.shape[0], w.shape[0]), np.float32)
        for rows, columns in small_blocks(out.shape):
            out[rows, columns] = accumulate(left[:, rows], right[:, columns], scales[:, columns])
        return out


def _check_floats(name: str, scales: Array) -> None:
    smallest = FP16_SMALLEST_NORMAL if scales.dtype == np.float16 else FP32_SMALLEST_NORMAL
    if not ((scales >= smallest) & np.isfinite(scales)).all():
        kind = "FP16" if scales.dtype == np.float16 else "FP32"
        raise ValueError(f"scales of mixpe {name} must be positive normal {kind} numbers")


def _wide_sums(left: Array, right: Array, scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """``scaled_sums`` with scales of the whole range of FP32: products and sums below 2⁻¹²⁶ become +0."""
    acc = np.zeros((left.shape[1], right.shape[1]), np.float32)
    for x, y, scale in zip(left, right, scales, strict=True):
        acc += scale_fp32(x @ y.T, scale)
        acc[np.abs(acc) < FP32_SMALLEST_NORMAL] = 0  # a sum below is exact: a multiple of 2⁻¹⁴⁹
    return acc
