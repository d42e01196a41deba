"""Perplexity of the built-in model in several arithmetics, kept from one run to the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gemmsmith_cli.console import working
from gemmsmith_sim.llm.checkpoint import HELDOUT_TEXT, Checkpoint
from gemmsmith_sim.llm.model import LinearBackend, Llama
from gemmsmith_sim.llm.perplexity import Perplexity, perplexity
from gemmsmith_sim.llm.perplexity_cache import cached_perplexity
from gemmsmith_sim.llm.tokenizer import load_tokenizer

WINDOW = 128


@dataclass(frozen=True)
class Accuracy:
    """Perplexity in one arithmetic; ``cached`` if it comes from an earlier run."""

    name: str
    perplexity: float
    tokens: int
    cached: bool


def measure_accuracy(name: str, checkpoint: Checkpoint, make: Callable[[], LinearBackend], *, arithmetic: str,
                     tokens: int) -> Accuracy:
    """Perplexity on the first ``tokens`` tokens of the held-out text.

    ``arithmetic`` tells one backend (what ``make`` returns) from another; with it, the model, the text and the
    program, a result is known again.
    """
    ids = load_tokenizer(checkpoint).encode(HELDOUT_TEXT.read_text())[:tokens + 1]

    def measure() -> Perplexity:
        with working(f"measuring perplexity: {name}") as reporter:
            return perplexity(Llama(checkpoint, make()), ids, window=WINDOW, progress=reporter.update)

    result, cached = cached_perplexity(checkpoint, ids, window=WINDOW, arithmetic=arithmetic, measure=measure)
    return Accuracy(name, result.value, result.tokens, cached)
