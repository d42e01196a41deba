"""Real tensors to measure with: what the linear layers of the shipped model multiply while it reads.

Synthetic operands say little about error and energy: trained activations have outliers, signs and exponents of
their own. Every unit is measured on the tensors of this file, so that figures can stand beside each other.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemmsmith_sim.llm import checkpoint
from gemmsmith_sim.llm.checkpoint import HELDOUT_TEXT, Checkpoint, Weight
from gemmsmith_sim.llm.model import FloatLinear, Llama
from gemmsmith_sim.llm.tokenizer import load_tokenizer

__all__ = ["Recorded", "recorded"]

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Recorded:
    """Operands of one linear layer, before any encoding: O = ``activations`` · ``weights``ᵀ.

    ``layer`` is ``layers.<index>.<q|k|v|o|gate|up|down>`` or ``head``; ``activations`` are float32 (T, K),
    ``weights`` float32 (N, K), both read-only.
    """

    layer: str
    activations: Floats
    weights: Floats


def recorded(*, tokens: int = 128, seed: int = 0) -> tuple[Recorded, ...]:
    """Every linear layer of the first and the last block, and the classifier, while the model reads.

    The model computes in float32 and reads windows of its held-out text, each from an empty context; ``seed``
    chooses where they begin. Equal arguments give equal tensors, computed once. The classifier (``head``) is
    a linear layer like the others here, although a co-processor does not compute it.

    Parameters
    ----------
    tokens: rows of activations per layer.
    seed: of the windows' choice.

    Raises
    ------
    ValueError: if ``tokens`` is not positive or more than the text holds, or ``seed`` is negative.
    """
    return _recorded(tokens, seed)


@cache
def _recorded(tokens: int, seed: int) -> tuple[Recorded, ...]:
    loaded = checkpoint.load()
    reader = _Reader(loaded)
    reader.forward(_windows(loaded, tokens, seed))
    blocks = {0, loaded.config.num_hidden_layers - 1}
    return tuple(Recorded(layer, _read_only(rows[:tokens]), _read_only(weights))
                 for layer, (rows, weights) in reader.seen.items()
                 if layer == "head" or int(layer.split(".")[1]) in blocks)


def _windows(loaded: Checkpoint, tokens: int, seed: int) -> NDArray[np.int64]:
    """Token numbers (windows, window) of at least ``tokens`` tokens; no two windows overlap."""
    text = HELDOUT_TEXT.read_text(encoding="utf-8")
    ids = np.array(load_tokenizer(loaded).encode(text), np.int64)
    window = loaded.config.max_position_embeddings
    available = len(ids) // window
    if not 1 <= tokens <= available * window:
        raise ValueError(f"tokens must be from 1 to the {available * window} of the held-out text, not {tokens!r}")
    if seed < 0:
        raise ValueError(f"seed must be at least 0, not {seed!r}")
    chosen = np.random.default_rng(seed).permutation(available)[:-(-tokens // window)]
    return ids[:available * window].reshape(available, window)[np.sort(chosen)]


class _Reader(Llama):
    """The model in float32, which keeps what each linear layer saw: layer → (activations, weights)."""

    def __init__(self, loaded: Checkpoint) -> None:
        self.seen: dict[str, tuple[Floats, Floats]] = {}
        super().__init__(loaded, _Recording(self.seen))

    def _norm(self, x: Floats, weight: Floats) -> Floats:
        normalised = super()._norm(x, weight)
        if weight is self._checkpoint.norm:  # the last one, in front of the classifier
            self.seen["head"] = normalised.reshape(-1, normalised.shape[-1]), self._checkpoint.head
        return normalised


class _Recording(FloatLinear):
    """Float products whose operands are kept in ``seen``."""

    def __init__(self, seen: dict[str, tuple[Floats, Floats]]) -> None:
        self._seen = seen

    def prepare(self, name: str, weight: Weight) -> Any:
        return name, super().prepare(name, weight)

    def matmul(self, handle: Any, x: Floats) -> Floats:
        name, weight = handle
        self._seen[name] = x, weight
        return super().matmul(weight, x)


def _read_only(array: Floats) -> Floats:
    kept = np.array(array, np.float32)
    kept.flags.writeable = False
    return kept
