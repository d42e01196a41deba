"""Perplexity of many assignments of one model, over processes.

The windows of the text are shared out, not the assignments: every process is busy with the one evaluation that the
search waits for, and no evaluation is wasted. A batch of windows is always the same and runs on one BLAS thread, and
the batches' losses are added in the text's order, so the number of processes changes nothing in the result.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from numpy.typing import ArrayLike

from gemmsmith.schemes import Scheme
from gemmsmith_sim.llm import checkpoint
from gemmsmith_sim.llm.checkpoint import Checkpoint
from gemmsmith_sim.llm.model import Llama
from gemmsmith_sim.llm.perplexity import Perplexity, Windows
from gemmsmith_sim.llm.perplexity_cache import cached_perplexity
from gemmsmith_sim.llm.quantized import GoldenLinear, WeightOnlyLinear
from gemmsmith_sim.search.assignment import PrecisionMap

__all__ = ["Evaluator", "evaluator"]

_BLAS_THREADS = "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"
Progress = Callable[[int, int], None]


class Evaluator:
    """Measures assignments of a model; made by ``evaluator``.

    ``measured`` counts the evaluations that were not known from an earlier run.
    """

    def __init__(self, model: Checkpoint, texts: Mapping[str, ArrayLike], window: int, pool: ProcessPoolExecutor):
        self._model, self._texts, self._window, self._pool = model, texts, window, pool
        self._windows = {name: Windows(ids, window=window, context=model.config.max_position_embeddings)
                         for name, ids in texts.items()}
        self.measured = 0

    def perplexity(self, text: str, precisions: PrecisionMap, *, full_activations: bool = False,
                   progress: Progress | None = None) -> Perplexity:
        """Of the text called ``text``, with the layers' schemes from ``precisions``.

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
        arithmetic = f"{'weights of' if full_activations else 'golden'} {names}"
        return cached_perplexity(self._model, self._texts[text], window=self._window, arithmetic=arithmetic,
                                 measure=measure)[0]


@contextmanager
def evaluator(model: Checkpoint, texts: Mapping[str, ArrayLike], *, window: int = 128,
              workers: int | None = None) -> Iterator[Evaluator]:
    """An evaluator of ``model`` on tokenised ``texts``, with ``workers`` processes (default: one per processor).

    Raises ``ValueError`` for fewer than one worker, a window that the model's context does not hold, or a text that is
    shorter than one.
    """
    count = (os.cpu_count() or 1) if workers is None else workers
    if count < 1:
        raise ValueError(f"workers must be at least 1, not {count!r}")
    arguments = model.folder, texts, window
    with _one_blas_thread(), ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"),
                                                 initializer=_start, initargs=arguments) as pool:
        try:
            yield Evaluator(model, texts, window, pool)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """For the processes started meanwhile: each is one of many, and one thread adds in one order."""
    before = {name: os.environ.get(name) for name in _BLAS_THREADS}
    os.environ.update(dict.fromkeys(_BLAS_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


# What follows runs in the processes.


@dataclass
class _Prepared:
    """The model as it was last used."""

    schemes: Mapping[str, Scheme]
    full_activations: bool
    linear: GoldenLinear | WeightOnlyLinear
    model: Llama

    def serves(self, precisions: PrecisionMap, full_activations: bool) -> bool:
        """Whether the weights are those of ``precisions``."""
        return self.full_activations == full_activations and all(
            scheme.shares_weights(self.schemes[module]) for module, scheme in precisions.schemes.items())


class _Process:
    """State of a process."""

    model: Checkpoint
    windows: Mapping[str, Windows]
    prepared: _Prepared | None = None


def _start(folder: Path, texts: Mapping[str, ArrayLike], window: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its processes itself
    _Process.model = checkpoint.load(folder)
    context = _Process.model.config.max_position_embeddings
    _Process.windows = {name: Windows(ids, window=window, context=context) for name, ids in texts.items()}


def _loss(text: str, batch: int, precisions: PrecisionMap, full_activations: bool) -> float:
    prepared = _Process.prepared
    if prepared is None or not prepared.serves(precisions, full_activations):
        linear = (WeightOnlyLinear if full_activations else GoldenLinear)(precisions)
        prepared = _Prepared(precisions.schemes, full_activations, linear, Llama(_Process.model, linear))
        _Process.prepared = prepared
    if isinstance(prepared.linear, GoldenLinear):
        prepared.linear.scheme_of = precisions
    return _Process.windows[text].loss(prepared.model, batch)
