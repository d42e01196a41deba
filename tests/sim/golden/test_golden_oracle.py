"""Golden models against the scalar oracle, bit for bit, on small shapes and hostile values."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from golden_cases import fractions
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from gemmsmith.schemes import (
    W4A16,
    Anda,
    Ant,
    Axis,
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
    PositFma,
    Prealigned,
)
from gemmsmith_sim.golden import Encoded, for_scheme
from gemmsmith_sim.golden.floats import FLUSH_BELOW, round_fp16, round_fp32_flush
from oracle import operands, schemes
from oracle.exact import fp16_bits, fp16_number, fp32_bits, round_to_fp32, round_to_ieee_fp16

MS = range(1, 17)


def bits(result: np.ndarray) -> list[Any]:
    return result.view({4: np.uint32, 2: np.uint16}[result.dtype.itemsize]).tolist()


def wanted(a: Encoded, w: Encoded) -> list[list[int]]:
    """The product as the oracle has it."""
    scheme, left, right = a.scheme, a.arrays, w.arrays
    x, y = left["codes"].tolist(), right["codes"].tolist()
    if isinstance(scheme, Fp16):
        return schemes.fp16_product(x, y, out=scheme.out)
    if isinstance(scheme, FloatMac):
        return schemes.floatmac_product(x, y, scheme.number, out=scheme.out)
    if isinstance(scheme, PositFma):
        return schemes.positfma_product(x, y, scheme.number, out=scheme.out)
    if isinstance(scheme, Fp16Dot):
        return schemes.fp16dot_product(x, y, out=scheme.out)
    if isinstance(scheme, FpInt):
        return schemes.fpint_product(x, y, fractions(right["scales"]), weight_group=scheme.weight_group, out=scheme.out)
    if isinstance(scheme, Dequant):
        codes = [schemes.dequantise(*row, scheme.group) for row in zip(y, fractions(right["scales"]), strict=True)]
        return schemes.fp16_product(x, codes, out=scheme.out)
    if isinstance(scheme, W4A16):
        numbers = [[schemes.fp4_number(code) for code in row] for row in y] if scheme.w == "fp4" else y
        return schemes.w4a16_product(x, numbers, fractions(right["scales"]), lanes=scheme.lanes, group=scheme.group,
                                     guard=None if scheme.guard == "exact" else int(scheme.guard), out=scheme.out)
    if isinstance(scheme, Ant):
        x = [[schemes.ant_number(code, scheme.a) for code in row] for row in x]
        y = [[schemes.ant_number(code, scheme.w) for code in row] for row in y]
    if isinstance(scheme, Fp4):
        x, y = ([[schemes.fp4_number(code) for code in row] for row in codes] for codes in (x, y))
    if isinstance(scheme, Int8 | BitFusion | Ant | Fp4):
        scales = fractions(left["scales"]), fractions(right["scales"])
        return schemes.int8_product(x, scales[0], y, scales[1], out=scheme.out)
    if isinstance(scheme, MixPe):
        return mixpe_wanted(a, w)
    assert isinstance(scheme, Prealigned)
    return schemes.anda_product(x, left["exponents"].tolist(), y, fractions(right["scales"]), m=scheme.m,
                                weight_group=scheme.weight_group, out=scheme.out)


def mixpe_wanted(a: Encoded, w: Encoded) -> list[list[int]]:
    scheme, (rows, k) = w.scheme, w.shape
    assert isinstance(scheme, MixPe)
    size, arrays = scheme.group or k, {name: array.tolist() for name, array in w.arrays.items()}
    weights = [[schemes.mixpe_weight(code, arrays["zeros"][row][i // size] if "zeros" in arrays else 0, scheme.w)
                for i, code in enumerate(arrays["codes"][row])] for row in range(rows)]
    group, scales = scheme.group, fractions(w.arrays["scales"])
    if scheme.scale == "pow2":
        scales = [[Fraction(2) ** (code - 127) for code in row] for row in arrays["scales"]]
    if scheme.scale == "int8":
        group, scales = 0, [[scale] for scale in scales]
        weights = [[q * arrays["group_scales"][row][i // size] for i, q in enumerate(weights[row])]
                   for row in range(rows)]
    return schemes.mixpe_product(a.arrays["codes"].tolist(), fractions(a.arrays["scales"]), weights, scales,
                                 group=group, out=scheme.out)


def check(a: Encoded, w: Encoded) -> None:
    assert bits(for_scheme(a.scheme).matmul(a, w)) == wanted(a, w)


CASES = [
    *((Fp16(out=out), k) for out in ("fp32", "fp16") for k in (1, 2, 7, 60)),
    *((FloatMac(x=x, out=out), k) for x in ("e4m3", "e5m2", "bf16") for out in ("fp32", "fp16") for k in (1, 2, 7, 60)),
    *((scheme.replace(out=out), k) for scheme in PositFma.compared() for out in ("fp32", "fp16") for k in (1, 2, 30)),
    *((Fp16Dot(out=out), k) for out in ("fp32", "fp16") for k in (1, 4, 7, 60)),
    *((FpInt(weight_group=group, out=out), k)
      for group, out in ((64, "fp32"), (128, "fp16"), (512, "fp32")) for k in (1, 64, 200)),
    *((Dequant(group=group, out=out), k)
      for group, out in ((32, "fp32"), (128, "fp16"), (256, "fp32")) for k in (1, 64, 200)),
    *((W4A16(w=w, lanes=lanes, guard=guard, group=group, out=out), k) for w in ("int4", "fp4")
      for lanes, guard, group, out in ((1, "0", 32, "fp32"), (16, "2", 128, "fp32"), (4, "exact", 64, "fp16"),
                                       (64, "8", 256, "fp32"), (16, "0", 64, "fp16"), (32, "exact", 256, "fp32"))
      for k in (1, 64, 200, 300)),
    *((Int8(out=out), k) for out in ("fp32", "fp16") for k in (1, 3, 16, 1030)),
    *((scheme.replace(out=out), k) for scheme in (*BitFusion.compared(), *Ant.named(), Fp4())
      for out, k in (("fp32", 3), ("fp16", 130))),
    *((Anda(m=m, weight_group=group, out=out), k) for m in MS
      for k, group, out in ((1, 64, "fp32"), (64, 64, "fp32"), (200, 128, "fp32"), (449, 256, "fp16"))),
    *((family(m=m, weight_group=group, out=out), k) for family in (Figna, Ifpu) for m in (8, 13, 16)
      for k, group, out in ((65, 64, "fp32"), (300, 128, "fp16"))),
]


@pytest.mark.parametrize(("scheme", "k"), CASES, ids=lambda x: getattr(x, "name", x))
def test_product(scheme: Any, k: int) -> None:
    rng = np.random.default_rng(k)
    check(operands.encoded(scheme, Axis.ROW, (5, k), rng), operands.encoded(scheme, Axis.COLUMN, (6, k), rng))


@pytest.mark.parametrize("scheme", [Fp16(), Fp16Dot(), FpInt(), Int8(), *(Anda(m=m) for m in MS), Figna(), Ifpu(),
                                    W4A16(), W4A16(w="fp4"), Dequant(), MixPe(), MixPe(w="fp4", scale="pow2"),
                                    MixPe(w="binary"), *BitFusion.compared(), *Ant.compared(), Fp4(),
                                    *FloatMac.compared(), *PositFma.compared()],
                         ids=lambda s: s.short)
def test_one_by_one(scheme: Any) -> None:
    golden = for_scheme(scheme)
    for x in (1.0, -1.0, 0.0, 3e-7):
        a, w = golden.encode_activations(np.array([[x]])), golden.encode_weights(np.array([[-x]]))
        check(a, w)
        assert golden.matmul(a, w).shape == (1, 1)


# The output roundings


@pytest.mark.parametrize("factor", [1.0, 0.5, 2.0])
def test_flush_turns_at_the_midpoint_below_the_smallest_normal(factor: float) -> None:
    points = (2.0**-126, FLUSH_BELOW, 2.0**-126 - 2.0**-149, 2.0**-149)
    near = np.array([np.nextafter(factor * p, p * side) for p in points for side in (0, factor, 2 * factor)])
    both = np.concatenate([near, -near])
    assert bits(round_fp32_flush(both)) == [fp32_bits(round_to_fp32(Fraction(x))) for x in both.tolist()]


@settings(deadline=None, max_examples=300)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_output_roundings(x: float) -> None:
    assert bits(round_fp32_flush(np.array(x))) == fp32_bits(round_to_fp32(Fraction(x)))
    if abs(x) < 2.0**127:
        single = np.array(x).astype(np.float32)
        assert bits(round_fp16(single)) == fp16_bits(round_to_ieee_fp16(Fraction(float(single))))


def test_fp16dot_truncates_and_carries_exactly() -> None:
    """Products of both signs whose last places are cut or not; sums of 3000 terms, in two parts, ascending or not."""
    rng = np.random.default_rng(3)
    x = rng.integers(0x5000, 0x7C00, (2, 3000)).astype(np.uint16) | rng.integers(0, 2, (2, 3000), np.uint16) << 15
    x[1] = np.sort(x[1] & 0x7FFF)
    y = rng.choice([0x7BFF, 0x0001, 0x8401, 0x3C01], (2, 3000)).astype(np.uint16)
    check(Encoded(Fp16Dot(), Axis.ROW, x.shape, {"codes": x}), Encoded(Fp16Dot(), Axis.COLUMN, y.shape, {"codes": y}))


def test_fp16dot_rounds_its_sum_once() -> None:
    """2^24 + 1 ± 2^-48 and the tie between them; float64 cannot hold the sum before it is rounded."""
    big, one, least = 0x6C00, 0x3C00, 0x0001
    x = np.array([[big, 0, 0, 0, one, 0, 0, 0, least, 0, 0, 0]], np.uint16)
    y = np.array([[big, 0, 0, 0, one, 0, 0, 0, last, 0, 0, 0] for last in (least, 0x8001, 0)], np.uint16)
    a = Encoded(Fp16Dot(), Axis.ROW, x.shape, {"codes": x})
    w = Encoded(Fp16Dot(), Axis.COLUMN, y.shape, {"codes": y})
    assert for_scheme(Fp16Dot()).matmul(a, w).tolist() == [[2.0**24 + 2, 2.0**24, 2.0**24]]
    check(a, w)


def test_int8_product_at_the_flush_threshold() -> None:
    """18 631 · 1801 = 2²⁵ − 1: the exact product of these scales is 2⁻¹²⁶ − 2⁻¹⁵¹, a tie that rounds up."""
    codes = np.ones((2, 1), np.int8)
    left = np.array([18631, np.nextafter(np.float32(18631), 0)], np.float32) * np.float32(2.0**-90)
    right = np.array([1801, np.nextafter(np.float32(1801), 0)], np.float32) * np.float32(2.0**-61)
    a = Encoded(Int8(), Axis.ROW, (2, 1), {"codes": codes, "scales": left})
    w = Encoded(Int8(), Axis.COLUMN, (2, 1), {"codes": codes, "scales": right})
    check(a, w)
    assert for_scheme(Int8()).matmul(a, w).tolist() == [[2.0**-126, 0], [0, 0]]


# Single semantic steps


def test_fp16_adds_in_ascending_k() -> None:
    golden = for_scheme(Fp16())
    x = np.array([[2.0**15, 1, -(2.0**15), 1]])
    w = np.array([[2.0**15, 2.0**-8, 2.0**15, 2.0**-8]])
    assert golden.matmul(golden.encode_activations(x), golden.encode_weights(w)) == 2.0**-8


@settings(deadline=None, max_examples=60)
@given(st.data(), st.integers(1, 12))
def test_fp16_any_codes(data: st.DataObject, k: int) -> None:
    a, w = (data.draw(nps.arrays(np.uint16, (2, k))) for _ in range(2))
    check(Encoded(Fp16(), Axis.ROW, (2, k), {"codes": a}), Encoded(Fp16(), Axis.COLUMN, (2, k), {"codes": w}))


def test_int8_largest_sums_are_exact_and_rounded_before_scaling() -> None:
    k = Int8.max_k - 1
    x, y = np.full((3, k), 127, np.int8), np.full((2, k), 127, np.int8)
    x[1], x[2, ::7], y[1, ::3] = -128, 125, 126
    scales = np.array([3 / 7, 1.1, 1.7], np.float32)
    a = Encoded(Int8(), Axis.ROW, x.shape, {"codes": x, "scales": scales})
    w = Encoded(Int8(), Axis.COLUMN, y.shape, {"codes": y, "scales": scales[:2]})
    sums = x.astype(np.int64) @ y.T.astype(np.int64)
    assert (sums != sums.astype(np.float32)).any()
    check(a, w)


def test_anda_sums_beyond_24_bits_are_exact_and_rounded_once() -> None:
    """At m = 16 a group's sum may exceed FP32's significand."""
    rng, scheme = np.random.default_rng(0), Anda(m=16, weight_group=64)
    rows, columns = rng.integers(60_000, 65_536, (8, 64), np.int32), rng.integers(5, 8, (8, 64), np.int8)
    rows[0], columns[0], columns[1] = 65_535, -8, 7
    a = Encoded(scheme, Axis.ROW, (8, 64), {"codes": rows, "exponents": np.full((8, 1), 30, np.uint8)})
    w = Encoded(scheme, Axis.COLUMN, (8, 64), {"codes": columns, "scales": np.ones((8, 1), np.float16)})
    sums = rows.astype(np.int64) @ columns.T.astype(np.int64)
    assert (sums != sums.astype(np.float32)).any()
    check(a, w)


def test_anda_groups_that_share_a_weight_scale_are_scaled_one_by_one() -> None:
    """Scaling the sum of both groups once would give another result for one of these seeds at least."""
    scheme, golden = Anda(m=13), for_scheme(Anda(m=13))
    differs = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        a = golden.encode_activations(rng.standard_normal((2, 128)))
        w = golden.encode_weights(rng.standard_normal((2, 128)))
        check(a, w)
        codes = w.arrays["codes"].astype(np.float64)
        first, second = (np.float32(a.values[:, s] @ codes[:, s].T) for s in (np.s_[:64], np.s_[64:]))
        differs += ((first + second) * np.float32(w.arrays["scales"].T) != golden.matmul(a, w)).any()
    assert scheme.weight_group == 128
    assert differs


@pytest.mark.parametrize("w", ["int4", "fp4"])
def test_w4a16_multiplies_every_activation_by_every_weight(w: str) -> None:
    """One product to an output, scaled by 1: exact in FP32."""
    scheme, every = W4A16(w=w, lanes=1, group=32), np.arange(1 << 16, dtype=np.uint16).reshape(-1, 1)
    codes = np.arange(-8, 8, dtype=np.int8) if w == "int4" else np.arange(16, dtype=np.uint8)
    weights = codes.tolist() if w == "int4" else [float(schemes.fp4_number(code)) for code in codes.tolist()]
    a = Encoded(scheme, Axis.ROW, every.shape, {"codes": every})
    ones = np.ones((16, 1), np.float16)
    b = Encoded(scheme, Axis.COLUMN, (16, 1), {"codes": codes.reshape(16, 1), "scales": ones})
    x = np.array([float(fp16_number(code)) for code in range(1 << 16)])
    assert np.array_equal(for_scheme(scheme).matmul(a, b), np.outer(x, weights).astype(np.float32))


# Shapes beyond the blocks in which a golden model computes


@pytest.mark.parametrize("scheme", [Fp16(), Fp16Dot(), FpInt(), Int8(), Anda(m=6), Figna(), Ifpu(), W4A16(),
                                    W4A16(w="fp4"), Dequant(), MixPe(), MixPe(zero="zp", scale="int8"),
                                    MixPe(w="binary", group=0), BitFusion(), Ant(), Fp4()],
                         ids=lambda s: s.short)
@pytest.mark.parametrize("shape", [(300, 600, 65), (1, 70_000, 2), (2, 3, 2100)])
def test_blocks_do_not_show(scheme: Any, shape: tuple[int, int, int]) -> None:
    """Every output equals the product of its own row and column alone."""
    m, n, k = shape
    golden, rng = for_scheme(scheme), np.random.default_rng(shape)
    x, y = rng.standard_normal((m, k)), rng.standard_normal((n, k))
    a, w = golden.encode_activations(x), golden.encode_weights(y)
    whole = golden.matmul(a, w)
    some = zip(rng.integers(m, size=20), rng.integers(n, size=20), strict=True)
    for i, j in [(0, 0), (m - 1, n - 1), *some]:
        one = golden.matmul(golden.encode_activations(x[i : i + 1]), golden.encode_weights(y[j : j + 1]))
        assert one[0, 0] == whole[i, j]
    assert np.array_equal(golden.matmul(a, w), whole)  # what weights keep changes nothing
