"""What a unit's figures are made of: steps of its critical path, modules of its area and energy."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from ..record import Module, PathStep, Row

__all__ = ["Bar", "Run", "Step", "modules", "path_runs", "path_shares", "spent"]

SMALLEST_SHARE = 0.01
"""Modules below this share of the whole are summed up in one line."""


@dataclass(frozen=True)
class Bar:
    """A line with a bar."""

    name: str
    value: float
    """What the bar shows."""
    share: float
    """Of the whole, 0 to 1."""
    depth: int = 0
    own: float | None = None


@dataclass(frozen=True)
class Step:
    """Consecutive steps of a critical path with one name, such as the cells of a carry chain; ns."""

    bar: Bar
    steps: int
    logic: float
    """Cells, with the clock-to-output and the setup of flip-flops."""
    routing: float


@dataclass(frozen=True)
class Run:
    """Consecutive steps of a critical path within one module."""

    bar: Bar
    steps: list[Step]


def path_runs(row: Row) -> list[Run]:
    """The critical path in order, cut where it enters another module."""
    total = sum(step.delay_ns for step in row.critical_path) or 1.0
    runs = []
    for module, members in groupby(row.critical_path, key=lambda step: _module(step.name)):
        steps = [_step(name, list(same), total) for name, same in groupby(members, key=lambda step: step.name)]
        delay = sum(step.bar.value for step in steps)
        runs.append(Run(Bar(module, delay, delay / total), steps))
    return runs


def _step(name: str, steps: list[PathStep], total: float) -> Step:
    delay = sum(step.delay_ns for step in steps)
    routing = sum(step.delay_ns for step in steps if step.kind == "routing")
    return Step(Bar(name, delay, delay / total), len(steps), delay - routing, routing)


def path_shares(row: Row) -> list[Bar]:
    """Delay by module over the whole path, the slowest first."""
    delays: dict[str, float] = {}
    for step in row.critical_path:
        delays[_module(step.name)] = delays.get(_module(step.name), 0.0) + step.delay_ns
    return spent(delays)


def spent(amounts: dict[str, float]) -> list[Bar]:
    """One bar for each name, the largest first, small ones in one at the end; a bar is its share of the sum."""
    total = sum(amounts.values()) or 1.0
    bars = [Bar(name, value, value / total) for name, value in sorted(amounts.items(), key=lambda item: -item[1])]
    large = [bar for bar in bars if bar.share >= SMALLEST_SHARE]
    return [*large, *_together(len(bars) - len(large), sum(bar.value for bar in bars[len(large):]), total, depth=0)]


def modules(root: Module) -> list[Bar]:
    """The resource tree from the root down, large modules first, small ones in one line per parent."""
    bars: list[Bar] = []
    _visit(root, 0, root.total or 1.0, bars)
    return bars


def _visit(module: Module, depth: int, whole: float, bars: list[Bar]) -> None:
    name = f"{module.instance}: {module.name}" if module.instance else module.name
    bars.append(Bar(name, module.total, module.total / whole, depth, module.cells))
    children = sorted(module.children, key=lambda child: -child.total)
    large = [child for child in children if child.total >= SMALLEST_SHARE * whole]
    for child in large:
        _visit(child, depth + 1, whole, bars)
    small = children[len(large):]
    bars += _together(len(small), sum(child.total for child in small), whole, depth + 1)


def _together(count: int, value: float, whole: float, depth: int) -> list[Bar]:
    """What is too small for a line of its own."""
    name = f"{count} smaller module{'s' if count > 1 else ''}"
    return [Bar(name, value, value / whole, depth)] if count else []


def _module(name: str) -> str:
    """``core.tail`` of ``core.tail.sum[3]``; a name without a dot is of the top."""
    return name.rpartition(".")[0] or "top"
