"""Perplexity of the built-in model in several arithmetics, kept from one run to the next."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import gemmsmith_sim
from gemmsmith_cli.console import working
from gemmsmith_sim.cache import atomic_write, cache_dir, digest
from gemmsmith_sim.llm.checkpoint import HELDOUT_TEXT, Checkpoint
from gemmsmith_sim.llm.model import LinearBackend, Llama
from gemmsmith_sim.llm.perplexity import perplexity
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
    path = cache_dir("perplexity") / f"{_key(checkpoint, ids, arithmetic)}.json"
    if path.is_file():
        return Accuracy(name, **json.loads(path.read_text()), cached=True)
    with working(f"measuring perplexity: {name}") as reporter:
        result = perplexity(Llama(checkpoint, make()), ids, window=WINDOW, progress=reporter.update)
    atomic_write(path, json.dumps({"perplexity": result.value, "tokens": result.tokens}))
    return Accuracy(name, result.value, result.tokens, cached=False)


def _key(checkpoint: Checkpoint, ids: list[int], arithmetic: str) -> str:
    program = Path(gemmsmith_sim.__file__).parent
    files = [*sorted((program / "golden").glob("*.py")), *sorted((program / "llm").glob("*.py")),
             *sorted(checkpoint.folder.glob("*.safetensors"))]
    return digest("perplexity 1", arithmetic, str(WINDOW), np.asarray(ids, np.int64).tobytes(),
                  *(part for path in files for part in (path.name, path)))
