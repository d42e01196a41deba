"""From the rows of a suite's benchmarks to its record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..bench.record import Bench
from .equal_area import equal_area_rows
from .plan import SuitePlan
from .record import SuiteRecord
from .suite import EqualArea
from .system import system_rows
from .workload import Workload

__all__ = ["assemble"]

_NOTES = [
    "Every part of a row of cores is mapped by itself; a core is charged its share of the tail, of the row edge (over "
    "the columns), of the column edge, feeder, drain and memory of waiting tail operands (over the rows). Register "
    "slices of the streams, buffers and the bus are left out, as they are the same for all.",
    "Ratios are at equal clock. Energies are of a row of cores with its edges on real tensors, shared out likewise.",
]
_SYSTEM_NOTE = (
    "Arrays: operands always ready, cycles as the tile's schedule has them. Chip: the rest of the paper's chip, and "
    "its shares of memory energy, around arrays as measured here. Co-processor: the system model of ours, HBM2 at 3.9 "
    "pJ per bit, buffers as 22 nm SRAM, a memory that answers in the next cycle.")
_AREA_NOTE = (
    "Models: linear layers alone, a batch of one sequence; arrays of at most the area of the baseline's, columns in "
    "whole tails, operands always ready. Time: outputs taken as they come; one a cycle: as the tile has them. Energy: "
    "of the arrays.")


def assemble(name: str, plan: SuitePlan, workloads: Sequence[Workload], *, areas: Bench, energies: Bench,
             flat: Bench) -> SuiteRecord:
    """The record of suite ``name``: its plan's units, the workloads on those that were measured, and what failed."""
    units = plan.rows(areas, energies, flat)
    tables: dict[str, Any] = {}
    if isinstance(plan.suite.system, EqualArea):
        tables["equal_area"], missing = equal_area_rows(plan.suite, plan.suite.system, plan.units, units)
        note = _AREA_NOTE
    else:
        tables["system"], missing = system_rows(plan.suite, plan.suite.system, plan.units, units, workloads)
        note = _SYSTEM_NOTE
    failures = sorted({failure for bench in (areas, energies, flat) for row in bench.rows for failure in row.failures})
    made = energies.provenance
    return SuiteRecord(suite=name, title=plan.suite.title, units=units, **tables,
                       failures=[*failures, *missing],
                       provenance=made.model_copy(update={"notes": [*made.notes, *_NOTES, note]}))
