"""Models on arrays of equal area: time and energy relative to those of a baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isqrt

from .record import EqualAreaRow, PeRow
from .suite import EqualArea, ModelShape, Relative, Suite, SuiteUnit, model_shapes
from .system import Machine
from .workload import products_of

__all__ = ["equal_area_rows", "largest_array"]


def largest_array(cores: int, share: int) -> tuple[int, int]:
    """Rows and columns of an array of at most so many cores, columns in whole tails of ``share``: the most cores that a
    shape of at most four times as many columns as rows, or rows as columns, has; of those the squarest.

    Raises ``ValueError`` if there is none, because a tail alone has more cores.
    """
    found = []
    for rows in range(1, 2 * isqrt(cores) + 1):
        cols = min(cores // rows, 4 * rows) // share * share
        if cols and rows <= 4 * cols:
            found.append((rows * cols, -abs(rows - cols), rows, cols))
    if not found:
        raise ValueError(f"an array of {cores} cores holds no tail that {share} share")
    return max(found)[2:]


def equal_area_rows(suite: Suite, system: EqualArea, units: Sequence[SuiteUnit],
                    rows: Sequence[PeRow]) -> tuple[list[EqualAreaRow], list[str]]:
    """The table of workloads on every target and variant of ``rows``; and what is missing in it, and why."""
    found: list[EqualAreaRow] = []
    missing: list[str] = []
    shapes, named = model_shapes(), {unit.name: unit for unit in units}
    for target, variant in dict.fromkeys((row.target, row.variant) for row in rows):
        measured = [row for row in rows if (row.target, row.variant) == (target, variant)]
        base = next((row for row in measured if row.scheme == suite.baselines[0]), None)
        if base is None:
            missing.append(f"models on {target}/{variant}: {suite.baselines[0]} was not measured")
            continue
        area = system.rows * system.cols * base.core_area
        for model, published in system.models.items():
            first = _machine(named[base.name], base, shapes[model], (system.rows, system.cols))
            for row in measured:
                size = largest_array(int(area / row.core_area + 1e-9), row.share)
                size = (system.rows, system.cols) if row is base else size
                machine = _machine(named[row.name], row, shapes[model], size)
                found.append(_row(model, shapes[model], machine, row, first, base, published))
    return found, missing


def _machine(unit: SuiteUnit, row: PeRow, shape: ModelShape, size: tuple[int, int]) -> Machine:
    """An array that computes every module with one unit."""
    modules = shape.products()
    return Machine(dict.fromkeys(modules, unit), dict.fromkeys(modules, row), *size, row.share)


def _row(model: str, shape: ModelShape, machine: Machine, row: PeRow, first: Machine, base: PeRow,
         published: Mapping[str, Relative]) -> EqualAreaRow:
    products, tokens, target = products_of(shape), shape.context, row.target
    spent, least = machine.energy(products), first.energy(products)
    time, drained = (machine.cycles(products, tokens, target, drained=one) /
                     first.cycles(products, tokens, target, drained=one) for one in (False, True))
    clocks = base.fmax_mhz / row.fmax_mhz if base.fmax_mhz and row.fmax_mhz else None
    return EqualAreaRow(
        model=model, name=row.name, scheme=row.scheme, target=target, variant=row.variant, tokens=tokens,
        rows=machine.rows, cols=machine.cols, macs_per_cycle=machine.rows * machine.cols * row.macs_per_cycle,
        area=machine.area / first.area, time=time,
        time_drained=drained,
        time_own_clock=clocks and time * clocks, energy=spent / least if spent is not None and least else None,
        paper=published.get(row.name, Relative()))
