"""MixPe's golden model against the scalar oracle: every weight format, zero point, scale, group and output."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import ml_dtypes
import numpy as np
import pytest
from test_golden_oracle import check, fractions

from gemmsmith.schemes import Axis, MixPe, SchemeError
from gemmsmith.schemes.mixpe import GROUPS, SCALES, WEIGHTS, ZEROS
from gemmsmith_sim.golden import Encoded, EncodeError, for_scheme
from oracle import operands, schemes


def every() -> Iterator[MixPe]:
    """Every scheme of the family with FP32 outputs."""
    for a, w, zero, scale, group in itertools.product((8, 4), WEIGHTS, ZEROS, SCALES, GROUPS):
        try:
            yield MixPe(a=a, w=w, zero=zero, scale=scale, group=group)
        except SchemeError:
            assert zero == "zp" or scale == "int8"


EVERY = list(every())


def named(scheme: MixPe) -> str:
    return f"{scheme.short}-{scheme.zero}-g{scheme.group}-{scheme.scale}"


def test_every_scheme_is_here() -> None:
    """7 formats, 4 of them with zero points, with three scales and five groups; two levels of three and four."""
    assert len(EVERY) == len(set(EVERY)) == 2 * ((7 + 4) * 3 * 5 + 3 * 2 * 4)


@pytest.mark.parametrize("scheme", EVERY, ids=named)
def test_product(scheme: MixPe) -> None:
    """A whole group and a partly filled one, or that alone; FP32 and FP16 outputs."""
    for out, k in (("fp32", scheme.group + 21), ("fp16", 29)):
        one, rng = scheme.replace(out=out), np.random.default_rng(k)
        check(operands.encoded(one, Axis.ROW, (2, k), rng), operands.encoded(one, Axis.COLUMN, (6, k), rng))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("w", ["int4", "fp4", "binary"])
@pytest.mark.parametrize("scale", ["fp32", "pow2"])
def test_sums_at_both_ends_of_the_range(scale: str, w: str, seed: int) -> None:
    """Many groups of a row: scales near the smallest number, and near the largest, where infinities of both signs meet.
    """
    scheme, rng = MixPe(w=w, scale=scale, group=32), np.random.default_rng(seed)
    a, w_ = operands.encoded(scheme, Axis.ROW, (6, 400), rng), operands.encoded(scheme, Axis.COLUMN, (9, 400), rng)
    few = np.where(rng.random((6, 400)) < 0.02, rng.integers(-1, 2, (6, 400)), 0).astype(np.int8)
    sparse = Encoded(scheme, Axis.ROW, (6, 400), {"codes": few, "scales": np.ones(6, np.float32)})
    for left in (a, sparse):
        check(left, w_)
    assert np.isinf(for_scheme(scheme).matmul(a, w_)).any()


def test_infinities_of_both_signs_give_a_positive_infinity() -> None:
    """In either order, and whatever comes behind; of one sign they stay."""
    scheme = MixPe(w="int2", scale="pow2", group=32)
    signs = np.array([[1, -1, 0], [-1, 1, 1], [-1, 0, 1], [-1, -1, 0]], np.int8)
    codes = (signs * 127).repeat(32, axis=1)
    a = Encoded(scheme, Axis.ROW, (4, 96), {"codes": codes, "scales": np.full(4, 0.5, np.float32)})
    w = Encoded(scheme, Axis.COLUMN, (1, 96), {"codes": np.ones((1, 96), np.int8),
                                               "scales": np.full((1, 3), 254, np.uint8)})
    inf = np.float32(np.inf)
    assert for_scheme(scheme).matmul(a, w).ravel().tolist() == [inf, inf, inf, -inf]
    check(a, w)


def test_sums_below_the_normal_range_are_flushed_group_by_group() -> None:
    """1.5 − 1 of the smallest normal number is 0; the same again and 1 more is 1, not 1.5 or 2."""
    scheme = MixPe(w="int2", scale="fp32", group=32)
    codes = np.zeros((2, 96), np.int8)
    codes[:, [0, 32]], codes[1, 64] = [1, -1], 1
    a = Encoded(scheme, Axis.ROW, (1, 96), {"codes": np.ones((1, 96), np.int8), "scales": np.ones(1, np.float32)})
    scales = np.ldexp(np.array([[1.5, 1, 1]] * 2, np.float32), -126)
    w = Encoded(scheme, Axis.COLUMN, (2, 96), {"codes": codes, "scales": scales})
    assert for_scheme(scheme).matmul(a, w).tolist() == [[0, 2.0**-126]]
    check(a, w)


def test_the_half_of_fp4_is_flushed_as_it_should() -> None:
    """½ · s is exact in 24 bits below 2⁻¹²⁶: zero, though IEEE's subnormals would round it up to 2⁻¹²⁶."""
    scheme = MixPe(w="fp4", scale="fp32", group=32)
    scales = np.nextafter(np.array([[2.0**-125], [2.0**-124], [2.0**-125]], np.float32), np.float32(0))
    scales[2] = 2.0**-125
    a = Encoded(scheme, Axis.ROW, (1, 1), {"codes": np.ones((1, 1), np.int8), "scales": np.ones(1, np.float32)})
    w = Encoded(scheme, Axis.COLUMN, (3, 1), {"codes": np.ones((3, 1), np.uint8), "scales": scales})
    check(a, w)
    assert (for_scheme(scheme).matmul(a, w) > 0).tolist() == [[False, True, True]]


@pytest.mark.parametrize(("w", "zero", "k"), [
    ("int8", "sym", 131_071), ("int8", "zp", 65_536), ("fp4", "sym", 60_000)])
def test_largest_sums_are_exact_and_rounded_before_scaling(w: str, zero: str, k: int) -> None:
    scheme, rng = MixPe(w=w, zero=zero, group=0, scale="fp32"), np.random.default_rng(1)
    x = np.full((2, k), -128, np.int8)
    x[1] = rng.integers(90, 128, k)
    codes = np.full((2, k), {("int8", "sym"): -128, ("int8", "zp"): 255, ("fp4", "sym"): 7}[w, zero])
    codes[1, ::3] = 5
    arrays = {"codes": codes.astype(np.int8 if (w, zero) == ("int8", "sym") else np.uint8),
              "scales": np.array([[3 / 7], [1.1]], np.float32)}
    if zero == "zp":
        arrays["zeros"] = np.zeros((2, 1), np.uint8)
    check(Encoded(scheme, Axis.ROW, x.shape, {"codes": x, "scales": np.array([1, 1.7], np.float32)}),
          Encoded(scheme, Axis.COLUMN, x.shape, arrays))


ROUNDED = [(w, zero) for w in ("int8", "int4", "int3", "int2", "fp4") for zero in ZEROS if (w, zero) != ("fp4", "zp")]


@pytest.mark.parametrize("scale", ["fp16", "fp32"])
@pytest.mark.parametrize(("w", "zero"), ROUNDED)
def test_weight_encoding(w: str, zero: str, scale: str) -> None:
    rng = np.random.default_rng(7)
    values = (rng.standard_normal((24, 70)) * 2.0 ** rng.integers(-20, 10, (24, 1))).astype(np.float32)
    values[3], values[4] = np.abs(values[3]), -np.abs(values[4])
    values[5, 32:64] = 0
    values[6] = np.rint(values[6] * 16) / 16 + 0.0
    arrays = for_scheme(MixPe(w=w, zero=zero, scale=scale, group=32)).encode_weights(values).arrays
    scales = fractions(arrays["scales"])
    for row, (g, start) in itertools.product(range(24), enumerate((0, 32, 64))):
        group, codes = values[row, start : start + 32], arrays["codes"][row, start : start + 32].tolist()
        zeros = int(arrays["zeros"][row, g]) if zero == "zp" else 0
        if group.any():
            assert (codes, scales[row][g], zeros) == schemes.mixpe_encode_group(
                group.tolist(), w=w, zero=zero, scale=scale)
        else:
            assert (codes, scales[row][g], zeros) == ([0] * len(group), 1, 0)


# Encoding beyond what the oracle states: means, powers of two, two levels


def test_e2m1_is_that_of_ml_dtypes() -> None:
    """All codes; and every quotient in steps of 1/16, so that all ties are among them."""
    codes = np.arange(16, dtype=np.uint8)
    values = codes.view(ml_dtypes.float4_e2m1fn).astype(np.float32)
    w = Encoded(MixPe(w="fp4", scale="fp32", group=0), Axis.COLUMN, (1, 16), {
        "codes": codes[None], "scales": np.ones((1, 1), np.float32)})
    assert w.values.tolist() == [values.tolist()]
    x = np.arange(-96, 97, dtype=np.float32)[None] / 16
    encoded = for_scheme(MixPe(w="fp4", group=0)).encode_weights(x)
    assert encoded.arrays["scales"] == 1
    assert np.array_equal(encoded.values, x.astype(ml_dtypes.float4_e2m1fn).astype(np.float64))
    assert not (encoded.arrays["codes"] == 8).any()


def test_binary_scales_are_mean_magnitudes_of_the_weights_alone() -> None:
    """Not of what fills up the last group. Zero is +1; a group of zeros has the smallest scale."""
    w = np.array([[1, -2, 0, 3, *[0] * 28, 5, -7], [0] * 32 + [0, 1]], np.float32)
    arrays = for_scheme(MixPe(w="binary", group=32)).encode_weights(w).arrays
    assert arrays["scales"].tolist() == [[6 / 32, 6], [2.0**-14, 0.5]]
    assert arrays["codes"].tolist() == [[1, 0, *[1] * 31, 0], [1] * 34]


def test_ternary_scales_are_means_of_what_exceeds_the_threshold() -> None:
    """Mean |w| = 1.5, threshold 1.05: 2, 2.5 and 1.25 are kept, their mean is 23/12; then the nearest code."""
    w = np.array([[2, -2.5, 0.25, 1.25]], np.float32)
    arrays = for_scheme(MixPe(w="ternary", group=32)).encode_weights(w).arrays
    assert arrays["scales"] == np.float16(23 / 12)
    assert arrays["codes"].tolist() == [[1, -1, 0, 1]]


@pytest.mark.parametrize("w", WEIGHTS)
def test_powers_of_two_are_the_better_of_two(w: str) -> None:
    """Of the two around the step (that FP32 scales show), none is better than the one that is taken."""
    x = np.random.default_rng(5).standard_normal((40, 64)).astype(np.float32)
    steps = for_scheme(MixPe(w=w, scale="fp32", group=64)).encode_weights(x).arrays["scales"]
    encoded = for_scheme(MixPe(w=w, scale="pow2", group=64)).encode_weights(x)
    powers = np.exp2(encoded.arrays["scales"].astype(np.float64) - 127)
    assert ((powers <= steps * 2) & (powers * 2 > steps)).all()
    assert (powers > steps).any() or w in ("int2", "int3")
    errors = np.square(encoded.values - x).sum(axis=1)
    for row, factor in itertools.product(range(40), (0.5, 2)):
        other = powers[row] * factor
        if not steps[row] / 2 < other <= steps[row] * 2:
            continue
        best = np.square(nearest_on_grid(x[row] / other, w) * other - x[row]).sum()
        assert errors[row] <= best * (1 + 1e-6)


def nearest_on_grid(quotients: np.ndarray, w: str) -> np.ndarray:
    """The nearest of all values that codes may have."""
    values = {"fp4": sorted({s * v / 2 for s in (-1, 1) for v in schemes.E2M1_TWICE}), "ternary": [-1, 0, 1],
              "binary": [-1, 1]}.get(w) or range(-(1 << WEIGHTS[w] - 1), 1 << WEIGHTS[w] - 1)
    grid = np.array(list(values), np.float64)
    return grid[np.abs(quotients[:, None] - grid).argmin(axis=1)]


@pytest.mark.parametrize("w", ["int4", "int3", "int2"])
@pytest.mark.parametrize("zero", ZEROS)
def test_two_levels_lose_little(w: str, zero: str) -> None:
    """Against FP32 scales; and one group of each row takes the largest factor that it may."""
    x = np.random.default_rng(2).standard_normal((30, 256)) * np.random.default_rng(3).uniform(0.5, 2, (30, 1))
    one, two = (for_scheme(MixPe(w=w, zero=zero, scale=scale, group=64)).encode_weights(x)
                for scale in ("fp32", "int8"))
    error = [np.square(encoded.values - x).mean() for encoded in (one, two)]
    assert error[1] < error[0] * 1.2
    steps = two.arrays["scales"][:, None] * two.arrays["group_scales"]
    assert (np.abs(steps / one.arrays["scales"] - 1).min(axis=1) < 1e-6).all()
    check(for_scheme(two.scheme).encode_activations(x[:2]), two)


@pytest.mark.parametrize("scheme", EVERY[: len(EVERY) // 2], ids=named)
def test_zeros_and_extremes_are_encoded(scheme: MixPe) -> None:
    """Rows of zeros, of the smallest and of the largest numbers: legal codes, or a refusal that names the row."""
    golden = for_scheme(scheme)
    assert not golden.encode_weights(np.zeros((2, 40))).values.any() or scheme.w == "binary"
    golden.encode_weights(np.full((2, 40), 1e-45, np.float32))
    huge = np.array([[1, -1], [3e38, -3e38]], np.float32)
    if scheme.scale == "fp16" or (scheme.zero == "zp" and scheme.scale != "pow2"):
        with pytest.raises(EncodeError, match=r"row 1, columns from 0: the scale is beyond the largest FP(16|32)"):
            golden.encode_weights(huge)
    else:
        golden.encode_weights(huge)
