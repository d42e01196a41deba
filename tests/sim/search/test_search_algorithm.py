"""The search against a reference that keeps a plain list and evaluates everything it pops."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemmsmith_sim.search import Evaluation, search


def reference(modules, rungs, cost, accuracy, least, iterations):
    """The paper's loop, with the list sorted anew each time and nothing left out."""
    waiting = [(level,) * modules for level in range(rungs)]
    visited, best, trace = set(), None, []
    for _ in range(iterations):
        waiting = sorted({levels for levels in waiting if levels not in visited}, key=lambda x: (cost(x), x))
        if not waiting:
            break
        levels = waiting[0]
        visited.add(levels)
        accepted = (best is None or cost(levels) < cost(best)) and accuracy(levels) >= least
        trace.append(Evaluation(levels, cost(levels), accuracy(levels), accepted))
        if accepted:
            best = levels
            for module in range(modules):
                lower = tuple(level - (index == module) for index, level in enumerate(levels))
                if min(lower) >= 0:
                    waiting.append(lower)
    return best, trace


@st.composite
def problems(draw):
    """Weights of the modules, and an accuracy that grows with every level but for some noise."""
    modules, rungs = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    weights = draw(st.lists(st.integers(1, 9), min_size=modules, max_size=modules))
    losses = draw(st.lists(st.floats(0, 1), min_size=modules, max_size=modules))
    noise, seed = draw(st.sampled_from([0.0, 0.02, 0.3])), draw(st.integers(0, 99))

    def cost(levels):
        return sum(weight * (level + 4) for weight, level in zip(weights, levels, strict=True))

    def accuracy(levels):
        clean = 1 - sum(loss / 2**level for loss, level in zip(losses, levels, strict=True))
        return clean + noise * random.Random(f"{seed} {levels}").uniform(-1, 1)

    return modules, rungs, cost, accuracy, draw(st.floats(0, 1))


@settings(deadline=None, max_examples=300)
@given(problems(), st.integers(1, 60))
def test_finds_what_the_reference_finds(problem, iterations):
    modules, rungs, cost, accuracy, least = problem
    found = search(modules=modules, rungs=rungs, cost=cost, accuracy=accuracy, least=least, iterations=iterations)
    best, trace = reference(modules, rungs, cost, accuracy, least, iterations)
    assert (found.best.levels if found.best else None) == best
    assert list(found.trace) == trace[:len(found.trace)]
    assert all(not step.accepted for step in trace[len(found.trace):])
    assert len(found.trace) <= iterations
    assert found.exhausted or len(found.trace) == iterations


@settings(deadline=None, max_examples=100)
@given(problems())
def test_what_is_found_cannot_be_lowered_in_one_module(problem):
    modules, rungs, cost, accuracy, least = problem
    found = search(modules=modules, rungs=rungs, cost=cost, accuracy=accuracy, least=least, iterations=10_000)
    assert found.exhausted
    enough = [levels for levels in itertools.product(range(rungs), repeat=modules) if accuracy(levels) >= least]
    uniform = [levels for levels in enough if len(set(levels)) == 1]
    if not uniform:
        assert found.best is None
        return
    best = found.best.levels
    assert best in enough
    assert cost(best) <= min(map(cost, uniform))
    lower = {tuple(level - (index == module) for index, level in enumerate(best)) for module in range(modules)}
    assert not lower & set(enough)


def test_ties_go_to_the_lowest_tuple_and_equal_costs_are_not_tried():
    tried = []

    def accuracy(levels):
        tried.append(levels)
        return float(sum(levels) >= 3)

    found = search(modules=2, rungs=3, cost=lambda levels: 10 + sum(levels), accuracy=accuracy, least=1.0)
    assert tried == [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2)]  # (2, 1) costs as much as (1, 2)
    assert found.best == Evaluation((1, 2), 13, 1.0, True)
    assert found.exhausted


@pytest.mark.parametrize("name", ["modules", "rungs", "iterations"])
def test_sizes_are_checked(name):
    sizes = {"modules": 2, "rungs": 3, "iterations": 4, name: 0}
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
        search(**sizes, cost=sum, accuracy=lambda levels: 1.0, least=0.5)
