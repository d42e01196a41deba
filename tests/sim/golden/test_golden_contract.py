"""What golden models promise besides numbers: arguments, errors, packing, registration, independence."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from golden_cases import ONE, every_scheme, operand

from gemmsmith.schemes import (
    Anda,
    Axis,
    Figna,
    Fp16,
    Fp16Dot,
    FpInt,
    Ifpu,
    Int8,
    MixPe,
    Operand,
    Scheme,
)
from gemmsmith_sim.golden import Encoded, EncodeError, Golden, for_scheme
from gemmsmith_sim.golden.base import Array, Layout

# Encoding


@every_scheme
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_float_dtypes_give_equal_codes(scheme: Any, dtype: type) -> None:
    golden = for_scheme(scheme)
    x = np.random.default_rng(1).standard_normal((3, 70)).astype(np.float16)
    for encode in (golden.encode_activations, golden.encode_weights):
        for name, array in encode(x).arrays.items():
            assert np.array_equal(encode(x.astype(dtype)).arrays[name], array)


@every_scheme
def test_values_are_near_what_was_encoded(scheme: Any) -> None:
    golden = for_scheme(scheme)
    x = np.random.default_rng(2).uniform(-3, 3, (4, 150))
    bits = {"fp16": (11, 11), "fp16dot": (11, 11), "fpint": (11, 4), "int8": (8, 8), "w4a16": (11, 3),
            "dequant": (11, 4)}.get(scheme.family, (min(getattr(scheme, "m", 0), 11), 4))
    bits = scheme.operand_bits if isinstance(scheme, MixPe) else bits
    bits = {"fp4": (3, 3), "fp8-e4m3": (4, 4), "fp8-e5m2": (3, 3), "bf16": (8, 8),
            "posit4-fma": (1, 1), "posit8-fma": (5, 5), "posit16-fma": (11, 11),
            "xrnpe-fp4": (3, 3), "xrnpe-posit4": (1, 1), "xrnpe-posit8": (5, 5),
            "xrnpe-posit16": (11, 11)}.get(scheme.short, bits)
    if scheme.family in ("bitfusion", "ant"):
        bits = tuple({2: 1, "pot": 1, "float": 3, "flint": 2, "int": 4}.get(choice, choice)
                     for choice in (scheme.a, scheme.w))  # steps of up to half the largest number
    for encode, precision in zip((golden.encode_activations, golden.encode_weights), bits, strict=True):
        encoded = encode(x)
        assert encoded.values.dtype == np.float64
        assert encoded.values.shape == encoded.shape == x.shape
        assert np.abs(encoded.values - x).max() <= 4.0 * 2.0**-(precision - 1)


@every_scheme
def test_zeros_and_negative_zeros(scheme: Any) -> None:
    golden = for_scheme(scheme)
    wide = scheme.family in ("int8", "mixpe", "bitfusion", "ant", "fp4", "xrnpe") or (
        scheme.short == "bf16" or scheme.family == "positfma")
    zeros = np.array([[0.0, -0.0, 0.0 if wide else -1e-30]])
    a, w = golden.encode_activations(zeros), golden.encode_weights(zeros)
    assert not a.arrays["codes"].any()
    assert not w.arrays["codes"].any()
    assert golden.matmul(a, w).tobytes() == bytes(scheme.out_width // 8)  # +0


@every_scheme
def test_results_that_are_zero_are_positive(scheme: Any) -> None:
    golden = for_scheme(scheme)
    x, y = np.array([[1.0, -1.0], [-2.0**-14, 0]]), np.array([[1.0, 1.0], [2.0**-14, 0]])
    result = golden.matmul(golden.encode_activations(x), golden.encode_weights(y))
    assert not np.signbit(result[result == 0]).any()
    assert (result == 0).any()


@every_scheme
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_with_its_position(scheme: Any, bad: float) -> None:
    x = np.zeros((3, 5))
    x[2, 4] = bad
    golden = for_scheme(scheme)
    with pytest.raises(EncodeError, match=rf"activations: {bad} at row 2, column 4: {scheme.short} takes finite"):
        golden.encode_activations(x)
    with pytest.raises(EncodeError, match=r"weights: .* at row 2, column 4"):
        golden.encode_weights(x)


def test_what_does_not_fit_is_refused() -> None:
    x = np.array([[0.0, 65519.0], [0.0, -65520.0]])
    for golden in map(for_scheme, (Fp16(), Fp16Dot(), FpInt(), Anda())):
        assert golden.encode_activations(x[:1]).values[0, 1] > 60_000
        with pytest.raises(EncodeError, match=r"-65520.0 at row 1, column 1: beyond the largest FP16, 65504"):
            golden.encode_activations(x)
    with pytest.raises(EncodeError, match="at row 0, column 0: beyond the largest FP32"):
        for_scheme(Int8()).encode_weights(np.array([[1e39]]))
    w = np.zeros((2, 200))
    w[1, 199] = 7 * 65520.0
    with pytest.raises(EncodeError, match="row 1, columns from 128: a seventh"):
        for_scheme(Anda()).encode_weights(w)


@every_scheme
@pytest.mark.parametrize(("x", "message"), [
    (np.ones((2, 3), np.int32), "must be an array of float16, float32 or float64, not int32"),
    ([[1.0]], "must be an array of float16, float32 or float64, not list"),
    (np.ones(3), r"must be a matrix with rows and columns, not of shape \(3,\)"),
    (np.ones((0, 3)), r"not of shape \(0, 3\)"),
    (np.ones((3, 0)), r"not of shape \(3, 0\)"),
])
def test_what_is_no_float_matrix_is_refused(scheme: Any, x: Any, message: str) -> None:
    for encode in (for_scheme(scheme).encode_activations, for_scheme(scheme).encode_weights):
        with pytest.raises(ValueError, match=message):
            encode(x)


def test_int8_refuses_a_k_that_its_sum_cannot_hold() -> None:
    with pytest.raises(ValueError, match="K of fp16dot must be at most 131072"):
        for_scheme(Fp16Dot()).encode_activations(np.ones((1, Fp16Dot.max_k + 1), np.float16))
    for scheme, k in ((MixPe(group=0), MixPe.max_k), (MixPe(scale="int8"), MixPe.max_k),
                      (MixPe(w="int8", zero="zp", group=0), MixPe.max_k // 2)):
        with pytest.raises(ValueError, match=f"K of w[48]a8 with one sum over K must be at most {k}"):
            for_scheme(scheme).encode_activations(np.ones((1, k + 1), np.float16))
    with pytest.raises(ValueError, match="K of int8 must be at most 131072"):
        for_scheme(Int8()).encode_activations(np.ones((1, Int8.max_k + 1), np.float16))


# Encoded


def anda_arrays(**changed: Array) -> dict[str, Array]:
    arrays: dict[str, Array] = {"codes": np.zeros((2, 65), np.int32), "exponents": np.ones((2, 2), np.uint8)}
    return arrays | changed


@pytest.mark.parametrize(("arrays", "message"), [
    ({"codes": np.zeros((2, 65), np.int32)}, "have the arrays codes, exponents, not codes"),
    (anda_arrays(codes=np.zeros((2, 65), np.int64)), "codes must be int32 of shape"),
    (anda_arrays(codes=np.zeros((65, 2), np.int32)), r"codes must be int32 of shape \(2, 65\)"),
    (anda_arrays(exponents=np.ones((2, 1), np.uint8)), r"exponents must be uint8 of shape \(2, 2\)"),
    (anda_arrays(exponents=np.full((2, 2), 31, np.uint8)), r"exponents must be 1\.\.30, not 31\.\.31"),
    (anda_arrays(exponents=np.zeros((2, 2), np.uint8)), r"exponents must be 1\.\.30, not 0\.\.0"),
    (anda_arrays(codes=np.full((2, 65), -64, np.int32)), r"mantissas must be -63\.\.63, not -64\.\.-64"),
])
def test_codes_from_elsewhere_are_checked(arrays: dict[str, Array], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Encoded(Anda(m=6), Axis.ROW, (2, 65), arrays)


@pytest.mark.parametrize("scale", [0.0, -1.0, np.inf, np.nan, 1e-7])
def test_scales_must_be_positive_normal_numbers(scale: float) -> None:
    codes = np.ones((1, 1), np.int8)
    with pytest.raises(ValueError, match="positive normal FP16"):
        Encoded(Anda(), Axis.COLUMN, (1, 1), {"codes": codes, "scales": np.array([[scale]], np.float16)})
    if scale != 1e-7:
        with pytest.raises(ValueError, match="positive normal FP32"):
            Encoded(Int8(), Axis.ROW, (1, 1), {"codes": codes, "scales": np.array([scale], np.float32)})


@pytest.mark.parametrize(("choices", "changed", "message"), [
    ({}, {"codes": np.full((2, 40), 8, np.int8)}, r"weights must be -8\.\.7, not 8\.\.8"),
    ({"zero": "zp"}, {"codes": np.full((2, 40), 16, np.uint8)}, r"weights must be 0\.\.15, not 16\.\.16"),
    ({"zero": "zp"}, {"zeros": np.full((2, 2), 16, np.uint8)}, r"zeros must be 0\.\.15, not 16\.\.16"),
    ({"w": "ternary"}, {"codes": np.full((2, 40), -2, np.int8)}, r"weights must be -1\.\.1, not -2\.\.-2"),
    ({"w": "binary"}, {"codes": np.full((2, 40), 2, np.uint8)}, r"weights must be 0\.\.1, not 2\.\.2"),
    ({"w": "fp4"}, {"codes": np.full((2, 40), 16, np.uint8)}, r"weights must be 0\.\.15, not 16\.\.16"),
    ({}, {"scales": np.zeros((2, 2), np.float16)}, "scales of mixpe weights must be positive normal FP16"),
    ({"scale": "fp32"}, {"scales": np.full((2, 2), np.inf, np.float32)}, "must be positive normal FP32"),
    ({"scale": "pow2"}, {"scales": np.full((2, 2), 255, np.uint8)}, r"scales must be 1\.\.254, not 255\.\.255"),
    ({"scale": "int8"}, {"group_scales": np.zeros((2, 2), np.uint8)}, r"group_scales must be 1\.\.127, not 0\.\.0"),
    ({"scale": "int8"}, {"codes": np.full((2, 40), 7, np.int8), "group_scales": np.full((2, 2), 19, np.uint8)},
     r"products of weight and group_scale must be -128\.\.127, not"),
    ({"group": 0}, {"scales": np.ones((2, 2), np.float16)}, r"scales must be float16 of shape \(2, 1\)"),
])
def test_narrow_weights_from_elsewhere_are_checked(choices: dict[str, Any], changed: dict[str, Array],
                                                   message: str) -> None:
    scheme = MixPe(**({"group": 32} | choices))
    arrays = for_scheme(scheme).encode_weights(np.ones((2, 40))).arrays | changed
    with pytest.raises(ValueError, match=message):
        Encoded(scheme, Axis.COLUMN, (2, 40), arrays)


def test_activations_of_five_bits_are_refused() -> None:
    arrays: dict[str, Array] = {"codes": np.full((1, 1), 8, np.int8), "scales": np.ones(1, np.float32)}
    with pytest.raises(ValueError, match=r"activations must be -8\.\.7, not 8\.\.8"):
        Encoded(MixPe(a=4), Axis.ROW, (1, 1), arrays)


def test_weights_of_five_bits_are_refused() -> None:
    arrays: dict[str, Array] = {"codes": np.full((1, 1), 8, np.int8), "scales": np.ones((1, 1), np.float16)}
    with pytest.raises(ValueError, match=r"weights must be -8\.\.7, not 8\.\.8"):
        Encoded(Anda(), Axis.COLUMN, (1, 1), arrays)


@every_scheme
def test_codes_are_read_only(scheme: Any) -> None:
    encoded = for_scheme(scheme).encode_weights(ONE)
    for array in encoded.arrays.values():
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


# The product's arguments


@every_scheme
def test_matmul_checks_its_operands(scheme: Any) -> None:
    golden = for_scheme(scheme)
    a, w = golden.encode_activations(ONE), golden.encode_weights(ONE)
    with pytest.raises(ValueError, match="takes activations, then weights, not weights as activations"):
        golden.matmul(w, w)
    with pytest.raises(ValueError, match="takes activations, then weights, not activations as weights"):
        golden.matmul(a, a)
    with pytest.raises(ValueError, match=r"K of activations \(3\) and weights \(2\) must be equal"):
        golden.matmul(a, golden.encode_weights(ONE[:, :2]))
    with pytest.raises(ValueError, match=r"are encoded as .*, not"):
        for_scheme(Anda(m=9)).matmul(a, w)


@every_scheme
@pytest.mark.parametrize("out", ["fp32", "fp16"])
def test_result_dtype_and_shape(scheme: Any, out: str) -> None:
    golden = for_scheme(scheme.replace(out=out))
    result = golden.matmul(golden.encode_activations(ONE), golden.encode_weights(ONE[:1]))
    assert (result.dtype, result.shape) == ({"fp32": np.float32, "fp16": np.float16}[out], (2, 1))


# Families


@pytest.mark.parametrize("m", [8, 13, 16])
@pytest.mark.parametrize("family", [Figna, Ifpu])
def test_prealigned_families_differ_in_memory_layout_alone(family: Any, m: int) -> None:
    rng = np.random.default_rng(m)
    x, y = rng.standard_normal((3, 200)), rng.standard_normal((4, 200))
    one, other = for_scheme(Anda(m=m)), for_scheme(family(m=m))
    wanted = one.matmul(one.encode_activations(x), one.encode_weights(y))
    assert other.matmul(other.encode_activations(x), other.encode_weights(y)).tobytes() == wanted.tobytes()


@dataclass(frozen=True, kw_only=True)
class Sign(Scheme):
    """A toy: weights and activations are signs."""

    family: ClassVar[str] = "toysign"
    name = short = "toysign"
    k_multiple = 8


class SignGolden(Golden[Sign]):
    family = "toysign"

    def layout(self, axis: Axis, shape: tuple[int, int]) -> Layout:
        return {"codes": (np.bool_, shape)}

    def encode(self, axis: Axis, values: Array) -> dict[str, Array]:
        return {"codes": values < 0}

    def decode(self, encoded: Encoded) -> Array:
        return np.where(encoded.arrays["codes"], -1.0, 1.0)

    def product(self, a: Encoded, w: Encoded) -> Array:
        return (a.values @ w.values.T).astype(np.float32)

    def words(self, encoded: Encoded, operand: Operand) -> Array:
        return np.packbits(encoded.arrays["codes"], axis=1, bitorder="little")[:, :, None]


def test_a_family_registers_itself() -> None:
    golden = for_scheme(Sign())
    assert isinstance(golden, SignGolden)
    a, w = golden.encode_activations(ONE), golden.encode_weights(-ONE)
    assert golden.matmul(a, w).tolist() == [[-3.0, -3.0]] * 2
    assert golden.pack(w, (operand("w_signs", 8),))["w_signs"].tolist() == [[7], [7]]


def test_a_family_has_one_golden_model() -> None:
    with pytest.raises(ValueError, match="'toysign' has a golden model already, SignGolden"):
        type("Another", (Golden,), {"family": "toysign"})


def test_a_family_without_golden_model_is_named() -> None:
    orphan = type("Orphan", (Sign,), {"family": "toyorphan"})
    families = ("anda, ant, bitfusion, dequant, figna, floatmac, fp16, fp16dot, fp4, fpint, ifpu, int8, mixpe, "
                "positfma, (toysign, )?w4a16, xrnpe")
    with pytest.raises(ValueError, match=f"'toyorphan' has no golden model; {families}"):
        for_scheme(orphan())


def test_golden_models_import_no_hardware() -> None:
    code = "import sys, gemmsmith_sim.golden; sys.exit(any(name.startswith('amaranth') for name in sys.modules))"
    subprocess.run([sys.executable, "-c", code], check=True)
