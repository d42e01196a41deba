"""Perplexity of a model on a text."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gemmsmith_sim.llm.model import Llama

__all__ = ["Perplexity", "Windows", "perplexity"]

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


class Windows:
    """A text cut into non-overlapping windows, each read from an empty context, and these into batches.

    Window i reads tokens w·i … w·i + w − 1 and predicts tokens w·i + 1 … w·i + w, so that every predicted token
    counts once; the (len(ids) − 1) mod w tokens left over are not used.

    Parameters
    ----------
    ids
        The tokens of the text, one-dimensional.
    window
        Tokens per window, at most ``context``, the model's.

    Raises
    ------
    ValueError
        A window that does not fit the context, or a text of fewer than window + 1 tokens.
    """

    def __init__(self, ids: ArrayLike, *, window: int, context: int) -> None:
        tokens = np.asarray(ids)
        if not 1 <= window <= context:
            raise ValueError(f"window must be from 1 to the context of {context}, not {window!r}")
        if tokens.ndim != 1 or len(tokens) <= window:
            raise ValueError(f"ids must be at least {window + 1} tokens in one dimension, not {tokens.shape}")
        self.tokens = (len(tokens) - 1) // window * window
        self._inputs = tokens[: self.tokens].reshape(-1, window)
        self._targets = tokens[1 : self.tokens + 1].reshape(-1, window)

    @property
    def batches(self) -> int:
        """Batches of up to eight windows."""
        return -(-len(self._inputs) // _BATCH)

    def loss(self, model: Llama, batch: int) -> float:
        """Summed negative log-likelihood, in nats, of the tokens that a batch predicts."""
        part = slice(batch * _BATCH, (batch + 1) * _BATCH)
        return _loss(model.forward(self._inputs[part]), self._targets[part])

    def total(self, losses: Iterable[float]) -> "Perplexity":
        """The perplexity, from the losses of all batches in order."""
        return Perplexity(nats=sum(losses, start=0.0) / self.tokens, tokens=self.tokens)


def perplexity(
    model: Llama,
    ids: ArrayLike,
    *,
    window: int = 128,
    progress: Callable[[int, int], None] | None = None,
) -> Perplexity:
    """Measure on non-overlapping windows, each from an empty context: see `Windows`.

    A linear backend sees matrices of up to 8·w rows.

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
    windows = Windows(ids, window=window, context=model.config.max_position_embeddings)
    losses = []
    for batch in range(windows.batches):
        losses.append(windows.loss(model, batch))
        if progress is not None:
            progress(min((batch + 1) * _BATCH * window, windows.tokens), windows.tokens)
    return windows.total(losses)


def _loss(logits: NDArray[np.float32], targets: NDArray[np.integer]) -> float:
    """Summed negative log-likelihood: log Σ exp(logit) − logit of the target."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_sums = np.log(np.exp(shifted).sum(axis=-1))
    chosen = np.take_along_axis(shifted, targets[..., None], axis=-1)[..., 0]
    return float((log_sums - chosen).sum(dtype=np.float64))
