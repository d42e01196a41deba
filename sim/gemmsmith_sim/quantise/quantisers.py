"""Quantisers: float weights (N, K) to a scheme's codes, without data. Deterministic."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from gemmsmith.schemes import Axis, MixPe, Scheme
from gemmsmith_sim.golden import Encoded, for_scheme
from gemmsmith_sim.golden.base import Array
from gemmsmith_sim.golden.narrow import Groups, Narrow, better, encode_narrow, ideal_steps, nearest, squared_error
from gemmsmith_sim.quantise.powers import one_scale

Quantiser = Callable[[Scheme, Array], Encoded]
"""Takes a scheme and weights (N, K), float16, float32 or float64; gives their codes.

Raises ``EncodeError`` for values that the scheme cannot hold, ``ValueError`` for a scheme that it does not serve.
"""

SHRINKS = tuple(1 - step / 50 for step in range(1, 41))
"""Of the range that codes span: 0.98, 0.96 … 0.2."""
CHUNK = 1 << 19
"""Weights that are searched together, which bounds what a search holds besides the weights and its result."""


def round_to_nearest(scheme: Scheme, weights: Array) -> Encoded:
    """The encoder of the scheme's golden model: ranges cover all weights, symmetric or with a zero point as the scheme
    says."""
    return for_scheme(scheme).encode_weights(weights)


def clip_search(scheme: Scheme, weights: Array, *, shrinks: Sequence[float] = SHRINKS) -> Encoded:
    """The range of each group that gives the smallest squared error of its weights.

    Candidates are what ``round_to_nearest`` takes and its ranges times ``shrinks``; of equal ones the first wins, so
    no group is worse than rounded to nearest. Scales of two levels keep their number per row; the groups' factors are
    searched. Serves ``mixpe`` alone.
    """
    if not isinstance(scheme, MixPe):
        raise ValueError(f"clip search serves the mixpe schemes (w4a8 …), not {scheme.short}")
    plain = round_to_nearest(scheme, weights)  # refuses what cannot be encoded, by the row's own number
    rows, k = weights.shape
    size = max(1, CHUNK // k)
    parts = [_search(scheme, Groups.of(scheme, weights[row : row + size].astype(np.float32)), shrinks).arrays(k)
             for row in range(0, rows, size)]
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in plain.arrays}
    return Encoded(scheme, Axis.COLUMN, plain.shape, arrays)


def _search(scheme: MixPe, groups: Groups, shrinks: Sequence[float]) -> Narrow:
    best = encode_narrow(scheme, groups)
    least, steps = squared_error(scheme, groups, best), ideal_steps(scheme, groups)
    row_scales = best.scales if scheme.scale == "int8" else None
    for shrink in shrinks:
        candidate = nearest(scheme, groups, steps, shrink=shrink, row_scales=row_scales)
        error = squared_error(scheme, groups, candidate)
        best = better(best, candidate, error < least)
        least = np.minimum(error, least)
    return best


QUANTISERS: dict[str, Quantiser] = {"nearest": round_to_nearest, "clip": clip_search, "tensor": one_scale}
