"""Perplexity of a model on a text."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gemmsmith_sim.llm.model import Llama

__all__ = ["Perplexity", "perplexity"]

# Windows run together: large enough for the matrix products, small enough for the scores to stay in cache.
_BATCH = 8


@dataclass(frozen=True)
class Perplexity:
    """Mean negative log-likelihood in ``nats`` per token over ``tokens`` predicted tokens."""

    nats: float
    tokens: int

    @property
    def value(self) -> float:
        """The perplexity, e to the power of ``nats``."""
        return float(np.exp(self.nats))


def perplexity(
    model: Llama,
    ids: ArrayLike,
    *,
    window: int = 128,
    progress: Callable[[int, int], None] | None = None,
) -> Perplexity:
    """Measure on non-overlapping windows, each from an empty context.

    Window i reads tokens w·i … w·i + w − 1 and predicts tokens w·i + 1 … w·i + w, so that every predicted
    token counts once; the (len(ids) − 1) mod w tokens left over are not used. A linear backend sees matrices
    of up to 8·w rows.

    Parameters
    ----------
    ids
        The tokens of the text, one-dimensional.
    window
        Tokens per window, at most the model's context.
    progress
        Called after each batch with the number of tokens done and their total.

    Raises
    ------
    ValueError
        A window that does not fit the context, or a text of fewer than window + 1 tokens.
    """
    tokens = np.asarray(ids)
    context = model.config.max_position_embeddings
    if not 1 <= window <= context:
        raise ValueError(f"window must be from 1 to the context of {context}, not {window!r}")
    if tokens.ndim != 1 or len(tokens) <= window:
        raise ValueError(f"ids must be at least {window + 1} tokens in one dimension, not {tokens.shape}")
    total = (len(tokens) - 1) // window * window
    inputs = tokens[:total].reshape(-1, window)
    targets = tokens[1 : total + 1].reshape(-1, window)
    loss = 0.0
    for start in range(0, len(inputs), _BATCH):
        part = slice(start, start + _BATCH)
        loss += _loss(model.forward(inputs[part]), targets[part])
        if progress is not None:
            progress(min(start + _BATCH, len(inputs)) * window, total)
    return Perplexity(nats=loss / total, tokens=total)


def _loss(logits: NDArray[np.float32], targets: NDArray[np.integer]) -> float:
    """Summed negative log-likelihood: log Σ exp(logit) − logit of the target."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_sums = np.log(np.exp(shifted).sum(axis=-1))
    chosen = np.take_along_axis(shifted, targets[..., None], axis=-1)[..., 0]
    return float((log_sums - chosen).sum(dtype=np.float64))
