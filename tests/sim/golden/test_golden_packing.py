"""How golden models lay out operands: in the order of the array, and in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from golden_cases import ONE, every_scheme, operand

from gemmsmith.schemes import (
    W4A16,
    Anda,
    Ant,
    Axis,
    BitFusion,
    Cadence,
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
    Operand,
    Part,
    PositFma,
    Scheme,
    XrNpe,
)
from gemmsmith_sim.golden import Encoded, for_scheme
from oracle import operands as hostile


def words(packed: np.ndarray, container: int) -> list[list[int]]:
    """Rows of integers, read as a memory of little-endian containers."""
    size = container // 8
    return [[int.from_bytes(row[i : i + size].tobytes(), "little") for i in range(0, len(row), size)]
            for row in packed]


def field(word: int, index: int, width: int, *, signed: bool = False) -> int:
    value = word >> index * width & (1 << width) - 1
    return value - (1 << width) if signed and value >> width - 1 else value


Memory = list[list[list[int]]]
"""Words of operands, rows, words."""


def packed(scheme: Scheme, axis: Axis, shape: tuple[int, int], *wanted: Operand) -> tuple[Encoded, Memory]:
    encoded = hostile.encoded(scheme, axis, shape, np.random.default_rng(shape))
    memory = for_scheme(scheme).pack(encoded, wanted)
    assert all(array.dtype == np.uint8 and array.flags.c_contiguous for array in memory.values())
    return encoded, [words(memory[operand.name], operand.container) for operand in wanted]


@pytest.mark.parametrize(("axis", "name"), [(Axis.ROW, "a_code"), (Axis.COLUMN, "w_code")])
def test_fp16_packing(axis: Axis, name: str) -> None:
    encoded, (codes,) = packed(Fp16(), axis, (3, 5), operand(name, 16))
    assert codes == encoded.arrays["codes"].tolist()


@pytest.mark.parametrize(("axis", "name"), [(Axis.ROW, "a_codes"), (Axis.COLUMN, "w_codes")])
def test_fp16dot_packing(axis: Axis, name: str) -> None:
    encoded, (codes,) = packed(Fp16Dot(), axis, (3, 9), operand(name, 64))
    for row in range(3):
        lanes = [field(word, i, 16) for word in codes[row] for i in range(4)]
        assert lanes == [*encoded.arrays["codes"][row], 0, 0, 0]


@pytest.mark.parametrize("scheme", [FpInt(weight_group=64), Dequant(group=64)], ids=lambda s: s.short)
def test_fp16_by_int4_packing(scheme: Any) -> None:
    k = 70
    activations, (a,) = packed(scheme, Axis.ROW, (3, k), operand("a_code", 16))
    weights, (w, scales) = packed(scheme, Axis.COLUMN, (3, k), operand("w_code", 4),
                                  operand("w_scale", 16, Cadence.GROUP, part=Part.TAIL))
    assert scales == weights.arrays["scales"].view(np.uint16).tolist()
    for row in range(3):
        assert a[row] == [*activations.arrays["codes"][row], *[0] * 58]
        assert [field(word, 0, 4, signed=True) for word in w[row]] == [*weights.arrays["codes"][row], *[0] * 58]
        assert max(w[row]) < 16


@pytest.mark.parametrize("w", ["int4", "fp4"])
@pytest.mark.parametrize("lanes", [1, 4, 32])
def test_w4a16_packing(lanes: int, w: str) -> None:
    scheme, k = W4A16(w=w, lanes=lanes, group=32), 70
    activations, (a,) = packed(scheme, Axis.ROW, (3, k), operand("a_codes", 16 * lanes))
    weights, (b, scales) = packed(scheme, Axis.COLUMN, (3, k), operand("w_codes", 4 * lanes),
                                  operand("w_scale", 16, Cadence.GROUP, part=Part.TAIL))
    assert scales == weights.arrays["scales"].view(np.uint16).tolist()
    for row in range(3):
        assert [field(word, i, 16) for word in a[row] for i in range(lanes)] == [
            *activations.arrays["codes"][row], *[0] * 26]
        assert [field(word, i, 4, signed=w == "int4") for word in b[row] for i in range(lanes)] == [
            *weights.arrays["codes"][row], *[0] * 26]


@pytest.mark.parametrize("lanes", [1, 2, 3, 4, 16])
@pytest.mark.parametrize("side", ["a", "w"])
def test_int8_packing(lanes: int, side: str) -> None:
    axis = Axis.ROW if side == "a" else Axis.COLUMN
    encoded, (codes, scales) = packed(
        Int8(), axis, (3, 21), operand(f"{side}_codes", 8 * lanes),
        operand(f"{side}_scale", 32, Cadence.BLOCK, part=Part.TAIL))
    beats = -(-21 // lanes)
    for row in range(3):
        assert len(codes[row]) == beats
        lane = [field(word, i, 8, signed=True) for word in codes[row] for i in range(lanes)]
        assert lane[:21] == encoded.arrays["codes"][row].tolist()
        assert not any(lane[21:])
        assert scales[row] == [encoded.arrays["scales"][row].view(np.uint32)]


@pytest.mark.parametrize("m", [1, 6, 16])
def test_anda_activation_packing(m: int) -> None:
    k, groups = 150, 3
    encoded, (planes, exponents) = packed(
        Anda(m=m), Axis.ROW, (3, k), operand("a_plane", 64),
        operand("a_exponent", 5, Cadence.GROUP, part=Part.TAIL))
    assert exponents == encoded.arrays["exponents"].tolist()
    for row in range(3):
        assert len(planes[row]) == groups * (m + 1)
        for k_index in range(groups * 64):
            group, element = divmod(k_index, 64)
            sign, *mantissa = (word >> element & 1 for word in planes[row][group * (m + 1) : (group + 1) * (m + 1)])
            value = sum(bit << i for i, bit in enumerate(mantissa))
            code = encoded.arrays["codes"][row, k_index] if k_index < k else 0
            assert (-value if sign else value) == code
            assert not sign or value  # zero has no sign


@pytest.mark.parametrize("m", [1, 6, 16])
def test_anda_packing_of_two_planes_per_word(m: int) -> None:
    """The words are those of single planes, two by two; of an even m with zeros behind the sign plane."""
    scheme, shape = Anda(m=m), (2, 130)
    encoded, (planes,) = packed(scheme, Axis.ROW, shape, operand("a_plane", 64))
    (pairs,) = for_scheme(scheme).pack(encoded, [operand("a_plane", 128)]).values()
    for row, single in zip(pairs, planes, strict=True):
        expected = []
        for start in range(0, len(single), m + 1):
            sign, *mantissa = single[start : start + m + 1]
            expected += [sign, *[0] * (m % 2 == 0), *mantissa]
        assert np.ascontiguousarray(row).view("<u8").ravel().tolist() == expected


@pytest.mark.parametrize("weight_group", [64, 128, 256])
def test_anda_weight_packing(weight_group: int) -> None:
    k, groups = 290, 5
    encoded, (codes, scales) = packed(
        Anda(weight_group=weight_group), Axis.COLUMN, (3, k), operand("w_codes", 256, Cadence.GROUP),
        operand("w_scale", 16, Cadence.GROUP, part=Part.TAIL, every=weight_group // 64))
    assert scales == encoded.arrays["scales"].view(np.uint16).tolist()
    for row in range(3):
        assert len(codes[row]) == groups
        nibbles = [field(word, i, 4, signed=True) for word in codes[row] for i in range(64)]
        assert nibbles[:k] == encoded.arrays["codes"][row].tolist()
        assert not any(nibbles[k:])


@pytest.mark.parametrize("units", [1, 4])
@pytest.mark.parametrize("scheme", BitFusion.compared(), ids=lambda s: s.short)
@pytest.mark.parametrize("side", ["a", "w"])
def test_bitfusion_packing(units: int, scheme: BitFusion, side: str) -> None:
    """Elements in the order of beats, units and places in the unit's 32 bits."""
    axis, bits = (Axis.ROW, scheme.a) if side == "a" else (Axis.COLUMN, scheme.w)
    encoded, (codes, scales) = packed(
        scheme, axis, (3, 37), operand(f"{side}_codes", 32 * units),
        operand(f"{side}_scale", 32, Cadence.BLOCK, part=Part.TAIL))
    products = 64 // scheme.a // scheme.w
    for row in range(3):
        found = [field(field(word, unit, 32), place, bits, signed=True)
                 for word in codes[row] for unit in range(units) for place in range(products)]
        assert found == [*encoded.arrays["codes"][row], *[0] * (-37 % (16 * units))]
        assert all(field(word, unit, 32) < 1 << bits * products for word in codes[row] for unit in range(units))
    assert scales == encoded.arrays["scales"].view(np.uint32)[:, None].tolist()


@pytest.mark.parametrize("lanes", [1, 4, 16])
@pytest.mark.parametrize("side", ["a", "w"])
@pytest.mark.parametrize("scheme", [Ant(), Fp4()], ids=lambda s: s.short)
def test_packing_of_4_bit_codes(scheme: Ant | Fp4, lanes: int, side: str) -> None:
    axis = Axis.ROW if side == "a" else Axis.COLUMN
    encoded, (codes,) = packed(scheme, axis, (3, 21), operand(f"{side}_codes", 4 * lanes))
    for row in range(3):
        found = [field(word, lane, 4) for word in codes[row] for lane in range(lanes)]
        assert found == [*encoded.arrays["codes"][row], *[0] * (-21 % lanes)]



@pytest.mark.parametrize("side", ["a", "w"])
@pytest.mark.parametrize("units", [1, 2, 4])
@pytest.mark.parametrize(("name", "bits"), [("fp4", 4), ("posit4", 4), ("posit8", 8), ("posit16", 16)])
def test_xrnpe_packing(name: str, bits: int, units: int, side: str) -> None:
    """Rows end with a whole group, of four elements for each 16 bits of a word."""
    scheme, axis = XrNpe(format=name), Axis.ROW if side == "a" else Axis.COLUMN
    codes = np.random.default_rng(units).integers(0, 1 << bits, (3, 21), np.uint16)
    encoded = Encoded(scheme, axis, codes.shape, {"codes": codes, "exponents": np.zeros(3, np.int8)})
    wanted = operand(f"{side}_codes", 16 * units)
    for row, stored in enumerate(words(for_scheme(scheme).pack(encoded, [wanted])[wanted.name], wanted.container)):
        found = [field(word, place, bits) for word in stored for place in range(16 * units // bits)]
        assert found == [*codes[row], *[0] * (-21 % (4 * units))]


@pytest.mark.parametrize(("m", "lanes"), [(13, 16), (8, 64), (1, 1), (16, 2)])
def test_figna_packing(m: int, lanes: int) -> None:
    k, beats = 150, 3 * 64 // lanes
    for axis, name, width in ((Axis.ROW, "a_codes", m + 1), (Axis.COLUMN, "w_codes", 4)):
        encoded, (codes,) = packed(Figna(m=m), axis, (3, k), operand(name, width * lanes))
        for row in range(3):
            assert len(codes[row]) == beats
            lane = [field(word, i, width, signed=True) for word in codes[row] for i in range(lanes)]
            assert lane[:k] == encoded.arrays["codes"][row].tolist()
            assert not any(lane[k:])


def test_ifpu_packing() -> None:
    k, groups = 150, 3
    encoded, (activations,) = packed(Ifpu(m=12), Axis.ROW, (3, k), operand("a_codes", 13 * 64, Cadence.GROUP))
    weights, (planes,) = packed(Ifpu(m=12), Axis.COLUMN, (3, k), operand("w_plane", 64))
    for row in range(3):
        assert len(activations[row]) == groups
        codes = [field(word, i, 13, signed=True) for word in activations[row] for i in range(64)]
        assert codes == [*encoded.arrays["codes"][row], *[0] * (groups * 64 - k)]
        assert len(planes[row]) == groups * 4
        for index in range(groups * 64):
            group, element = divmod(index, 64)
            b0, b1, b2, b3 = (word >> element & 1 for word in planes[row][group * 4 : group * 4 + 4])
            assert b0 + 2 * b1 + 4 * b2 - 8 * b3 == (weights.arrays["codes"][row, index] if index < k else 0)


@pytest.mark.parametrize(("lanes", "group", "k"), [(1, 32, 5), (8, 128, 150), (32, 32, 70), (3, 0, 20), (64, 0, 130)])
@pytest.mark.parametrize("a", [8, 4])
def test_mixpe_activation_packing(a: int, lanes: int, group: int, k: int) -> None:
    encoded, (codes, scales) = packed(
        MixPe(a=a, group=group), Axis.ROW, (3, k), operand("a_codes", a * lanes),
        operand("a_scale", 32, Cadence.BLOCK, part=Part.TAIL))
    whole = -(-k // (group or lanes)) * (group or lanes)
    for row in range(3):
        assert len(codes[row]) == whole // lanes
        lane = [field(word, i, a, signed=True) for word in codes[row] for i in range(lanes)]
        assert lane == [*encoded.arrays["codes"][row].tolist(), *[0] * (whole - k)]
        assert scales[row] == [encoded.arrays["scales"][row].view(np.uint32)]


@pytest.mark.parametrize(("lanes", "group", "k"), [(1, 32, 5), (32, 32, 70), (16, 0, 20)])
@pytest.mark.parametrize(("w", "zero"), [("int8", "sym"), ("int4", "sym"), ("int3", "sym"), ("int3", "zp"),
                                         ("int2", "zp"), ("fp4", "sym"), ("ternary", "sym"), ("binary", "sym")])
def test_mixpe_weight_packing(w: str, zero: str, lanes: int, group: int, k: int) -> None:
    scheme = MixPe(w=w, zero=zero, group=group)
    bits = scheme.weight_bits
    per_group: dict[str, Any] = {"cadence": Cadence.GROUP if group else Cadence.BLOCK, "part": Part.TAIL}
    wanted = [operand("w_codes", bits * lanes), operand("w_scale", 16, **per_group)]
    wanted += [operand("w_zero", bits, **per_group)] * (zero == "zp")
    encoded, (codes, scales, *zeros) = packed(scheme, Axis.COLUMN, (3, k), *wanted)
    assert scales == encoded.arrays["scales"].view(np.uint16).tolist()
    assert zeros == ([encoded.arrays["zeros"].tolist()] if zero == "zp" else [])
    signed = encoded.arrays["codes"].dtype == np.int8
    for row in range(3):
        assert len(codes[row]) * lanes == -(-k // (group or lanes)) * (group or lanes)
        lane = [field(word, i, bits, signed=signed) for word in codes[row] for i in range(lanes)]
        assert lane[:k] == encoded.arrays["codes"][row].tolist()


@pytest.mark.parametrize(("scale", "name", "width"), [
    ("fp32", "w_scale", 32), ("pow2", "w_scale", 8), ("int8", "w_scale", 32), ("int8", "w_group_scale", 7)])
def test_mixpe_scale_packing(scale: str, name: str, width: int) -> None:
    """Also densely: words of 7 bits side by side."""
    scheme = MixPe(scale=scale, group=32)
    cadence = Cadence.BLOCK if (scale, name) == ("int8", "w_scale") else Cadence.GROUP
    encoded, (words,) = packed(scheme, Axis.COLUMN, (3, 70), operand(name, width, cadence, part=Part.TAIL))
    array = encoded.arrays["group_scales" if name == "w_group_scale" else "scales"].reshape(3, -1)
    assert words == (array.view(np.uint32) if array.dtype == np.float32 else array).tolist()
    if name == "w_group_scale":
        dense = replace(operand(name, width, cadence, part=Part.TAIL), dense=True)
        (memory,) = for_scheme(scheme).pack(encoded, [dense]).values()
        for row in range(3):
            stream = int.from_bytes(memory[row].tobytes(), "little")
            assert [field(stream, i, 7) for i in range(3)] == array[row].tolist()


def test_pack_takes_the_matrix_s_own_operands_only() -> None:
    golden = for_scheme(Fp16())
    memory = golden.pack(golden.encode_weights(ONE), (operand("a_code", 16), operand("w_code", 16)))
    assert list(memory) == ["w_code"]


@pytest.mark.parametrize(("scheme", "wrong"), [
    (Fp16(), operand("a_code", 32)), (Fp16Dot(), operand("a_codes", 32)), (FpInt(), operand("a_code", 32)),
    (FpInt(), operand("w_code", 8)), (FpInt(), operand("w_scale", 32)),
    (Dequant(), operand("a_code", 32)), (Dequant(), operand("w_code", 8)), (Dequant(), operand("w_scale", 32)),
    (W4A16(), operand("a_codes", 255)), (W4A16(), operand("w_codes", 60)),
    (Int8(), operand("a_codes", 12)), (Int8(), operand("a_scale", 16, Cadence.BLOCK)),
    (Anda(), operand("a_plane", 32)), (Anda(), operand("a_exponent", 8)), (Anda(), operand("w_codes", 128)),
    (BitFusion(), operand("a_codes", 40)), (Ant(), operand("w_codes", 6)),
    (Fp4(), operand("a_codes", 10)), (FloatMac(), operand("a_code", 16)),
    (PositFma(), operand("w_code", 16)),
    (Anda(), operand("w_scale", 32)), (Figna(m=11), operand("a_codes", 14)), (Figna(m=11), operand("a_codes", 36)),
    (Figna(), operand("w_codes", 6)), (Ifpu(), operand("a_codes", 512, Cadence.GROUP)),
    (Ifpu(), operand("w_plane", 32)), (MixPe(), operand("a_codes", 12)), (MixPe(), operand("w_codes", 24)),
    (MixPe(group=0), operand("w_codes", 6)), (MixPe(), operand("a_scale", 16, Cadence.BLOCK)),
    (MixPe(), operand("w_scale", 32, Cadence.GROUP)), (MixPe(zero="zp"), operand("w_zero", 8, Cadence.GROUP)),
], ids=lambda x: getattr(x, "name", None))
def test_pack_refuses_widths(scheme: Any, wrong: Operand) -> None:
    golden = for_scheme(scheme)
    encoded = (golden.encode_activations if wrong.axis is Axis.ROW else golden.encode_weights)(ONE)
    with pytest.raises(ValueError, match=f"width of {wrong.name} must be"):
        golden.pack(encoded, (wrong,))


@every_scheme
def test_pack_refuses_unknown_operands_and_other_schemes(scheme: Any) -> None:
    golden = for_scheme(scheme)
    with pytest.raises(ValueError, match=f"{scheme.family} has no row operand called 'a_zero_point'"):
        golden.pack(golden.encode_activations(ONE), (operand("a_zero_point", 8),))
    with pytest.raises(ValueError, match="are encoded as"):
        for_scheme(Anda(m=9)).pack(golden.encode_activations(ONE), ())


@pytest.mark.parametrize("m", [1, 6, 16])
def test_anda_memory_is_as_published(m: int) -> None:
    """A plane is at group · (m + 1) + plane: signs, then the mantissas, most significant first; exponents take five
    bits each."""
    golden, groups = for_scheme(Anda(m=m)), 3
    activations = [replace(operand("a_plane", 64), descending=True),
                   replace(operand("a_exponent", 5, Cadence.GROUP, part=Part.TAIL), dense=True)]
    encoded = hostile.encoded(Anda(m=m), Axis.ROW, (2, 64 * groups), np.random.default_rng(m))
    memory = golden.pack(encoded, activations)
    codes = encoded.arrays["codes"].reshape(2, groups, 64)
    for row, planes in enumerate(words(memory["a_plane"], 64)):
        for group in range(groups):
            signs, *mantissas = planes[group * (m + 1) : (group + 1) * (m + 1)]
            for element, code in enumerate(codes[row, group].tolist()):
                value = int("".join(str(plane >> element & 1) for plane in mantissas), 2)
                assert (-value if signs >> element & 1 else value) == code
    bits = np.unpackbits(memory["a_exponent"], axis=1, bitorder="little")
    assert memory["a_exponent"].shape == (2, -(-5 * groups // 8))
    for row in range(2):
        for group in range(groups):
            assert sum(int(bit) << k for k, bit in enumerate(bits[row, 5 * group : 5 * group + 5])) == \
                encoded.arrays["exponents"][row, group]
