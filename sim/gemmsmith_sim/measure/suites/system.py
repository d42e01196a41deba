"""Models on whole arrays, and on whole co-processors, relative to arrays of a baseline."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import NamedTuple

from gemmsmith.emit import BuildConfig
from gemmsmith.pe import ProcessingElement
from gemmsmith.tile.row import SLOTS

from ..bench.unit import Unit
from ..system import SystemCost, cost
from .record import PeRow, SystemRow
from .suite import Published, Suite, SuiteUnit, System
from .workload import Product, Workload

__all__ = ["Machine", "pace", "system_rows"]


@dataclass(frozen=True)
class Machine:
    """An array that computes each module of a model with a unit of the suite.

    Parameters
    ----------
    units, costs: module → unit of the suite, and its measured row; all are one hardware in different modes.
    rows, cols, share: of the array; the share stalls in no mode.
    """

    units: Mapping[str, SuiteUnit]
    costs: Mapping[str, PeRow]
    rows: int
    cols: int
    share: int

    @property
    def area(self) -> float:
        """Of all cores with their shares of everything. The hardware is the same whatever the mode."""
        row = next(iter(self.costs.values()))
        return self.rows * self.cols * row.by_share.get(self.share, row.core_area)

    def element(self, module: str, target: str) -> ProcessingElement:
        """The processing element in the module's mode."""
        return _resolved(self.units[module].build(target, self.share)).element()

    def config(self, module: str, target: str, choices: Mapping[str, str]) -> BuildConfig:
        """The co-processor around the array, in the module's mode."""
        build = _resolved(self.units[module].build(target, self.share))
        chosen = {**build.options, **choices, "rows": self.rows, "cols": self.cols, "tail_share": self.share,
                  "target": build.target, "level": "coprocessor"}
        return _coprocessor(build.scheme, tuple((key, str(value)) for key, value in chosen.items()))

    def cycles(self, products: Sequence[Product], tokens: int, target: str, *, drained: bool = True) -> float:
        """Of all products on the array alone, operands always ready, the next one's blocks behind the last one's.

        Outputs leave one a cycle, or, if not ``drained``, as fast as they come.
        """
        total = 0.0
        for p in products:
            pe = self.element(p.module, target)
            groups, rows = pe.groups(p.k), min(tokens, self.rows)
            block = (pace(pe, groups, rows, self.cols, self.share) if drained
                     else pe.schedule(groups=groups, mode=pe.mode, share=self.share).block)
            total += p.count * ceil(tokens / self.rows) * ceil(p.n / self.cols) * block
        return total

    def energy(self, products: Sequence[Product]) -> float | None:
        """fJ of the array for one token; None if a module's was not measured."""
        total = 0.0
        for p in products:
            one = self.costs[p.module].energy_per_mac
            if one is None:
                return None
            total += p.n * p.k * p.count * one
        return total

    def built(self, products: Sequence[Product], tokens: int, target: str, choices: Mapping[str, str]) -> _Built:
        """All products on the co-processor, by the system model."""
        cycles, energy = 0, 0.0
        for p in products:
            spent = _cost(self.config(p.module, target, choices).to_json(), tokens, p.n, p.k)
            cycles += p.count * spent.cycles
            mac = self.costs[p.module].energy_per_mac or 0.0
            energy += p.count * (spent.dram + spent.sram + spent.worked * mac / 1000)
        return _Built(cycles, energy if self.energy(products) is not None else None)


def pace(pe: ProcessingElement, groups: int, rows: int, cols: int, share: int) -> float:
    """Cycles from a block of ``groups`` groups to the next: those of the schedule, or of the outputs, which leave one a
    cycle; or, as there are two result slots, half of all that happens before a slot is free again."""
    schedule, outputs = pe.schedule(groups=groups, mode=pe.mode, share=share), rows * cols
    step = max(schedule.beats, schedule.interval if schedule.per_group else 0)
    last_beat = schedule.warmup + schedule.beats + (groups - 1) * step
    # The schedule allows every core behind a tail a whole interval; the last one needs a cycle for each word.
    complete = last_beat + schedule.flush - pe.tail_interval + pe.result_words
    return max(schedule.block, outputs, (complete + outputs) / SLOTS)


@cache
def _resolved(unit: Unit) -> BuildConfig:
    return unit.config


@cache
def _coprocessor(scheme: str, choices: tuple[tuple[str, str], ...]) -> BuildConfig:
    return BuildConfig.resolve(scheme, dict(choices))


@cache
def _cost(config: str, m: int, n: int, k: int) -> SystemCost:
    """By the text of the co-processor's configuration; without the array's energy."""
    return cost(BuildConfig(**json.loads(config)), m=m, n=n, k=k)


class _Built(NamedTuple):
    cycles: int
    energy: float | None


def system_rows(suite: Suite, system: System, units: Sequence[SuiteUnit], rows: Sequence[PeRow],
                workloads: Sequence[Workload]) -> tuple[list[SystemRow], list[str]]:
    """The table of workloads on every target and variant of ``rows``, against each baseline among them; and what is
    missing in it, and why."""
    found: list[SystemRow] = []
    missing: list[str] = []
    for target, variant in dict.fromkeys((row.target, row.variant) for row in rows):
        measured = {row.scheme: row for row in rows if (row.target, row.variant) == (target, variant)}
        table = _Table(suite, system, {unit.scheme: unit for unit in units}, measured, target, variant)
        for workload in workloads:
            lacking = sorted({scheme for scheme in table.schemes(workload).values() if scheme not in measured})
            if lacking:
                missing.append(f"{workload.model} at {workload.label} on {target}/{variant}: {', '.join(lacking)} "
                               "was not measured")
                continue
            found += [row for name in suite.baselines if name in measured for row in table.rows(workload, name)]
    return found, missing


@dataclass(frozen=True)
class _Table:
    """One target with one script."""

    suite: Suite
    system: System
    units: Mapping[str, SuiteUnit]
    measured: Mapping[str, PeRow]
    target: str
    variant: str

    def schemes(self, workload: Workload) -> dict[str, str]:
        """Module → scheme of its length."""
        return {module: f"{self.system.variable}-m{length}" for module, length in workload.lengths.items()}

    def rows(self, workload: Workload, baseline: str) -> Iterator[SystemRow]:
        """The variable machine, and every fixed one, against one baseline."""
        chosen = self.schemes(workload)
        share = min(workload.cols, *(self.measured[scheme].share for scheme in chosen.values()))
        variable = Machine({module: self.units[scheme] for module, scheme in chosen.items()},
                           {module: self.measured[scheme] for module, scheme in chosen.items()},
                           workload.rows, workload.cols, share)
        base = self._fixed(workload, baseline)
        yield self._row(workload, baseline, base, variable, chosen, workload.label)
        if workload.label != next(iter(self.system.losses)):
            return  # once for each model of the paper
        for scheme, row in self.measured.items():
            if scheme != baseline and not scheme.startswith(f"{self.system.variable}-"):
                yield self._row(workload, baseline, base, self._fixed(workload, scheme),
                                dict.fromkeys(workload.lengths, scheme), row.name)

    def _fixed(self, workload: Workload, scheme: str) -> Machine:
        """One unit for all modules, in an array of the throughput that the suite gives fixed precision."""
        cores = workload.rows * workload.cols
        macs = self.system.throughput * cores / (self.suite.rows * self.suite.cols)
        row = self.measured[scheme]
        doublings = max(0, int(macs / row.macs_per_cycle).bit_length() - 1)
        rows = 1 << doublings // 2
        cols = (1 << doublings) // rows
        return Machine(dict.fromkeys(workload.lengths, self.units[scheme]), dict.fromkeys(workload.lengths, row),
                       rows, cols, min(row.share, cols))

    def _row(self, workload: Workload, baseline: str, base: Machine, machine: Machine, schemes: Mapping[str, str],
             label: str) -> SystemRow:
        chip, energy, choices = self.system.chip, self.system.energy, self.system.choices
        products, tokens, target = workload.products(), workload.tokens, self.target
        speedups = [base.cycles(products, m, target) / machine.cycles(products, m, target) for m in (tokens, 1)]
        area = machine.area / base.area
        spent, least = machine.energy(products), base.energy(products)
        power = spent / least if spent is not None and least else None
        mine, theirs = (one.built(products, tokens, target, choices) for one in (machine, base))
        decode = base.built(products, 1, target, choices).cycles / machine.built(products, 1, target, choices).cycles
        varies = schemes[next(iter(schemes))].startswith(f"{self.system.variable}-")
        memory = energy.memory_variable if varies else energy.memory
        return SystemRow(
            model=workload.model, label=label, target=target, variant=self.variant, baseline=baseline,
            schemes=dict(schemes), tokens=tokens, bit_operations=workload.reduction() if varies else None,
            speedup=speedups[0], speedup_decode=speedups[1], area=speedups[0] / area,
            area_chip=speedups[0] * (1 + chip.rest_to_baseline) / (area + chip.rest_to_baseline),
            energy=power and 1 / power,
            energy_chip=power and (energy.array + energy.memory) / (energy.array * power + memory),
            built_speedup=theirs.cycles / mine.cycles, built_speedup_decode=decode,
            built_energy=theirs.energy / mine.energy if theirs.energy and mine.energy else None,
            paper=workload.paper if varies else self._published(schemes))

    def _published(self, schemes: Mapping[str, str]) -> Published | None:
        return self.units[next(iter(schemes.values()))].system
