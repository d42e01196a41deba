"""Quantisers of the ``xrnpe`` schemes, whose scales are powers of two: one scale for all rows, or codes chosen with
what the layer has seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import Axis, Scheme, XrNpe
from gemmsmith_sim.golden import Encoded, for_scheme
from gemmsmith_sim.golden.base import Array
from gemmsmith_sim.golden.xrnpe import CANDIDATES, nearest, number_table

__all__ = ["ErrorFeedback", "Recorder", "error_feedback", "one_scale"]

Floats = NDArray[np.float32]

DAMPING = 0.1
"""Of the mean square of the inputs, added to that of each. GPTQ takes 0.01; on the language model that comes along 0.1
did better with FP4, with 2048 tokens of data and with 8192."""
REACH = 4
"""Binades below those that ``nearest`` tries: with one scale, the rows' largest weights differ."""


def one_scale(scheme: Scheme, weights: Array) -> Encoded:
    """One power of two for all rows, the one with the least squared error; of equals the greatest.

    Raises as ``Quantiser`` says; serves ``xrnpe`` alone.
    """
    scheme = _served(scheme, "one scale per tensor")
    plain = for_scheme(scheme).encode_weights(weights)  # refuses what cannot be encoded
    w = weights.astype(np.float32).astype(np.float64)
    top = int(np.frexp(np.abs(w).max())[1]) - 1
    tried = [int(np.clip(top - j, -128, 127)) for j in range(min(CANDIDATES[scheme.format]),
                                                             max(CANDIDATES[scheme.format]) + REACH + 1)]
    candidates = [_scaled(scheme, w, exponent) for exponent in tried] if w.any() else [plain]
    return min(candidates, key=lambda candidate: float(np.square(candidate.values - w).sum()))


def error_feedback(scheme: Scheme, weights: Array, moments: NDArray[np.float64]) -> Encoded:
    """Codes that keep a layer's outputs close on the inputs it has seen: GPTQ (arXiv 2210.17323).

    Columns are rounded one after the other, and what one loses is made up by those behind it, as its inputs go along
    with theirs. The scales are those of ``round_to_nearest``.

    Parameters
    ----------
    moments: Σ x · xᵀ over the layer's inputs x, K × K.

    Raises as ``Quantiser`` says, and ``ValueError`` for moments of another K; serves ``xrnpe`` alone.
    """
    scheme = _served(scheme, "error feedback")
    plain = for_scheme(scheme).encode_weights(weights)
    k = weights.shape[1]
    if moments.shape != (k, k):
        raise ValueError(f"moments must be of shape {(k, k)}, not {moments.shape}")
    mean = float(np.trace(moments)) / k
    damped = moments + np.eye(k) * (DAMPING * mean or 1.0)
    spread = np.linalg.cholesky(np.linalg.inv(damped)).T
    left, exponents = weights.astype(np.float64), plain.arrays["exponents"].astype(np.int64)
    codes, numbers = np.zeros((len(left), k), np.uint16), number_table(scheme.format)
    for column in range(k):
        codes[:, column] = nearest(scheme.format, np.ldexp(left[:, column], -exponents))
        lost = (left[:, column] - np.ldexp(numbers[codes[:, column]], exponents)) / spread[column, column]
        left[:, column + 1:] -= np.outer(lost, spread[column, column + 1:])
    return Encoded(scheme, Axis.COLUMN, plain.shape, {"codes": codes, "exponents": plain.arrays["exponents"]})


class Recorder:
    """A linear backend in float32 that keeps the ``moments`` of each layer's inputs, by the layer's name."""

    def __init__(self) -> None:
        self.moments: dict[str, NDArray[np.float64]] = {}

    def prepare(self, name: str, weight: Any) -> tuple[str, Floats]:
        self.moments[name] = np.zeros((weight.shape[1], weight.shape[1]))
        return name, weight

    def matmul(self, handle: tuple[str, Floats], x: Floats) -> Floats:
        name, weight = handle
        self.moments[name] += x.astype(np.float64).T @ x
        return x @ weight.T


@dataclass(frozen=True)
class ErrorFeedback:
    """``error_feedback`` with the moments of each layer, by its name: what a linear backend takes as quantiser."""

    moments: Mapping[str, NDArray[np.float64]]

    def encode(self, layer: str, scheme: Scheme, weights: Array) -> Encoded:
        """Codes of one layer. Raises as ``error_feedback``."""
        return error_feedback(scheme, weights, self.moments[layer])


def _served(scheme: Scheme, what: str) -> XrNpe:
    if not isinstance(scheme, XrNpe):
        raise ValueError(f"{what} serves the xrnpe schemes, not {scheme.short}")
    return scheme


def _scaled(scheme: XrNpe, weights: NDArray[np.float64], exponent: int) -> Encoded:
    return Encoded(scheme, Axis.COLUMN, weights.shape, {
        "codes": nearest(scheme.format, np.ldexp(weights, -exponent)),
        "exponents": np.full(len(weights), exponent, np.int8)})
