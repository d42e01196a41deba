"""Perplexities that have been measured, kept by content from one run to the next."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
from numpy.typing import ArrayLike

from gemmsmith_sim.cache import atomic_write, cache_dir, digest, fingerprint
from gemmsmith_sim.llm.checkpoint import Checkpoint
from gemmsmith_sim.llm.perplexity import Perplexity

__all__ = ["cached_perplexity"]

_COMPUTING = ("gemmsmith_sim.golden", "gemmsmith_sim.quantise", *(f"gemmsmith_sim.llm.{name}" for name in (
    "calibrate", "checkpoint", "config", "model", "perplexity", "quantized", "safetensors_file")))
"""What computes the result."""


def cached_perplexity(checkpoint: Checkpoint, ids: ArrayLike, *, window: int, arithmetic: str,
                      measure: Callable[[], Perplexity]) -> tuple[Perplexity, bool]:
    """The perplexity, and whether it was known; else it is measured.

    Parameters
    ----------
    arithmetic: tells what ``measure`` computes with from anything else: with the model, the tokens, the window, the
        program (golden models and model code) and numpy's version it names the result.
    measure: called if the result is not known.
    """
    key = digest("perplexity 3", np.__version__, arithmetic, str(window), np.asarray(ids, np.int64).tobytes(),
                 checkpoint.digest, *map(fingerprint, _COMPUTING))
    path = cache_dir("perplexity") / f"{key}.json"
    if path.is_file():
        return Perplexity(**json.loads(path.read_text())), True
    result = measure()
    atomic_write(path, json.dumps(asdict(result)))
    return result, False
