"""From the rows of a suite's benchmarks to its record."""

from __future__ import annotations

from collections.abc import Sequence

from ..bench.record import Bench
from .plan import SuitePlan
from .record import SuiteRecord
from .system import system_rows
from .workload import Workload

__all__ = ["assemble"]

_NOTES = (
    "Every part of a row of cores is mapped by itself; a core is charged its share of the tail, of the row edge (over "
    "the columns), of the column edge, feeder, drain and memory of waiting tail operands (over the rows). Register "
    "slices of the streams, buffers and the bus are left out, as they are the same for all.",
    "Ratios are at equal clock. Energies are of a row of cores with its edges on real tensors, shared out likewise.",
    "Arrays: operands always ready, cycles as the tile's schedule has them. Chip: the rest of the paper's chip, and "
    "its shares of memory energy, around arrays as measured here. Co-processor: the system model of ours, HBM2 at 3.9 "
    "pJ per bit, buffers as 22 nm SRAM, a memory that answers in the next cycle.",
)


def assemble(name: str, plan: SuitePlan, workloads: Sequence[Workload], *, areas: Bench, energies: Bench,
             flat: Bench) -> SuiteRecord:
    """The record of suite ``name``: its plan's units, the workloads on those that were measured, and what failed."""
    units = plan.rows(areas, energies, flat)
    system, missing = system_rows(plan.suite, plan.units, units, workloads)
    failures = sorted({failure for bench in (areas, energies, flat) for row in bench.rows for failure in row.failures})
    made = energies.provenance
    return SuiteRecord(suite=name, title=plan.suite.title, units=units, system=system, failures=[*failures, *missing],
                       provenance=made.model_copy(update={"notes": [*made.notes, *_NOTES]}))
