"""The shortest precision of each module of a model that keeps its accuracy: search, measure, report."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gemmsmith.schemes import Scheme
from gemmsmith_sim.cache import digest
from gemmsmith_sim.llm.checkpoint import Checkpoint
from gemmsmith_sim.llm.perplexity import Perplexity
from gemmsmith_sim.search.assignment import MODULES, PrecisionMap
from gemmsmith_sim.search.bops import bit_operations, full_bit_operations, multiplications
from gemmsmith_sim.search.evaluate import Evaluator, evaluator
from gemmsmith_sim.search.search import Evaluation, Found, Levels, search

__all__ = ["Trial", "Tuned", "tune"]

_CALIBRATION, _HELDOUT = "calibration", "held-out"


@dataclass(frozen=True)
class Trial:
    """One evaluation of the search.

    Parameters
    ----------
    schemes: of each module. bit_operations: of one token. perplexity: on the calibration text.
    accepted: whether it became the best so far.
    """

    schemes: Mapping[str, Scheme]
    bit_operations: int
    perplexity: float
    accepted: bool


@dataclass(frozen=True)
class Tuned:
    """What ``tune`` found.

    Parameters
    ----------
    precisions: the assignment.
    trace: every evaluation of the search, in order. exhausted: whether the search ended before its evaluations did.
    reduction: bit operations with FP16 activations and the same weights, over those of the assignment.
    calibration, calibration_reference: perplexities on the text of the search: assignment and reference.
    heldout, heldout_reference: the same on a text that the search has not seen.
    measured: evaluations that were not known from an earlier run.
    """

    precisions: PrecisionMap
    trace: tuple[Trial, ...]
    exhausted: bool
    reduction: float
    calibration: Perplexity
    calibration_reference: Perplexity
    heldout: Perplexity
    heldout_reference: Perplexity
    measured: int


def tune(model: Checkpoint, scheme: Scheme, *, loss: float, calibration: ArrayLike, heldout: ArrayLike,
         iterations: int = 32, window: int = 128, workers: int | None = None,
         progress: Callable[[float, float], None] | None = None) -> Tuned:
    """The assignment of ``scheme``'s ladder to modules with the fewest bit operations that the search finds.

    Accuracy is 1 / perplexity on ``calibration``; it must be at least (1 − ``loss``) times that of the reference: the
    weights of the ladder's last scheme with FP16 activations. The result does not depend on ``workers``. Evaluations
    are kept from one run to the next.

    Parameters
    ----------
    scheme: whose ladder is searched; its other choices hold for all modules.
    loss: relative loss of accuracy that is allowed, 0 ≤ loss < 1.
    calibration, heldout: tokens; at least one window each.
    iterations: most evaluations of the search.
    window: tokens read from an empty context.
    workers: processes (default: one per processor).
    progress: called with the share of the work done, and 1.

    Raises
    ------
    ValueError: for a scheme without a ladder, a loss out of range, equal texts, or if no assignment that was tried is
        accurate enough.
    """
    ladder = scheme.ladder()
    if not ladder:
        raise ValueError(f"{scheme.family} has one precision only; nothing can be chosen per module")
    if not 0 <= loss < 1:
        raise ValueError(f"loss must be at least 0 and below 1, not {loss!r}")
    if np.array_equal(calibration, heldout):
        raise ValueError("the text of the search and the held-out text must differ")
    task = _Task(model, scheme, ladder, iterations + 4, progress)
    texts = {_CALIBRATION: calibration, _HELDOUT: heldout}
    with evaluator(model, texts, window=window, workers=workers) as measure:
        return task.run(measure, texts, loss=loss, iterations=iterations, window=window)


class _Task:
    """A search on a model: levels become schemes, evaluations become shares of the whole work."""

    def __init__(self, model: Checkpoint, scheme: Scheme, ladder: tuple[Scheme, ...], steps: int,
                 progress: Callable[[float, float], None] | None):
        self._model, self._scheme, self._ladder = model, scheme, ladder
        self._macs = multiplications(model)
        self._steps, self._done, self._progress = steps, 0, progress

    def run(self, measure: Evaluator, texts: Mapping[str, ArrayLike], *, loss: float, iterations: int,
            window: int) -> Tuned:
        longest = self._map((len(self._ladder) - 1,) * len(MODULES))
        reference = self._perplexity(measure, _CALIBRATION, longest, full_activations=True)
        results: dict[Levels, Perplexity] = {}

        def accuracy(levels: Levels) -> float:
            results[levels] = self._perplexity(measure, _CALIBRATION, self._map(levels))
            return 1 / results[levels].value

        found = search(modules=len(MODULES), rungs=len(self._ladder), iterations=iterations, accuracy=accuracy,
                       least=(1 - loss) / reference.value,
                       cost=lambda levels: bit_operations(self._macs, self._map(levels).schemes))
        best = _best(found, loss)
        chosen = self._map(best.levels)
        full = full_bit_operations(self._macs, chosen.schemes)
        heldout = self._perplexity(measure, _HELDOUT, chosen)
        heldout_reference = self._perplexity(measure, _HELDOUT, longest, full_activations=True)
        precisions = dataclasses.replace(chosen, model=self._model.digest, tuning={
            "loss": loss, "iterations": iterations, "window": window,
            "calibration": _summary(texts[_CALIBRATION], results[best.levels], reference),
            "heldout": _summary(texts[_HELDOUT], heldout, heldout_reference),
            "bit_operations_reduction": full / best.cost})
        trace = tuple(Trial(self._map(step.levels).schemes, step.cost, results[step.levels].value, step.accepted)
                      for step in found.trace)
        return Tuned(precisions, trace, found.exhausted, full / best.cost, results[best.levels], reference, heldout,
                     heldout_reference, measure.measured)

    def _map(self, levels: Levels) -> PrecisionMap:
        """A file says what of the base each module changes."""
        base = dataclasses.asdict(self._scheme)
        rungs = [dataclasses.asdict(self._ladder[level]) for level in levels]
        varied = {key for rung in self._ladder for key, value in dataclasses.asdict(rung).items() if value != base[key]}
        return PrecisionMap(self._scheme, {
            module: {key: rung[key] for key in sorted(varied)} for module, rung in zip(MODULES, rungs, strict=True)})

    def _perplexity(self, measure: Evaluator, text: str, precisions: PrecisionMap, *,
                    full_activations: bool = False) -> Perplexity:
        def report(done: int, total: int) -> None:
            if self._progress is not None:
                self._progress((self._done + done / total) / self._steps, 1)

        result = measure.perplexity(text, precisions, full_activations=full_activations, progress=report)
        self._done += 1
        return result


def _best(found: Found, loss: float) -> Evaluation:
    """Raises ``ValueError`` if there is none."""
    if found.best is None:
        raise ValueError(f"none of the {len(found.trace)} assignments tried loses at most {loss:.3%} of the accuracy; "
                         "allow a greater loss or more iterations")
    return found.best


def _summary(ids: ArrayLike, chosen: Perplexity, reference: Perplexity) -> dict[str, Any]:
    return {"sha256": digest(np.asarray(ids, np.int64).tobytes()), "tokens": chosen.tokens,
            "perplexity": chosen.value, "reference_perplexity": reference.value}
