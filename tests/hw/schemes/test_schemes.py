"""Names, choices and operands of schemes."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from gemmsmith.schemes import (
    FAMILIES,
    W4A16,
    Anda,
    Axis,
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
    SchemeError,
    catalog,
    parse,
)

EVERY = [family(out=out) for family in (Fp16, Fp16Dot, Int8, Fp4) for out in ("fp32", "fp16")] + [
    FloatMac(x=x, out=out) for x in ("e4m3", "e5m2", "bf16") for out in ("fp32", "fp16")] + [
    PositFma(x=x, out=out) for x in ("posit4es1", "posit8es0", "posit16es1") for out in ("fp32", "fp16")] + [
    FpInt(weight_group=group, out=out) for group in (64, 128, 256, 512) for out in ("fp32", "fp16")] + [
    Anda(m=m, weight_group=group, out=out)
    for m in range(1, 17) for group in (64, 128, 256, 512) for out in ("fp32", "fp16")] + [
    family(m=m, round=round) for family in (Figna, Ifpu) for m in range(1, 17) for round in ("trunc", "nearest")] + [
    W4A16(w=w, lanes=lanes, guard=guard, group=group, out=out) for w in ("int4", "fp4") for lanes in (1, 16)
    for guard in ("0", "2", "exact") for group in (32, 256) for out in ("fp32", "fp16")] + [
    Dequant(group=group, out=out) for group in (32, 64, 128, 256) for out in ("fp32", "fp16")]


def test_canonical_names_are_unique_and_parse_back() -> None:
    names = {scheme.name for scheme in EVERY}
    assert len(names) == len(EVERY) == 276
    for scheme in EVERY:
        assert parse(scheme.name) == scheme
        for family in FAMILIES:
            assert (family.from_canonical(scheme.name) is None) == (family is not type(scheme))


def test_catalog_lists_every_short_name() -> None:
    assert list(catalog()) == ["fp16", "fp16-dot4", "fp16-int4", "int8", *(f"anda-m{m}" for m in range(1, 17)),
                               "figna-m8", "figna-m11", "figna-m13", "ifpu",
                               *(scheme.short for scheme in MixPe.named()), "w4a16", "fp4-a16", "dequant-fp16",
                               *(f"bitfusion-{pair}" for pair in ("a2w2", "a4w2", "a4w4", "a8w2", "a8w4", "a8w8")),
                               *("ant" if a == w == "flint" else f"ant-{a}-{w}"
                                 for a in ("int", "float", "flint", "pot") for w in ("int", "float", "flint", "pot")),
                               "fp4", "fp8-e4m3", "fp8-e5m2", "bf16",
                               "posit4-fma", "posit8-fma", "posit16-fma",
                               *(f"xrnpe-{name}" for name in ("fp4", "posit4", "posit8", "posit16"))]
    for short, scheme in catalog().items():
        assert scheme.short == short
        assert parse(short) == scheme
        family = {"fp16-dot4": "fp16dot", "fp16-int4": "fpint", "fp4-a16": "w4a16", "bf16": "floatmac",
                  "fp8-e4m3": "floatmac", "fp8-e5m2": "floatmac",
                  **{f"posit{n}-fma": "positfma" for n in (4, 8, 16)},
                  **{scheme.short: "mixpe" for scheme in MixPe.named()}}.get(short, short.split("-")[0])
        assert (scheme.family, scheme.out, scheme.out_width) == (family, "fp32", 32)
        assert scheme.source
        assert scheme.summary


def test_parse_overrides_choices_given_as_text() -> None:
    assert parse("anda-m6", weight_group="256", out="fp16") == Anda(m=6, weight_group=256, out="fp16")
    assert parse(Anda(m=6).name, m=9) == Anda(m=9)
    assert parse("fp16", out="fp16").out_width == 16
    assert parse("figna-m9", weight_group=64) == Figna(m=9, weight_group=64)
    assert parse("ifpu", m=16) == Ifpu(m=16)


@pytest.mark.parametrize(("text", "choices", "message"), [
    ("fp17", {}, "no scheme is called 'fp17'; there are fp16, fp16-dot4, fp16-int4, int8, anda-m1"),
    ("", {}, "no scheme is called ''"),
    ("anda-m17", {}, r"m of anda must be one of 1\.\.16, not 17"),
    ("anda-m0", {}, r"m of anda must be one of 1\.\.16, not 0"),
    ("figna-m17", {}, r"m of figna must be one of 1\.\.16, not 17"),
    ("int8", {"out": "bf16"}, "out of int8 must be one of fp32, fp16, not 'bf16'"),
    ("int8", {"m": 6}, "int8 has no choice 'm'; it has out"),
    ("bitfusion-a8w8", {"a": 4}, "a and w of bitfusion must be one of a=2 w=2, .*, a=8 w=8, not a=4 w=8"),
    ("ant", {"w": "int4"}, "w of ant must be one of int, float, flint, pot, not 'int4'"),
    ("fp16-int4", {"weight_group": 32}, "weight_group of fpint must be one of 64, 128, 256, 512, not 32"),
    ("anda-m6", {"weight_group": "96"}, "weight_group of anda must be one of 64, 128, 256, 512, not 96"),
    ("anda-m6", {"weight_group": "many"}, "weight_group must be a whole number, not 'many'"),
    (Anda(m=6).name.replace("m6", "m20"), {}, r"m of anda must be one of 1\.\.16, not 20"),
])
def test_what_does_not_exist_is_refused_in_one_line(text: str, choices: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemeError, match=message) as error:
        parse(text, **choices)
    assert "\n" not in str(error.value)


def test_constructors_check_their_choices() -> None:
    for make in (lambda: Fp16(out="fp8"), lambda: Int8(out=""), lambda: Anda(m=17), lambda: Anda(weight_group=32)):
        with pytest.raises(SchemeError, match="must be one of"):
            make()


def test_schemes_are_values() -> None:
    assert len({Anda(m=6), Anda(m=6), Anda(m=7), Fp16(), Int8()}) == 4
    with pytest.raises(dataclasses.FrozenInstanceError):
        Anda().m = 3  # type: ignore[misc]


def test_k_multiple() -> None:
    assert [scheme.k_multiple for scheme in (Fp16(), Fp16Dot(), FpInt(), Int8(), Anda(), Figna(), Ifpu())] == [
        1, 4, 128, 1, 64, 64, 64]


def test_scheme_is_abstract() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Scheme()  # type: ignore[abstract]


# Operands


def operand(**changed: Any) -> Operand:
    fields: dict[str, Any] = {"name": "a_codes", "axis": Axis.ROW, "width": 8, "cadence": Cadence.BEAT}
    return Operand(**fields | changed)


@pytest.mark.parametrize(("width", "container"), [(1, 8), (5, 8), (8, 8), (9, 16), (16, 16), (17, 32), (24, 32),
                                                  (64, 64), (65, 128), (256, 256)])
def test_container(width: int, container: int) -> None:
    assert operand(width=width).container == container


def test_words_per_row() -> None:
    assert operand().words_per_row(groups=3, beats=7) == 21
    group = operand(cadence=Cadence.GROUP, every=2)
    assert [group.words_per_row(groups=groups, beats=7) for groups in (1, 2, 3, 4)] == [1, 1, 2, 2]
    assert operand(cadence=Cadence.BLOCK, words=4).words_per_row(groups=3, beats=7) == 4


@pytest.mark.parametrize(("changed", "message"), [
    ({"name": "A"}, "operand name must be snake_case, not 'A'"),
    ({"name": "a__b"}, "snake_case"),
    ({"name": ""}, "snake_case"),
    ({"width": 0}, "width of a_codes must be at least 1, not 0"),
    ({"every": 0, "cadence": Cadence.GROUP}, "every of a_codes must be"),
    ({"every": 2}, "every of a_codes must be 1, or more for a group operand, not 2"),
    ({"words": 0}, "words of a_codes must be"),
    ({"words": 2}, "words of a_codes must be 1, or more for a block operand of an edge, not 2"),
    ({"words": 2, "cadence": Cadence.BLOCK, "part": Part.TAIL}, "words of a_codes must be"),
    ({"part": Part.TAIL}, "a tail takes operands per group or per block"),
])
def test_operands_are_checked(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        operand(**changed)
