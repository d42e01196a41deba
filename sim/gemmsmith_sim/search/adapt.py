"""A scheme's ladder on the modules of any model: which rung each module gets."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import groupby

from gemmsmith.schemes import Scheme
from gemmsmith_sim.quantise import check_quantiser
from gemmsmith_sim.search.assignment import Modules, PrecisionMap
from gemmsmith_sim.search.bops import bit_operations
from gemmsmith_sim.search.search import search

__all__ = ["Adapted", "Candidates", "Step", "adapt"]


@dataclass(frozen=True)
class Step:
    """One assignment that was measured. ``accepted``: it became the best so far, or its module's rung."""

    precisions: PrecisionMap
    bit_operations: int
    accuracy: float
    accepted: bool


@dataclass(frozen=True)
class Adapted:
    """What ``adapt`` found.

    Parameters
    ----------
    best: the assignment. trace: every evaluation of the search, in order. exhausted: as of ``search``.
    alternatives: evaluations that chose among rungs of equal cost, before the search.
    """

    best: Step
    trace: tuple[Step, ...]
    exhausted: bool
    alternatives: tuple[Step, ...]


class Candidates:
    """The schemes that each module of a model may get.

    Parameters
    ----------
    scheme: whose ladder they are; its other choices hold for all modules.
    modules: of the model.
    quantiser: name of what makes codes of float weights in all of them; None: ``nearest``.

    Raises ``ValueError`` for a scheme without a ladder, or that the quantiser does not serve.
    """

    def __init__(self, scheme: Scheme, modules: Modules, quantiser: str | None = None):
        ladder = scheme.ladder()
        if not ladder:
            raise ValueError(f"{scheme.family} has one precision only; nothing can be chosen per module")
        if quantiser is not None:
            check_quantiser(quantiser, scheme)
        self.base, self.modules, self.quantiser = scheme, modules, quantiser
        self.tiers = [tuple(rungs) for _, rungs in groupby(ladder, lambda rung: math.prod(rung.operand_bits))]
        """Cheapest first; the schemes of a tier cost the same."""
        base = dataclasses.asdict(scheme)
        self._varied = sorted({key for rung in ladder for key, value in dataclasses.asdict(rung).items()
                               if value != base[key]})

    @property
    def alternatives(self) -> int:
        """Evaluations that choose among rungs of equal cost."""
        return sum(len(tier) for tier in self.tiers if len(tier) > 1) * len(self.modules)

    @property
    def longest(self) -> PrecisionMap:
        """The last rung in every module."""
        return self.assign(dict.fromkeys(self.modules, self.tiers[-1][-1]))

    def assign(self, schemes: Mapping[str, Scheme]) -> PrecisionMap:
        """``schemes``, of each module, as a map that says what of the base each module changes."""
        return PrecisionMap(self.base, {module: {key: getattr(schemes[module], key) for key in self._varied}
                                        for module in self.modules}, modules=self.modules, quantiser=self.quantiser)


def adapt(candidates: Candidates, macs: Mapping[str, int], *, accuracy: Callable[[PrecisionMap], float], least: float,
          loss: float, compare: Callable[[PrecisionMap], float] | None = None, iterations: int = 32) -> Adapted:
    """The assignment with the fewest bit operations, as far as ``search`` finds it, that is accurate enough.

    Where rungs cost the same (FP4 and Posit(4, 1)), each module first takes the best of them, with all others at the
    last rung; of equally good ones the first. These evaluations do not count as ``iterations``.

    Parameters
    ----------
    macs: multiply-accumulates of each module.
    accuracy: of an assignment, greater is better. least: that is enough. loss: what that means, for the error.
    compare: what tells rungs of equal cost apart, greater is better; by default the accuracy.
    iterations: most evaluations of the search.

    Raises ``ValueError`` if no assignment that was tried is accurate enough.
    """
    rungs, alternatives = _settled(candidates, macs, compare or accuracy)
    modules = list(candidates.modules)

    def assigned(levels: tuple[int, ...]) -> PrecisionMap:
        return candidates.assign({module: rungs[module][level] for module, level in zip(modules, levels, strict=True)})

    found = search(modules=len(modules), rungs=len(candidates.tiers), iterations=iterations, least=least,
                   accuracy=lambda levels: accuracy(assigned(levels)),
                   cost=lambda levels: bit_operations(macs, assigned(levels).schemes))
    if found.best is None:
        raise ValueError(f"none of the {len(found.trace)} assignments tried loses at most {loss:.3%} of the accuracy; "
                         "allow a greater loss or more iterations")
    trace = [Step(assigned(step.levels), step.cost, step.accuracy, step.accepted) for step in found.trace]
    return Adapted(trace[found.trace.index(found.best)], tuple(trace), found.exhausted, tuple(alternatives))


def _settled(candidates: Candidates, macs: Mapping[str, int],
             compare: Callable[[PrecisionMap], float]) -> tuple[dict[str, list[Scheme]], list[Step]]:
    """One scheme of each tier for each module, and the evaluations that chose it."""
    rungs: dict[str, list[Scheme]] = {}
    steps: list[Step] = []
    for module in candidates.modules:
        rungs[module] = []
        for tier in candidates.tiers:
            tried = _alone(candidates, macs, module, tier, compare) if len(tier) > 1 else []
            steps += tried
            rungs[module] += [step.precisions.schemes[module] for step in tried if step.accepted] or [tier[0]]
    return rungs, steps


def _alone(candidates: Candidates, macs: Mapping[str, int], module: str, tier: tuple[Scheme, ...],
           compare: Callable[[PrecisionMap], float]) -> list[Step]:
    """Each scheme of ``tier`` in one module, all others at the last rung; the best is accepted."""
    last = candidates.longest.schemes
    maps = [candidates.assign({**last, module: scheme}) for scheme in tier]
    reached = [compare(precisions) for precisions in maps]
    best = reached.index(max(reached))
    return [Step(precisions, bit_operations(macs, precisions.schemes), value, accepted=index == best)
            for index, (precisions, value) in enumerate(zip(maps, reached, strict=True))]
