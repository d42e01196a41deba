"""Anda's activations rounded to nearest: scalar format, golden model and oracle agree; names and weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemmsmith.formats import AndaFormat
from gemmsmith.schemes import Anda, Fp16, SchemeError, parse
from gemmsmith_sim.golden import for_scheme
from gemmsmith_sim.golden.prealigned import align
from oracle import operands, schemes

MS = range(1, 17)


def nearest_of(group: np.ndarray, m: int) -> tuple[list[int], int]:
    mantissas, exponents = align(group[None], m=m, round="nearest")
    return mantissas[0].tolist(), int(exponents[0, 0])


@pytest.mark.parametrize("m", MS)
def test_every_fp16_code_below_a_larger_one(m: int) -> None:
    """Each code as the neighbour of 1.0, 1.999 and 65504 (whose mantissas carry), and alone."""
    every = np.arange(1 << 16, dtype=np.uint16)
    scalar = AndaFormat(mantissa=m, round="nearest")
    for other in (0x3C00, 0x3FFF, 0x7BFF, 0):
        pairs = np.stack([every, np.full_like(every, other)], axis=1)
        mantissas, exponents = align(pairs, m=m, round="nearest")
        assert np.abs(mantissas).max() == min((1 << m) - 1, 2047 << max(0, m - 11))
        for code in range(other % 251 + m, 1 << 16, 251):
            found = mantissas[code].tolist(), int(exponents[code, 0])
            assert found == schemes.anda_group([code, other], m, nearest=True)
            assert found[::-1] == scalar.encode([code, other])


@pytest.mark.parametrize("m", MS)
def test_groups(m: int) -> None:
    codes = operands.fp16_codes((8, 64), np.random.default_rng(m))
    codes[0] = 0
    codes[1] &= 0x83FF
    for row in codes:
        assert nearest_of(row, m) == schemes.anda_group(row.tolist(), m, nearest=True)


def test_ties_go_to_even_and_a_carry_saturates() -> None:
    scalar = AndaFormat(mantissa=3, round="nearest")
    codes = np.array([4.0, 4.5, 5.5, 7.25, 7.5, -7.75, 0.5, 0.75], np.float16).view(np.uint16)
    assert scalar.encode(codes.tolist()) == (17, [4, 4, 6, 7, 7, -7, 0, 1])
    assert nearest_of(codes, 3) == ([4, 4, 6, 7, 7, -7, 0, 1], 17)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(-65504, 65504, width=16), min_size=1, max_size=64), st.integers(1, 16))
def test_nearest_is_never_further_off_than_truncation(values: list[float], m: int) -> None:
    x = np.array([values], np.float16)
    off = {}
    for choice in AndaFormat.ROUNDINGS:
        decoded = for_scheme(Anda(m=m, round=choice)).encode_activations(x).values
        off[choice] = np.abs(decoded - x)
    assert (off["nearest"] <= off["trunc"]).all()


def test_names_and_choices() -> None:
    nearest = Anda(m=6, round="nearest")
    assert nearest.name == "anda-m6-g64-nearest-w_int4_sym-g128-s_fp16-acc_fp32_rne_ascending-ftz-out_fp32"
    assert parse(nearest.name) == parse("anda-m6", round="nearest") == nearest
    assert AndaFormat(mantissa=6, round="nearest").name == "anda-m6-g64-nearest"
    with pytest.raises(SchemeError, match="round of anda must be one of trunc, nearest, not 'up'"):
        Anda(round="up")
    with pytest.raises(ValueError, match="round must be trunc or nearest, not 'up'"):
        AndaFormat(mantissa=6, round="up")


def test_weights_go_with_every_length_and_rounding() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(4, 130)), rng.normal(size=(5, 130))
    weights = for_scheme(Anda(m=16)).encode_weights(y)
    for m in (1, 6, 15, 16, 4):
        for choice in AndaFormat.ROUNDINGS:
            golden = for_scheme(Anda(m=m, round=choice))
            a = golden.encode_activations(x)
            own = golden.matmul(a, golden.encode_weights(y))
            assert np.array_equal(golden.matmul(a, weights).view(np.uint32), own.view(np.uint32))
    for other in (for_scheme(Anda(weight_group=64)), for_scheme(Fp16())):
        a = other.encode_activations(x)
        with pytest.raises(ValueError, match="weights are encoded as"):
            other.matmul(a, weights)
    with pytest.raises(ValueError, match="activations are encoded as"):
        for_scheme(Anda(m=6)).matmul(for_scheme(Anda(m=7)).encode_activations(x), weights)


def test_what_a_scheme_offers_a_search() -> None:
    assert [scheme.m for scheme in Anda(round="nearest").ladder()] == list(range(4, 14))
    assert {scheme.round for scheme in Anda(round="nearest").ladder()} == {"nearest"}
    assert Anda(m=7).operand_bits == (7, 4)
    assert Fp16().operand_bits == (16, 16)
    assert parse("int8").operand_bits == (8, 8)
    assert Fp16().ladder() == parse("int8").ladder() == ()
    assert Anda.build_choices([Anda(m=5), Anda(m=9), Anda(m=4)]) == {"m": 9, "m_max": 9}
    assert Fp16.build_choices([Fp16(), Fp16()]) == {}
    with pytest.raises(SchemeError, match="differ in m and round alone"):
        Anda.build_choices([Anda(), Anda(weight_group=64)])
    with pytest.raises(SchemeError, match="one build of fp16 computes one scheme"):
        Fp16.build_choices([Fp16(), Fp16(out="fp16")])


def test_rounding_halves_the_mean_error() -> None:
    x = np.random.default_rng(1).normal(size=(50, 64)).astype(np.float16)
    off = {choice: np.abs(for_scheme(Anda(m=5, round=choice)).encode_activations(x).values - x).mean()
           for choice in AndaFormat.ROUNDINGS}
    assert off["nearest"] < 0.65 * off["trunc"]
