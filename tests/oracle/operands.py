"""Hostile operands in codes: the ends of every range, odd values, cancellation and ties."""

from __future__ import annotations

from functools import singledispatch

import numpy as np

from gemmsmith.schemes import (
    W4A16,
    Ant,
    Axis,
    BitFusion,
    Dequant,
    FloatMac,
    Fp4,
    Fp16,
    Fp16Dot,
    FpInt,
    Int8,
    MixPe,
    PositFma,
    Prealigned,
    Scheme,
)
from gemmsmith_sim.golden import Encoded

ODD_FP16 = np.array([0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x0400, 0x8400, 0x07FF, 0x3BFF, 0x3C00, 0xBC00,
                     0x3C01, 0x5800, 0x7BFF, 0xFBFF, 0x7C00, 0xFE01], np.uint16)
"""Zeros, subnormals, the borders of the normal range, neighbours of 1, an infinity and a NaN."""


def fp16_codes(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Any code; odd ones; and numbers of like size, which cancel and tie."""
    alike = rng.integers(0x3C00, 0x3C10, shape, np.uint16) | rng.integers(0, 2, shape, np.uint16) << 15
    sources = [rng.integers(0, 1 << 16, shape, np.uint16), rng.choice(ODD_FP16, shape), alike]
    return np.choose(rng.integers(0, 3, shape), sources).astype(np.uint16)


def int4_scales(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Any positive normal FP16 numbers."""
    return rng.integers(0x0400, 0x7C00, shape, np.uint16).view(np.float16)


def fp32_scales(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Positive normal numbers of the whole range, whose products overflow and underflow, and of middling size."""
    wide = rng.integers(0x0080_0000, 0x7F80_0000, shape, np.uint32).view(np.float32)
    middling = (2.0 ** rng.uniform(-12, 2, shape)).astype(np.float32)
    return np.where(rng.random(shape) < 0.5, wide, middling)


@singledispatch
def encoded(scheme: Scheme, axis: Axis, shape: tuple[int, int], rng: np.random.Generator) -> Encoded:
    """Operands of ``scheme`` with ``shape`` = (rows, K)."""
    raise NotImplementedError(scheme.family)


@encoded.register
def _(scheme: Fp16 | Fp16Dot, axis: Axis, shape: tuple[int, int], rng: np.random.Generator) -> Encoded:
    return Encoded(scheme, axis, shape, {"codes": fp16_codes(shape, rng)})


@encoded.register
def _(scheme: FloatMac, axis: Axis, shape: tuple[int, int], rng: np.random.Generator) -> Encoded:
    """Any code, and codes of like size, which cancel and tie; those of BF16 at both ends of the range, too."""
    width, step = scheme.number.width, 1 << scheme.number.fraction_width
    one = scheme.number.encode(1)
    alike = one + rng.integers(-2 * step, 2 * step, shape) | rng.integers(0, 2, shape) << width - 1
    codes = np.where(rng.random(shape) < 0.4, rng.integers(0, 1 << width, shape), alike)
    codes[0, ::3] = scheme.number.encode(scheme.number.largest)
    codes[-1] &= 3 * step // 2 | 1 << width - 1
    return Encoded(scheme, axis, shape, {"codes": codes.astype(np.uint16 if width > 8 else np.uint8)})


@encoded.register
def _(scheme: PositFma, axis: Axis, shape: tuple[int, int], rng: np.random.Generator) -> Encoded:
    """Any number, and numbers near 1, which cancel and tie; the ends of the range; a NaR in the first row alone."""
    n = scheme.number.n
    nar, one, step = 1 << n - 1, 1 << n - 2, 1 << n - 3
    alike = (one + rng.integers(-step, step, shape)) * rng.choice([-1, 1], shape)
    codes = np.where(rng.random(shape) < 0.4, rng.integers(1 - nar, nar, shape), alike)
    codes[1 % shape[0], ::5] = rng.choice([1, -1, nar - 1, 1 - nar])
    codes[0, shape[1] // 2] = nar
    return Encoded(scheme, axis, shape, {"codes": (codes % (2 * nar)).astype(np.uint16 if n > 8 else np.uint8)})


@encoded.register
def _(scheme: Dequant, axis: Axis, shape: tuple[int, int], rng: np.random.Generator) -> Encoded:
    """Scales whose products with a code are beyond FP16 among them."""
    if axis is Axis.ROW:
        return Encoded(scheme, axis, shape, {"codes": fp16_codes(shape, rng)})
    scales = int4_scales((shape[0], -(-shape[1] // scheme.group)), rng)
    scales[0] = np.array(0x7BFF, np.uint16).view(np.float16)
    return Encoded(scheme, axis, shape, {"codes": rng.integers(-8, 8, shape).astype(np.int8), "scales": scales})


@encoded.register
def _(scheme: FpInt, axis: Axis, shape: tuple[int, int], rng: np.random.Generator) -> Encoded:
    if axis is Axis.ROW:
        return Encoded(scheme, axis, shape, {"codes": fp16_codes(shape, rng)})
    scales = int4_scales((shape[0], -(-shape[1] // scheme.weight_group)), rng)
    return Encoded(scheme, axis, shape, {"codes": rng.integers(-8, 8, shape).astype(np.int8), "scales": scales})


@encoded.register
def _(scheme: W4A16, axis: Axis, shape: tuple[int, int], rng: np.random.Generator) -> Encoded:
    """Activations of any exponents, and, in the last half of the rows, of a beat that are near each other."""
    rows, k = shape
    if axis is Axis.ROW:
        codes = fp16_codes(shape, rng)
        near = rng.integers(3, 28, (rows, -(-k // scheme.lanes))).repeat(scheme.lanes, axis=1)[:, :k]
        near = near + rng.integers(-3, 4, shape) << 10 | rng.integers(0, 1 << 10, shape)
        codes[rows // 2:] = (near | rng.integers(0, 2, shape) << 15)[rows // 2:]
        return Encoded(scheme, axis, shape, {"codes": codes})
    weights = rng.integers(-8, 8, shape).astype(np.int8)
    weights[0] = -8
    return Encoded(scheme, axis, shape, {"codes": weights if scheme.w == "int4" else weights.view(np.uint8) & 15,
                                         "scales": int4_scales((rows, -(-k // scheme.group)), rng)})


@encoded.register
def _(scheme: Int8, axis: Axis, shape: tuple[int, int], rng: np.random.Generator) -> Encoded:
    codes = rng.integers(-128, 128, shape, np.int8)
    codes[0] = -128
    return Encoded(scheme, axis, shape, {"codes": codes, "scales": row_scales(shape, rng)})


@encoded.register
def _(scheme: BitFusion, axis: Axis, shape: tuple[int, int], rng: np.random.Generator) -> Encoded:
    low = -(1 << (scheme.a if axis is Axis.ROW else scheme.w) - 1)
    codes = rng.integers(low, -low, shape, np.int8)
    codes[0] = low
    return Encoded(scheme, axis, shape, {"codes": codes, "scales": row_scales(shape, rng)})


@encoded.register
def _(scheme: Ant | Fp4, axis: Axis, shape: tuple[int, int], rng: np.random.Generator) -> Encoded:
    codes = rng.integers(0, 16, shape, np.uint8)
    return Encoded(scheme, axis, shape, {"codes": codes, "scales": row_scales(shape, rng)})


def row_scales(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Scales of the whole range of FP32, whose products overflow and underflow, and of middling size."""
    wide = rng.integers(0x0080_0000, 0x7F80_0000, shape[0], np.uint32).view(np.float32)
    middling = (2.0 ** rng.uniform(-12, 2, shape[0])).astype(np.float32)
    return np.where(rng.random(shape[0]) < 0.5, wide, middling)


@encoded.register
def _(scheme: Prealigned, axis: Axis, shape: tuple[int, int], rng: np.random.Generator) -> Encoded:
    """First rows at the ends of the code range; half of the rows have groups of like size."""
    rows, k = shape
    low, high = (1 - (1 << scheme.m), (1 << scheme.m) - 1) if axis is Axis.ROW else (-8, 7)
    codes = rng.integers(low, high + 1, shape)
    codes[0], codes[-1, : k // 2] = low, 0
    if axis is Axis.COLUMN:
        groups = -(-k // scheme.weight_group)
        scales = int4_scales((rows, groups), rng)
        return Encoded(scheme, axis, shape, {"codes": codes.astype(np.int8), "scales": scales})
    exponents = rng.integers(1, 31, (rows, -(-k // 64)), np.uint8)
    exponents[rows // 2 :] = 15
    return Encoded(scheme, axis, shape, {"codes": codes.astype(np.int32), "exponents": exponents})


@encoded.register
def _(scheme: MixPe, axis: Axis, shape: tuple[int, int], rng: np.random.Generator) -> Encoded:
    """Codes at the ends of their range in the first rows; scales that make sums cancel, over- and underflow."""
    rows, k = shape
    if axis is Axis.ROW:
        half = 1 << scheme.a - 1
        codes = rng.integers(-half, half, shape, np.int8)
        codes[0], codes[-1, : k // 2] = -half, 0
        return Encoded(scheme, axis, shape, {"codes": codes, "scales": fp32_scales((rows,), rng)})
    groups = -(-k // scheme.group) if scheme.group else 1
    size, bits = scheme.group or k, scheme.weight_bits
    unsigned = scheme.zero == "zp" or scheme.w in ("fp4", "binary")
    low, high = (0, (1 << bits) - 1) if unsigned else (-(1 << bits - 1) + (scheme.w == "ternary"), (1 << bits - 1) - 1)
    codes = rng.integers(low, high + 1, shape)
    codes[0], codes[rows // 2, ::2] = low, high
    arrays = {}
    if scheme.zero == "zp":
        zeros = rng.integers(low, high + 1, (rows, groups))
        zeros[0] = high
        arrays["zeros"] = zeros.astype(np.uint8)
    if scheme.scale == "int8":
        integers = codes - (zeros.repeat(size, axis=1)[:, :k] if scheme.zero == "zp" else 0)
        room = [[factor_room(integers[row, g * size : (g + 1) * size]) for g in range(groups)] for row in range(rows)]
        arrays["group_scales"] = rng.integers(1, np.array(room) + 1).astype(np.uint8)
        arrays["group_scales"][:, 0] = np.array(room)[:, 0]
    arrays["codes"] = codes.astype(np.uint8 if unsigned else np.int8)
    arrays["scales"] = mixpe_scales(scheme.scale, (rows, groups), rng)
    return Encoded(scheme, axis, shape, arrays)


def factor_room(integers: np.ndarray) -> int:
    """The largest factor up to 127 that keeps all of them in −128..127."""
    return min(127, 127 // max(integers.max(), 1), 128 // max(-integers.min(), 1))


def mixpe_scales(scale: str, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Scales per group (two levels: per row) of the whole range, and of the range in which a row's sums meet."""
    if scale == "fp16":
        return int4_scales(shape, rng)
    if scale == "pow2":
        codes = rng.integers(1, 255, shape)
        codes[shape[0] // 2 :] = rng.integers(120, 130, codes[shape[0] // 2 :].shape)
        codes[1::3], codes[2::3] = rng.integers(1, 8, codes[1::3].shape), rng.integers(250, 255, codes[2::3].shape)
        return codes.astype(np.uint8)
    if scale == "int8":
        return fp32_scales(shape[:1], rng)
    scales = fp32_scales(shape, rng)
    scales[1::3] = np.ldexp(1 + rng.random(scales[1::3].shape), rng.integers(-126, -122, scales[1::3].shape))
    scales[2::3] = np.ldexp(1 + rng.random(scales[2::3].shape), rng.integers(123, 127, scales[2::3].shape))
    return scales
