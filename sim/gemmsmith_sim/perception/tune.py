"""The precision of each layer of the network that keeps its accuracy."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from gemmsmith.schemes import Scheme
from gemmsmith_sim.llm.model import LinearBackend
from gemmsmith_sim.llm.quantized import GoldenLinear, WeightOnlyLinear
from gemmsmith_sim.perception.measure import Score, calibration_scenes, heldout_scenes, layer_moments, score
from gemmsmith_sim.perception.network import LAYERS, MODULES, Network, Trained
from gemmsmith_sim.perception.scenes import Scenes
from gemmsmith_sim.quantise import make_quantiser
from gemmsmith_sim.search import Adapted, Candidates, PrecisionMap, adapt
from gemmsmith_sim.search.bops import full_bit_operations

__all__ = ["Tuned", "tune"]


@dataclass(frozen=True)
class Tuned:
    """What ``tune`` found.

    Parameters
    ----------
    precisions: the assignment. adapted: how it was found.
    reduction: bit operations with FP16 activations and the weights of the reference, over those of the assignment.
    calibration, calibration_reference: scores on the pictures of the search: assignment and reference.
    heldout, heldout_reference: the same on pictures that the search has not seen.
    """

    precisions: PrecisionMap
    adapted: Adapted
    reduction: float
    calibration: Score
    calibration_reference: Score
    heldout: Score
    heldout_reference: Score


def tune(model: Trained, scheme: Scheme, *, loss: float, iterations: int = 32, calibration: Scenes | None = None,
         heldout: Scenes | None = None, quantiser: str | None = None,
         progress: Callable[[float, float], None] | None = None) -> Tuned:
    """The assignment of ``scheme``'s ladder to layers with the fewest bit operations that ``adapt`` finds.

    The share of pictures that are right must be at least (1 − ``loss``) times that of the reference: the weights of
    the ladder's last scheme with FP16 activations. Rungs of equal cost are told apart by the cross entropy.

    Parameters
    ----------
    scheme: whose ladder is searched; its other choices hold for all layers.
    loss: relative loss of accuracy that is allowed, 0 ≤ loss < 1.
    iterations: most evaluations of the search.
    calibration, heldout: pictures of the search, and of the final figures; by default the usual ones.
    quantiser: name of what makes codes of the weights, of the reference too; None: ``nearest``.
    progress: called with the share of the work done, and 1.

    Raises ``ValueError`` for a scheme without a ladder or that the quantiser does not serve, a loss out of range, or
    if no assignment that was tried is accurate enough; ``EncodeError`` for values that a scheme cannot hold.
    """
    if not 0 <= loss < 1:
        raise ValueError(f"loss must be at least 0 and below 1, not {loss!r}")
    candidates = Candidates(scheme, MODULES, quantiser)
    quantise = make_quantiser(quantiser, lambda: layer_moments(model))
    scenes, pictures = calibration or calibration_scenes(), heldout or heldout_scenes()
    known: dict[tuple[Scheme, ...], Score] = {}
    steps = iterations + candidates.alternatives + 4

    def measured(precisions: PrecisionMap) -> Score:
        key = tuple(precisions.schemes.values())
        if key not in known:
            known[key] = _score(model, GoldenLinear(precisions, quantise), scenes)
            if progress is not None:
                progress(min(len(known), steps - 1) / steps, 1)
        return known[key]

    full = WeightOnlyLinear(candidates.longest, quantise)
    reference = _score(model, full, scenes)
    macs = {layer.name: layer.macs for layer in LAYERS}
    found = adapt(candidates, macs, least=(1 - loss) * reference.accuracy, loss=loss, iterations=iterations,
                  accuracy=lambda precisions: measured(precisions).accuracy,
                  compare=lambda precisions: -measured(precisions).nats)
    best = found.best
    chosen = _score(model, GoldenLinear(best.precisions, quantise), pictures)
    due = _score(model, full, pictures)
    reduction = full_bit_operations(macs, candidates.longest.schemes) / best.bit_operations
    reached = measured(best.precisions)
    precisions = dataclasses.replace(best.precisions, model=model.digest, tuning={
        "loss": loss, "iterations": iterations, "bit_operations_reduction": reduction,
        "calibration": {"accuracy": reached.accuracy, "reference_accuracy": reference.accuracy},
        "heldout": {"accuracy": chosen.accuracy, "reference_accuracy": due.accuracy}})
    return Tuned(precisions, found, reduction, reached, reference, chosen, due)


def _score(model: Trained, linear: LinearBackend, scenes: Scenes) -> Score:
    return score(Network(model.parameters, linear), scenes)
