"""Hostile operands in codes: the ends of every range, odd values, cancellation and ties."""

from __future__ import annotations

from functools import singledispatch

import numpy as np

from gemmsmith.schemes import Ant, Axis, BitFusion, Fp16, Fp16Dot, FpInt, Int8, Prealigned, Scheme
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


@singledispatch
def encoded(scheme: Scheme, axis: Axis, shape: tuple[int, int], rng: np.random.Generator) -> Encoded:
    """Operands of ``scheme`` with ``shape`` = (rows, K)."""
    raise NotImplementedError(scheme.family)


@encoded.register
def _(scheme: Fp16 | Fp16Dot, axis: Axis, shape: tuple[int, int], rng: np.random.Generator) -> Encoded:
    return Encoded(scheme, axis, shape, {"codes": fp16_codes(shape, rng)})


@encoded.register
def _(scheme: FpInt, axis: Axis, shape: tuple[int, int], rng: np.random.Generator) -> Encoded:
    if axis is Axis.ROW:
        return Encoded(scheme, axis, shape, {"codes": fp16_codes(shape, rng)})
    scales = int4_scales((shape[0], -(-shape[1] // scheme.weight_group)), rng)
    return Encoded(scheme, axis, shape, {"codes": rng.integers(-8, 8, shape).astype(np.int8), "scales": scales})


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
def _(scheme: Ant, axis: Axis, shape: tuple[int, int], rng: np.random.Generator) -> Encoded:
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
