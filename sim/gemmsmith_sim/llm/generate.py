"""Sample text from a model, token by token."""

from collections.abc import Collection, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gemmsmith_sim.llm.model import Llama

__all__ = ["generate"]


def generate(
    model: Llama,
    prompt: Sequence[int],
    *,
    count: int,
    temperature: float = 0.8,
    seed: int = 0,
    stop: Collection[int] = (),
) -> Iterator[int]:
    """Yield up to ``count`` tokens that continue ``prompt``, each as soon as it is computed.

    When the context is full (or the prompt alone exceeds it), the cache is dropped and the last half context
    is computed anew, from position 0; earlier tokens are then forgotten.

    Parameters
    ----------
    prompt
        At least one token.
    temperature
        Divides the logits before sampling; 0 takes the most likely token (the lowest of several equal ones).
    seed
        Of the sampling; the same seed and arguments give the same tokens.
    stop
        Tokens that end the text; they are not yielded.

    Raises
    ------
    ValueError
        An empty prompt, a negative count, or a negative or non-finite temperature; raised at the call, not at
        the first token.
    """
    if not len(prompt):
        raise ValueError("prompt must hold at least one token")
    if count < 0:
        raise ValueError(f"count must not be negative, not {count!r}")
    if not (np.isfinite(temperature) and temperature >= 0):
        raise ValueError(f"temperature must be finite and not negative, not {temperature!r}")
    return _generate(model, list(prompt), count, temperature, np.random.default_rng(seed), stop)


def _generate(
    model: Llama,
    history: list[int],
    count: int,
    temperature: float,
    rng: np.random.Generator,
    stop: Collection[int],
) -> Iterator[int]:
    context = model.config.max_position_embeddings
    cache, pending = model.cache(), history[:]
    for _ in range(count):
        if cache.length + len(pending) > context:
            cache, pending = model.cache(), history[-max(1, context // 2) :]
        token = _sample(model.forward(pending, cache)[-1], temperature, rng)
        if token in stop:
            return
        yield token
        history.append(token)
        pending = [token]


def _sample(logits: NDArray[np.float32], temperature: float, rng: np.random.Generator) -> int:
    if temperature == 0:
        return int(np.argmax(logits))
    scaled = logits.astype(np.float64) / temperature
    weights = np.exp(scaled - scaled.max())
    return int(rng.choice(len(weights), p=weights / weights.sum()))
