"""Codes that golden models make, against the scalar oracle."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from golden_cases import fractions
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from gemmsmith.formats import AndaFormat
from gemmsmith.schemes import W4A16, Anda, Ant, BitFusion, Fp4, Fp16, Int8
from gemmsmith_sim.golden import for_scheme
from gemmsmith_sim.golden.prealigned import align
from oracle import operands, schemes
from oracle.exact import fp16_bits, round_to_ieee_fp16

MS = range(1, 17)



@settings(deadline=None, max_examples=100)
@given(st.lists(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=3, max_size=3),
                min_size=1, max_size=3))
def test_int8_encoding(rows: list[list[float]]) -> None:
    arrays = for_scheme(Int8()).encode_activations(np.array(rows)).arrays
    for row, codes, scale in zip(rows, arrays["codes"], fractions(arrays["scales"]), strict=True):
        assert (codes.tolist(), scale) == schemes.int8_encode(row)


@settings(deadline=None, max_examples=50)
@given(nps.arrays(np.float32, (2, 70), elements=st.floats(-4.5e5, 4.5e5, width=32)))
def test_anda_weight_encoding(w: np.ndarray) -> None:
    arrays = for_scheme(Anda(weight_group=64)).encode_weights(w).arrays
    for row, codes, scales in zip(w.tolist(), arrays["codes"], fractions(arrays["scales"]), strict=True):
        assert (codes.tolist(), scales) == schemes.anda_weight_groups(row, 64)


@pytest.mark.parametrize("seed", range(5))
def test_quantisers_at_ties(seed: int) -> None:
    """Values next to (n + ½) · scale: their quotients are ties, or become ties when they are rounded to FP32."""
    absmax = np.random.default_rng(seed).uniform(0.1, 100)
    for scheme, steps in ((Int8(), 127), (Anda(weight_group=512), 7)):
        scale = for_scheme(scheme).encode_weights(np.array([[absmax]])).values.max() / steps
        ties = ((np.arange(steps) + 0.5) * scale).astype(np.float32)
        row = np.concatenate([[absmax], ties, -ties, np.nextafter(ties, 0), np.nextafter(ties, np.float32(1e9))])
        codes = for_scheme(scheme).encode_weights(row[None]).arrays["codes"][0].tolist()
        oracle = schemes.int8_encode if steps == 127 else lambda x: schemes.anda_weight_groups(x, 512)
        assert codes == oracle(row.tolist())[0]


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([8, 4, 2]), nps.arrays(np.float32, (2, 9), elements=st.floats(width=32, allow_nan=False,
                                                                                   allow_infinity=False)))
def test_bitfusion_encoding(bits: int, rows: np.ndarray) -> None:
    arrays = for_scheme(BitFusion(a=bits, w=2)).encode_activations(rows).arrays
    for row, codes, scale in zip(rows.tolist(), arrays["codes"], arrays["scales"].tolist(), strict=True):
        assert (codes.tolist(), scale) == schemes.bitfusion_encode(row, bits)


@pytest.mark.parametrize("kind", Ant.types())
def test_ant_encoding(kind: str) -> None:
    """Random rows, and every number of the type and every tie between two, with a scale of 1."""
    golden, rng = for_scheme(Ant(a=kind)), np.random.default_rng(0)
    numbers = sorted({schemes.ant_number(code, kind) for code in range(16)} - ({-8} if kind == "int" else set()))
    ties = [(x + y) / 2 for x, y in pairwise(numbers)]
    exact = np.array([[*numbers, *ties, 0.0, -0.0]])
    for rows in (exact, exact * 3e-3, rng.standard_normal((20, 40)), np.zeros((1, 3)), np.full((1, 2), 1e-44)):
        encoded = golden.encode_activations(rows)
        assert not (encoded.arrays["codes"] == 8).any()  # neither a second zero nor −8
        for row, codes, scale in zip(rows.tolist(), encoded.arrays["codes"].tolist(), encoded.arrays["scales"].tolist(),
                                     strict=True):
            assert ([schemes.ant_number(code, kind) for code in codes], scale) == schemes.ant_encode(row, kind)


def test_fp4_rows_encoding() -> None:
    """Random rows, and every number and every tie between two, with a scale of 1."""
    rng, numbers = np.random.default_rng(0), sorted({float(schemes.fp4_number(code)) for code in range(16)})
    exact = np.array([[*numbers, *((x + y) / 2 for x, y in pairwise(numbers)), -0.0]])
    for rows in (exact, exact * 3e-3, rng.standard_normal((20, 40)), np.zeros((1, 3)), np.full((1, 2), 1e-44)):
        arrays = for_scheme(Fp4()).encode_activations(rows).arrays
        for row, codes, scale in zip(rows.tolist(), arrays["codes"].tolist(), arrays["scales"].tolist(), strict=True):
            assert (codes, scale) == schemes.fp4_row_encode(row)


@settings(deadline=None, max_examples=200)
@given(st.floats(-65519, 65519))
def test_fp16_encoding(x: float) -> None:
    codes = for_scheme(Fp16()).encode_weights(np.array([[x]])).arrays["codes"]
    assert codes == fp16_bits(round_to_ieee_fp16(Fraction(x)))


@pytest.mark.parametrize("m", MS)
def test_anda_every_fp16_code_alone(m: int) -> None:
    """All codes as the one element of their group against the scalar format; some against the oracle too."""
    codes, exponents = align(np.arange(1 << 16, dtype=np.uint16)[:, None], m=m)
    scalar = AndaFormat(mantissa=m)
    for code, (mantissas, exponent) in enumerate(zip(codes.tolist(), exponents[:, 0].tolist(), strict=True)):
        assert scalar.encode([code]) == (exponent, mantissas)
    for code in range(m, 1 << 16, 13):
        assert schemes.anda_group([code], m) == ([codes[code, 0]], exponents[code, 0])


@pytest.mark.parametrize("m", MS)
def test_anda_groups(m: int) -> None:
    codes = operands.fp16_codes((8, 150), np.random.default_rng(m))
    codes[0] = 0  # an empty group has E = 1
    codes[1] &= 0x83FF  # subnormals only
    codes[2:, 64:128] = (codes[2:, 64:128] & 0x83FF) | 0x3C00 - (np.arange(64, dtype=np.uint16) % 14 << 10)
    mantissas, exponents = align(codes, m=m)
    for row in range(8):
        for g in range(3):
            span = np.s_[64 * g : 64 * g + 64]
            group = codes[row, span].tolist()
            assert (mantissas[row, span].tolist(), exponents[row, g]) == schemes.anda_group(group, m)
            assert (exponents[row, g], mantissas[row, span].tolist()) == AndaFormat(mantissa=m).encode(group)


@pytest.mark.parametrize("group", [32, 128])
def test_fp4_weights_are_the_nearest(group: int) -> None:
    """Random rows, all ties, rows of zeros and of subnormals."""
    rng, golden = np.random.default_rng(group), for_scheme(W4A16(w="fp4", group=group))
    rows = [*rng.standard_normal((6, 200)), np.zeros(200), np.full(200, 2.0**-24),
            np.arange(200) % 49 / 8 * np.where(np.arange(200) % 2, 1, -1)]
    rows[-1][0::group] = 6.0  # the scale is 1, eighths of it are ties
    encoded = golden.encode_weights(np.array(rows))
    for row, codes, scales in zip(rows, encoded.arrays["codes"].tolist(), encoded.arrays["scales"], strict=True):
        assert (codes, fractions(scales)) == schemes.fp4_encode(row, group)
