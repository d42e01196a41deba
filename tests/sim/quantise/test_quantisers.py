"""Quantisers of float weights: rounding to nearest, and the search of clipping ranges."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from gemmsmith.schemes import MixPe, SchemeError, parse
from gemmsmith.schemes.mixpe import SCALES, WEIGHTS, ZEROS
from gemmsmith_sim.golden import Encoded, EncodeError, for_scheme
from gemmsmith_sim.quantise import QUANTISERS, clip_search, quantisers, round_to_nearest

W = (np.random.default_rng(3).standard_t(4, (12, 150)) * 0.02).astype(np.float32)
W[3] = np.abs(W[3])
W[4, :64] = 0


def schemes() -> list[Any]:
    found = []
    for w, zero, scale, group in itertools.product(WEIGHTS, ZEROS, SCALES, (32, 128, 0)):
        try:
            found.append(MixPe(w=w, zero=zero, scale=scale, group=group))
        except SchemeError:
            continue
    return found


def errors(encoded: Encoded, w: np.ndarray = W) -> np.ndarray:
    """Summed squared error of each group."""
    size, k = encoded.scheme.group or w.shape[1], w.shape[1]
    squares = np.square(encoded.values - w)
    return np.add.reduceat(squares, range(0, k, size), axis=1)


@pytest.mark.parametrize("scheme", [parse("int8"), parse("anda-m6"), MixPe(), MixPe(zero="zp")], ids=lambda s: s.short)
def test_rounding_to_nearest_is_the_schemes_own_encoding(scheme: Any) -> None:
    own, encoded = for_scheme(scheme).encode_weights(W), round_to_nearest(scheme, W)
    assert all(np.array_equal(encoded.arrays[name], array) for name, array in own.arrays.items())


@pytest.mark.parametrize("scheme", schemes(), ids=lambda s: f"{s.short}-{s.zero}-g{s.group}-{s.scale}")
def test_no_group_gets_worse_and_the_whole_better(scheme: MixPe) -> None:
    """But for formats whose scale is a mean already, or where few groups have a finer choice."""
    before, after = errors(round_to_nearest(scheme, W)), errors(clip_search(scheme, W))
    assert (after <= before * (1 + 1e-6) + 1e-12).all()
    if scheme.w in ("int4", "int3", "int2") and scheme.scale in ("fp16", "fp32"):
        assert after.sum() < 0.97 * before.sum()


@pytest.mark.parametrize("bits", [2, 3, 4])
@pytest.mark.parametrize("zero", ZEROS)
def test_it_takes_the_first_of_the_best_ranges(zero: str, bits: int) -> None:
    """Every candidate written out for one group, in FP32 scales."""
    x = W[0, :64]
    top = (1 << bits) - 1 if zero == "zp" else (1 << bits - 1) - 1
    low = min(x.min(), np.float32(0)) if zero == "zp" else np.float32(0)
    span = max(x.max(), np.float32(0)) - low if zero == "zp" else np.abs(x).max()
    tried = []
    for shrink in (1, *quantisers.SHRINKS):
        scale = span / np.float32(top) * np.float32(shrink)
        z = np.rint(-low * np.float32(shrink) / scale)
        codes = np.clip(np.rint(x / scale) + z, 0 if zero == "zp" else -top - 1, top)
        tried.append((np.square((codes - z) * scale - x, dtype=np.float64).sum(), scale, codes))
    least = min(tried, key=lambda t: t[0])
    encoded = clip_search(MixPe(w=f"int{bits}", zero=zero, scale="fp32", group=64), x[None])
    assert encoded.arrays["scales"] == least[1]
    assert encoded.arrays["codes"][0].tolist() == least[2].tolist()
    assert least[1] != tried[0][1]


@pytest.mark.parametrize("scheme", [MixPe(), MixPe(zero="zp", scale="int8"), MixPe(w="binary", group=0)],
                         ids=lambda s: s.short)
def test_chunks_do_not_show_and_results_repeat(scheme: MixPe, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, again = clip_search(scheme, W), clip_search(scheme, W.astype(np.float64))
    monkeypatch.setattr(quantisers, "CHUNK", 5 * W.shape[1] + 1)
    parts = clip_search(scheme, W)
    for name, array in whole.arrays.items():
        assert array.tobytes() == parts.arrays[name].tobytes() == again.arrays[name].tobytes()


def test_what_cannot_be_quantised_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantisers, "CHUNK", 1)
    w = W.copy()
    w[9, 140] = 1e6
    with pytest.raises(EncodeError, match="weights: row 9, columns from 128: the scale is beyond the largest FP16"):
        clip_search(MixPe(), w)
    w[9, 140] = np.nan
    for quantiser in (QUANTISERS["nearest"], QUANTISERS["clip"]):
        with pytest.raises(EncodeError, match="weights: nan at row 9, column 140"):
            quantiser(MixPe(), w)
    with pytest.raises(ValueError, match=r"clip search serves the mixpe schemes \(w4a8 …\), not int8"):
        clip_search(parse("int8"), W)
