"""How many pictures a network gets right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gemmsmith_sim.perception.network import Network, Trained
from gemmsmith_sim.perception.scenes import Scenes, make_scenes
from gemmsmith_sim.quantise import Moments, Recorder

__all__ = ["CALIBRATION", "HELDOUT", "Score", "calibration_scenes", "feedback_scenes", "heldout_scenes",
           "layer_moments", "score"]

BATCH = 50
"""Pictures computed together."""
CALIBRATION, HELDOUT = 2000, 2000
"""Pictures to choose precisions by, and those of the final figures; the network was trained on neither."""
FEEDBACK = 500
"""Pictures that the quantiser ``feedback`` reads, which serve nothing else."""


@dataclass(frozen=True)
class Score:
    """``correct`` of ``pictures``; ``nats``, the mean cross entropy, which tells nearly equal formats apart."""

    correct: int
    pictures: int
    nats: float

    @property
    def accuracy(self) -> float:
        """The share that is right."""
        return self.correct / self.pictures


def calibration_scenes() -> Scenes:
    """Pictures to choose precisions by."""
    return make_scenes(CALIBRATION, seed=2)


def heldout_scenes(count: int | None = None) -> Scenes:
    """The first ``count`` pictures of the final figures, or all. Raises ``ValueError`` for less than 1 or more than
    there are."""
    if count is not None and not 1 <= count <= HELDOUT:
        raise ValueError(f"pictures must be 1..{HELDOUT}, not {count!r}")
    return make_scenes(HELDOUT, seed=3)[:count]


def feedback_scenes() -> Scenes:
    """Pictures that the quantiser ``feedback`` reads."""
    return make_scenes(FEEDBACK, seed=4)


def layer_moments(model: Trained) -> Moments:
    """Of all layers, in a float32 pass over ``feedback_scenes``."""
    recorder = Recorder()
    score(Network(model.parameters, recorder), feedback_scenes())
    return recorder.moments


def score(network: Network, scenes: Scenes, *, batch: int = BATCH,
          progress: Callable[[int, int], None] | None = None) -> Score:
    """Of ``network`` on ``scenes``, ``batch`` at a time; ``progress`` is called with pictures done and their number."""
    correct, nats = 0, 0.0
    for start in range(0, len(scenes), batch):
        part = scenes[start:start + batch]
        scores = network.scores(part.images).astype(np.float64)
        correct += int(np.count_nonzero(scores.argmax(axis=1) == part.labels))
        shifted = scores - scores.max(axis=1, keepdims=True)
        nats += float((np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(part)), part.labels]).sum())
        if progress is not None:
            progress(start + len(part), len(scenes))
    return Score(correct, len(scenes), nats / len(scenes))
