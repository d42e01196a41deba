"""Golden products against float64 products of the same codes, within bounds derived from the roundings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gemmsmith.schemes import (
    W4A16,
    Anda,
    Ant,
    BitFusion,
    Dequant,
    Figna,
    FloatMac,
    Fp4,
    Fp16,
    Fp16Dot,
    FpInt,
    Ifpu,
    Int8,
    MixPe,
    Prealigned,
)
from gemmsmith_sim.golden import for_scheme
from gemmsmith_sim.golden.w4a16 import align

FP32_UNIT = 2.0**-24
"""Largest relative error of rounding to FP32."""
FP64_UNIT = 2.0**-53


def roundings(scheme: Any, k: int) -> int:
    """Roundings that a term passes at most on its way to the output."""
    if isinstance(scheme, Int8 | BitFusion | Ant | Fp4):
        return 3
    if isinstance(scheme, Fp16Dot):
        return 1 + 3 * 2 ** (24 - 22)  # three products of a group lose 2^-22 of the largest
    if isinstance(scheme, FpInt):
        return scheme.weight_group + 1 + -(-k // scheme.weight_group)
    if isinstance(scheme, W4A16):
        return 2 + -(-k // scheme.group)
    if isinstance(scheme, Prealigned):
        return 2 + -(-k // 64)
    if isinstance(scheme, MixPe):
        return 3 if scheme.largest_k else 3 + -(-k // scheme.group)
    return k


@pytest.mark.parametrize("out", ["fp32", "fp16"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 63), (16, 16, 64), (7, 33, 65), (40, 30, 1000), (2, 3, 5000)],
                         ids=str)
@pytest.mark.parametrize("scheme", [Fp16(), Fp16Dot(), FpInt(), Int8(), Anda(m=1), Anda(m=6),
                                    Anda(m=13, weight_group=64), Anda(m=16), Figna(m=11), Ifpu(),
                                    W4A16(guard="exact"), W4A16(w="fp4", lanes=1), Dequant(), MixPe(),
                                    MixPe(zero="zp", group=32, scale="pow2"), MixPe(w="fp4", a=4, group=0),
                                    MixPe(w="int2", scale="int8"), MixPe(w="ternary"), MixPe(w="binary"),
                                    *BitFusion.compared(), *Ant.compared(), Fp4(), *FloatMac.compared()],
                         ids=lambda s: s.short)
def test_error_bound(scheme: Any, shape: tuple[int, int, int], out: str) -> None:
    """|o − Σ aw| ≤ ((1 + u)^n − 1) · Σ |aw| for n roundings of relative error u, plus float64's own error.

    The bound holds for each output; nothing under- or overflows here.
    """
    m, n, k = shape
    golden, rng = for_scheme(scheme.replace(out=out)), np.random.default_rng(shape)
    a = golden.encode_activations(rng.standard_normal((m, k)) * 2.0 ** rng.integers(-3, 4, (m, 1)))
    w = golden.encode_weights(rng.standard_normal((n, k)) * 0.05)
    exact = a.values @ w.values.T
    magnitude = np.abs(a.values) @ np.abs(w.values).T
    bound = magnitude * ((1 + FP32_UNIT) ** roundings(scheme, k) - 1 + 2 * k * FP64_UNIT)
    if out == "fp16":
        bound = bound * (1 + 2.0**-11) + np.abs(exact) * 2.0**-11 + 2.0**-25
    assert (np.abs(golden.matmul(a, w) - exact) <= bound).all()


@pytest.mark.parametrize("m", range(1, 17))
def test_anda_activations_are_truncated_by_less_than_one_ulp_of_their_group(m: int) -> None:
    x = np.random.default_rng(m).standard_normal((20, 64)).astype(np.float16)
    encoded = for_scheme(Anda(m=m)).encode_activations(x)
    largest = np.abs(x).max(axis=1, keepdims=True).astype(np.float64)
    ulp = 2.0 ** (np.floor(np.log2(largest)) - (m - 1))
    lost = np.abs(x.astype(np.float64)) - np.abs(encoded.values)
    assert ((lost >= 0) & (lost < ulp)).all()


@pytest.mark.parametrize("guard", [0, 2, 8])
def test_aligned_activations_lose_less_than_a_unit_of_their_beat(guard: int) -> None:
    x = np.random.default_rng(guard).standard_normal((20, 64)).astype(np.float16)
    kept = align(x.view(np.uint16), lanes=16, guard=guard) * 2.0 ** -(24 + guard)
    largest = np.abs(x).reshape(20, 4, 16).max(axis=2).astype(np.float64).repeat(16, axis=1)
    lost = np.abs(x.astype(np.float64)) - np.abs(kept)
    assert ((lost >= 0) & (lost < 2.0 ** (np.floor(np.log2(largest)) - 10 - guard))).all()


@pytest.mark.parametrize("scheme", [FpInt(), Int8(), Anda()], ids=lambda s: s.short)
def test_quantised_weights_are_rounded_by_at_most_half_a_step(scheme: Any) -> None:
    """Half a step, but for the largest code: the rounding of the scale moves the largest value's quotient a little.

    The quotient is at most 7 (1 + 2⁻¹¹) for an FP16 scale, 127 (1 + 2⁻²⁴) for an FP32 one: less than half a step more.
    """
    w = np.random.default_rng(0).standard_normal((16, 256)).astype(np.float32)
    encoded = for_scheme(scheme).encode_weights(w)
    steps = encoded.arrays["scales"].astype(np.float64).reshape(16, -1)
    steps = steps.repeat(256 // steps.shape[1], axis=1)
    assert (np.abs(encoded.values - w) <= steps * (0.5 + 2.0**-20)).all()
