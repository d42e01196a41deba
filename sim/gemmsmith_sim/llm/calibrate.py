"""What the layers of a language model see on calibration text: the data of the quantiser ``feedback``."""

from __future__ import annotations

from collections.abc import Iterable

from gemmsmith_sim.llm.checkpoint import CALIBRATION_TEXT, Checkpoint
from gemmsmith_sim.llm.model import Llama
from gemmsmith_sim.llm.perplexity import perplexity
from gemmsmith_sim.llm.tokenizer import load_tokenizer
from gemmsmith_sim.quantise import Moments, Recorder

__all__ = ["TOKENS", "feedback_tokens", "layer_moments", "overlap"]

TOKENS = 2048
"""Of the built-in text, at its beginning, that are read."""
WINDOW = 128
"""Tokens read from an empty context, at most."""
PIECE = 64
"""Tokens in a row that two texts must share to overlap."""


def feedback_tokens(model: Checkpoint) -> list[int]:
    """The tokens that ``layer_moments`` reads: the same ones for every use of a model."""
    return load_tokenizer(model).encode(CALIBRATION_TEXT.read_text(encoding="utf-8"))[:TOKENS]


def layer_moments(model: Checkpoint) -> Moments:
    """Of all linear layers, in a float32 pass over ``feedback_tokens``."""
    recorder, ids = Recorder(), feedback_tokens(model)
    window = min(WINDOW, model.config.max_position_embeddings)
    perplexity(Llama(model, recorder), [*ids, ids[-1]], window=window)  # the last one is predicted, not read
    return recorder.moments


def overlap(tokens: Iterable[int], others: Iterable[int]) -> bool:
    """Whether ``others`` hold one of the pieces of ``PIECE`` that ``tokens`` are cut into."""
    text, searched = "".join(map(chr, tokens)), "".join(map(chr, others))
    return any(text[start:start + PIECE] in searched for start in range(0, len(text) - PIECE + 1, PIECE))
