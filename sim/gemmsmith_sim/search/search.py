"""The adaptive precision search of Anda (HPCA 2025, arXiv 2411.15982), on any ladder of precisions.

It knows neither models nor schemes: a *tuple* has one level per module, a level is a rung of the ladder (0 the
cheapest), and the caller says what a tuple costs and how accurate it is.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Evaluation", "Found", "Levels", "search"]

Levels = tuple[int, ...]


@dataclass(frozen=True)
class Evaluation:
    """One tuple that the search tried: its cost and accuracy, and whether it became the best so far."""

    levels: Levels
    cost: int
    accuracy: float
    accepted: bool


@dataclass(frozen=True)
class Found:
    """What a search gives.

    Parameters
    ----------
    best: the last tuple accepted, or None if none was.
    trace: every evaluation, in order.
    exhausted: whether nothing cheaper than the best was left to try (else the evaluations ran out).
    """

    best: Evaluation | None
    trace: tuple[Evaluation, ...]
    exhausted: bool


def search(*, modules: int, rungs: int, cost: Callable[[Levels], int], accuracy: Callable[[Levels], float],
           least: float, iterations: int = 32) -> Found:
    """The cheapest tuple, as far as ``iterations`` evaluations can tell, whose accuracy is at least ``least``.

    A priority queue starts with the uniform tuples (0, 0, …), (1, 1, …) …. The cheapest tuple in it is taken and
    evaluated; if it costs less than the best so far and is accurate enough, it becomes the best, and its neighbours
    that are one rung lower in one module enter the queue, each tuple once. Of equal costs the lexicographically
    lowest tuple comes first. Tuples that cost no less than the best are not evaluated: they cannot be accepted.

    Parameters
    ----------
    modules: length of a tuple. rungs: of the ladder, levels are 0 … rungs − 1.
    cost: of a tuple; should grow with every level. accuracy: of a tuple, greater is better.
    least: accuracy that is enough. iterations: most evaluations.

    Raises ``ValueError`` for fewer than one module, rung or iteration.
    """
    for name, value in (("modules", modules), ("rungs", rungs), ("iterations", iterations)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value!r}")
    queue = [(cost(levels), levels) for levels in ((rung,) * modules for rung in range(rungs))]
    heapq.heapify(queue)
    seen = {levels for _, levels in queue}
    best: Evaluation | None = None
    trace: list[Evaluation] = []
    while queue and len(trace) < iterations and (best is None or queue[0][0] < best.cost):
        price, levels = heapq.heappop(queue)
        reached = accuracy(levels)
        tried = Evaluation(levels, price, reached, accepted=reached >= least)
        trace.append(tried)
        if not tried.accepted:
            continue
        best = tried
        for lower in _neighbours(levels):
            if lower not in seen:
                seen.add(lower)
                heapq.heappush(queue, (cost(lower), lower))
    return Found(best, tuple(trace), exhausted=not queue or (best is not None and queue[0][0] >= best.cost))


def _neighbours(levels: Levels) -> list[Levels]:
    """The tuples that are one rung lower in one module."""
    return [(*levels[:i], level - 1, *levels[i + 1:]) for i, level in enumerate(levels) if level > 0]
