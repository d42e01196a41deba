"""Perplexity of many assignments of one model, over processes.

The windows of the text are shared out, not the assignments: every process is busy with the one evaluation that the
search waits for, and no evaluation is wasted. A batch of windows is always the same and runs on one BLAS thread, and
the batches' losses are added in the text's order, so the number of processes changes nothing in the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from gemmsmith.schemes import Scheme
from gemmsmith_sim.cache import digest
from gemmsmith_sim.llm import checkpoint
from gemmsmith_sim.llm.calibrate import feedback_tokens, layer_moments
from gemmsmith_sim.llm.checkpoint import Checkpoint
from gemmsmith_sim.llm.model import Llama
from gemmsmith_sim.llm.perplexity import Perplexity, Windows
from gemmsmith_sim.llm.perplexity_cache import cached_perplexity
from gemmsmith_sim.llm.quantized import GoldenLinear, WeightOnlyLinear
from gemmsmith_sim.quantise import FEEDBACK, NEAREST, Moments, make_quantiser
from gemmsmith_sim.search.assignment import PrecisionMap
from gemmsmith_sim.workers import local_executor

__all__ = ["Evaluator", "evaluator"]

Progress = Callable[[int, int], None]


class Evaluator:
    """Measures assignments of a model; made by ``evaluator``.

    ``measured`` counts the evaluations that were not known from an earlier run.
    """

    def __init__(self, model: Checkpoint, texts: Mapping[str, ArrayLike], window: int, pool: Executor):
        self._model, self._texts, self._window, self._pool = model, texts, window, pool
        self._windows = {name: Windows(ids, window=window, context=model.config.max_position_embeddings)
                         for name, ids in texts.items()}
        self.measured = 0

    def perplexity(self, text: str, precisions: PrecisionMap, *, full_activations: bool = False,
                   progress: Progress | None = None) -> Perplexity:
        """Of the text called ``text``, with the layers' schemes and the quantiser from ``precisions``.

        Parameters
        ----------
        full_activations: use the schemes' weights only, with FP16 activations and float32 products: the reference.
        progress: called with the batches done and their number.

        Raises ``EncodeError`` for values that a scheme cannot hold.
        """
        def measure() -> Perplexity:
            self.measured += 1
            batches = self._windows[text].batches
            tasks = [self._pool.submit(_loss, text, batch, precisions, full_activations) for batch in range(batches)]
            losses = []
            for task in tasks:
                losses.append(task.result())
                if progress is not None:
                    progress(len(losses), batches)
            return self._windows[text].total(losses)

        names = ", ".join(f"{module} {scheme.name}" for module, scheme in precisions.schemes.items())
        arithmetic = f"{'weights of' if full_activations else 'golden'} {names} {self._by(precisions.quantiser)}"
        return cached_perplexity(self._model, self._texts[text], window=self._window, arithmetic=arithmetic,
                                 measure=measure)[0]

    def _by(self, quantiser: str | None) -> str:
        """Tells quantisers, and the data that they read, apart."""
        read = digest(np.asarray(feedback_tokens(self._model), np.int64).tobytes()) if quantiser == FEEDBACK else ""
        return f"by {quantiser or NEAREST} {read}"


@contextmanager
def evaluator(model: Checkpoint, texts: Mapping[str, ArrayLike], *, window: int = 128,
              workers: int | None = None) -> Iterator[Evaluator]:
    """An evaluator of ``model`` on tokenised ``texts``, with ``workers`` processes (default: one per core).

    Raises ``ValueError`` for fewer than one worker, a window that the model's context does not hold, or a text that is
    shorter than one.
    """
    with local_executor(workers, start=_start, arguments=(model.folder, texts, window)) as pool:
        yield Evaluator(model, texts, window, pool)


# What follows runs in the processes.


@dataclass
class _Prepared:
    """The model as it was last used."""

    schemes: Mapping[str, Scheme]
    quantiser: str | None
    full_activations: bool
    linear: GoldenLinear | WeightOnlyLinear
    model: Llama

    def serves(self, precisions: PrecisionMap, full_activations: bool) -> bool:
        """Whether the weights are those of ``precisions``."""
        same = (self.quantiser, self.full_activations) == (precisions.quantiser, full_activations)
        return same and all(
            scheme.shares_weights(self.schemes[module]) for module, scheme in precisions.schemes.items())


class _Process:
    """State of a process."""

    model: Checkpoint
    windows: Mapping[str, Windows]
    moments: Moments | None = None
    prepared: _Prepared | None = None


def _start(folder: Path, texts: Mapping[str, ArrayLike], window: int) -> None:
    _Process.model = checkpoint.load(folder)
    context = _Process.model.config.max_position_embeddings
    _Process.windows = {name: Windows(ids, window=window, context=context) for name, ids in texts.items()}


def _loss(text: str, batch: int, precisions: PrecisionMap, full_activations: bool) -> float:
    prepared = _Process.prepared
    if prepared is None or not prepared.serves(precisions, full_activations):
        quantiser = make_quantiser(precisions.quantiser, _moments)
        linear = (WeightOnlyLinear if full_activations else GoldenLinear)(precisions, quantiser)
        prepared = _Prepared(precisions.schemes, precisions.quantiser, full_activations, linear,
                             Llama(_Process.model, linear))
        _Process.prepared = prepared
    if isinstance(prepared.linear, GoldenLinear):
        prepared.linear.scheme_of = precisions
    return _Process.windows[text].loss(prepared.model, batch)


def _moments() -> Moments:
    if _Process.moments is None:
        _Process.moments = layer_moments(_Process.model)
    return _Process.moments
