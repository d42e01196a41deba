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
from gemmsmith_sim.llm.calibrate import feedback_tokens, overlap
from gemmsmith_sim.llm.checkpoint import Checkpoint
from gemmsmith_sim.llm.perplexity import Perplexity
from gemmsmith_sim.quantise import FEEDBACK
from gemmsmith_sim.search.adapt import Candidates, adapt
from gemmsmith_sim.search.assignment import MODULES, PrecisionMap
from gemmsmith_sim.search.bops import full_bit_operations, multiplications
from gemmsmith_sim.search.evaluate import Evaluator, evaluator

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
    alternatives: evaluations before the search that chose among rungs of equal cost, see ``adapt``.
    reduction: bit operations with FP16 activations and the weights of the reference, over those of the assignment.
    calibration, calibration_reference: perplexities on the text of the search: assignment and reference.
    heldout, heldout_reference: the same on a text that the search has not seen.
    measured: evaluations that were not known from an earlier run.
    """

    precisions: PrecisionMap
    trace: tuple[Trial, ...]
    alternatives: tuple[Trial, ...]
    exhausted: bool
    reduction: float
    calibration: Perplexity
    calibration_reference: Perplexity
    heldout: Perplexity
    heldout_reference: Perplexity
    measured: int


def tune(model: Checkpoint, scheme: Scheme, *, loss: float, calibration: ArrayLike, heldout: ArrayLike,
         iterations: int = 32, window: int = 128, workers: int | None = None, quantiser: str | None = None,
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
    quantiser: name of what makes codes of float weights, of the reference too; None: ``nearest``.
    progress: called with the share of the work done, and 1.

    Raises
    ------
    ValueError: for a scheme without a ladder or that the quantiser does not serve, a loss out of range, equal texts,
        a text that ``feedback`` reads as well, or if no assignment that was tried is accurate enough.
    """
    if not 0 <= loss < 1:
        raise ValueError(f"loss must be at least 0 and below 1, not {loss!r}")
    if np.array_equal(calibration, heldout):
        raise ValueError("the text of the search and the held-out text must differ")
    task = _Task(model, Candidates(scheme, MODULES, quantiser), iterations, progress)
    texts = {_CALIBRATION: calibration, _HELDOUT: heldout}
    if quantiser == FEEDBACK:
        _check_apart(model, texts)
    with evaluator(model, texts, window=window, workers=workers) as measure:
        return task.run(measure, texts, loss=loss, window=window)


def _check_apart(model: Checkpoint, texts: Mapping[str, ArrayLike]) -> None:
    read = feedback_tokens(model)
    for name, ids in texts.items():
        if overlap(read, np.asarray(ids).tolist()):
            raise ValueError(f"the {name} text holds text that the quantiser {FEEDBACK} reads, the first {len(read)} "
                             "tokens of the built-in calibration text; take another")


class _Task:
    """A search on a model: assignments become perplexities, evaluations become shares of the whole work."""

    def __init__(self, model: Checkpoint, candidates: Candidates, iterations: int,
                 progress: Callable[[float, float], None] | None):
        self._model, self._candidates, self._iterations = model, candidates, iterations
        self._steps, self._done, self._progress = iterations + candidates.alternatives + 4, 0, progress

    def run(self, measure: Evaluator, texts: Mapping[str, ArrayLike], *, loss: float, window: int) -> Tuned:
        macs, longest = multiplications(self._model), self._candidates.longest
        reference = self._perplexity(measure, _CALIBRATION, longest, full_activations=True)
        results: list[Perplexity] = []

        def accuracy(precisions: PrecisionMap) -> float:
            results.append(self._perplexity(measure, _CALIBRATION, precisions))
            return 1 / results[-1].value

        found = adapt(self._candidates, macs, accuracy=accuracy, least=(1 - loss) / reference.value, loss=loss,
                      iterations=self._iterations)
        trials = [Trial(step.precisions.schemes, step.bit_operations, result.value, step.accepted)
                  for step, result in zip((*found.alternatives, *found.trace), results, strict=True)]
        count = len(found.alternatives)
        calibration = results[count + found.trace.index(found.best)]
        full = full_bit_operations(macs, longest.schemes)
        chosen, cost = found.best.precisions, found.best.bit_operations
        heldout = self._perplexity(measure, _HELDOUT, chosen)
        heldout_reference = self._perplexity(measure, _HELDOUT, longest, full_activations=True)
        precisions = dataclasses.replace(chosen, model=self._model.digest, tuning={
            "loss": loss, "iterations": self._iterations, "window": window,
            "calibration": _summary(texts[_CALIBRATION], calibration, reference),
            "heldout": _summary(texts[_HELDOUT], heldout, heldout_reference),
            "bit_operations_reduction": full / cost})
        return Tuned(precisions, tuple(trials[count:]), tuple(trials[:count]), found.exhausted, full / cost,
                     calibration, reference, heldout, heldout_reference, measure.measured)

    def _perplexity(self, measure: Evaluator, text: str, precisions: PrecisionMap, *,
                    full_activations: bool = False) -> Perplexity:
        def report(done: int, total: int) -> None:
            if self._progress is not None:
                self._progress((self._done + done / total) / self._steps, 1)

        result = measure.perplexity(text, precisions, full_activations=full_activations, progress=report)
        self._done += 1
        return result


def _summary(ids: ArrayLike, chosen: Perplexity, reference: Perplexity) -> dict[str, Any]:
    return {"sha256": digest(np.asarray(ids, np.int64).tobytes()), "tokens": chosen.tokens,
            "perplexity": chosen.value, "reference_perplexity": reference.value}
