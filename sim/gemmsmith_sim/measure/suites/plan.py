"""Which builds a suite measures, and what becomes of their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from gemmsmith.schemes import Cadence

from ..bench.flows import AsicFlow, Flow
from ..bench.plan import Plan
from ..bench.record import Bench, Row
from ..bench.unit import Unit
from .record import PeRow
from .share import ArrayShare, array_share, module_costs
from .suite import PaperUnit, Suite, SuiteUnit

__all__ = ["SuitePlan"]


@dataclass(frozen=True, kw_only=True)
class SuitePlan:
    """Units of a suite on some flows, each of which maps parts by themselves.

    First the area of every share of a tail that never stalls (`areas`), and a small row of cores once more as one
    module (`flat`), which tells what the composition leaves out; then the energy of the best shares (`energies`).
    """

    suite: Suite
    units: Sequence[SuiteUnit]
    flows: Sequence[Flow]

    def check(self) -> None:
        """Raises ``ValueError`` for a unit that is no build: its scheme is not there, say."""
        for unit in self.units:
            for flow in self.flows:
                self.shares(unit, flow)

    def shares(self, unit: SuiteUnit, flow: Flow) -> list[int]:
        """Cores behind one tail, powers of two, such that no core ever waits for it; one if every share waits."""
        build = unit.build(flow.target, 1)
        try:
            pe = build.config.element()
        except ValueError as error:
            raise ValueError(f"unit {unit.name} of the suite: {error}") from None
        beats = pe.beats(pe.mode) * (pe.groups(self.suite.k) if pe.result is Cadence.BLOCK else 1)
        powers = [1 << i for i in range(self.suite.cols.bit_length()) if self.suite.cols % (1 << i) == 0]
        return [n for n in powers if pe.result_interval(n) <= beats] or [1]

    def areas(self) -> list[Plan]:
        """Every share of every unit, areas and timing only."""
        return [_plan([unit.build(flow.target, n) for unit in self.units for n in self.shares(unit, flow)],
                      _without_energy(flow)) for flow in self.flows]

    def energies(self, areas: Bench) -> list[Plan]:
        """The best share of every unit, with energy where the flow has it."""
        return [_plan(self._best(areas, flow), flow) for flow in self.flows]

    def flat(self) -> list[Plan]:
        """Rows of two cores, one if a tail serves no more, without parts."""
        return [_plan([unit.build(flow.target, self._few(unit, flow)) for unit in self.units],
                      replace(_without_energy(flow), apart=())) for flow in self.flows]

    def _few(self, unit: SuiteUnit, flow: Flow) -> int:
        return self.shares(unit, flow)[:2][-1]

    def rows(self, areas: Bench, energies: Bench, flat: Bench) -> list[PeRow]:
        """The table of units; those that could not be measured are left out."""
        rows = []
        for flow in self.flows:
            found = [row for unit in self.units if (row := self._row(unit, flow, areas, energies, flat))]
            bases = [row for name in self.suite.baselines for row in found if row.scheme == name]
            rows += [row.model_copy(update={"relative": {base.scheme: self._relative(row, base) for base in bases}})
                     for row in found]
        return rows

    def _best(self, areas: Bench, flow: Flow) -> list[Unit]:
        return [unit.build(flow.target, min(found, key=found.__getitem__)) for unit in self.units
                if (found := self._by_share(areas, unit, flow))]

    def _by_share(self, areas: Bench, unit: SuiteUnit, flow: Flow) -> dict[int, float]:
        """Cores behind a tail → area of a core, of what was measured."""
        rows = {n: _find(areas, unit.build(flow.target, n), flow) for n in self.shares(unit, flow)}
        return {n: self._share(module_costs(row.modules), n).total for n, row in rows.items() if row and row.modules}

    def _share(self, costs: Mapping[str, float], cores: int) -> ArrayShare:
        return array_share(costs, cores=cores, rows=self.suite.rows, cols=self.suite.cols)

    def _row(self, unit: SuiteUnit, flow: Flow, areas: Bench, energies: Bench, flat: Bench) -> PeRow | None:
        by_share = self._by_share(areas, unit, flow)
        n = min(by_share, key=by_share.__getitem__, default=1)
        build = unit.build(flow.target, n)
        area, energy = _find(areas, build, flow), _find(energies, build, flow)
        if area is None or area.modules is None or area.area is None:
            return None
        # Energies are per MAC of all cores, shares of one core.
        spent = self._share(energy.energy.by_module, n).scaled(n) if energy and energy.energy else None
        return PeRow(name=unit.name, scheme=unit.scheme, target=flow.target, variant=flow.variant, share=n,
                     macs_per_cycle=build.macs_per_cycle / n, fmax_mhz=area.fmax_mhz.median if area.fmax_mhz else None,
                     area=asdict(self._share(module_costs(area.modules), n)), by_share=by_share,
                     apart_to_flat=self._apart_to_flat(unit, flow, areas, flat), paper=unit.paper,
                     energy=asdict(spent) if spent else {})

    def _apart_to_flat(self, unit: SuiteUnit, flow: Flow, areas: Bench, flat: Bench) -> float | None:
        build = unit.build(flow.target, self._few(unit, flow))
        one, other = _find(areas, build, flow), _find(flat, build, flow)
        return one.area / other.area if one and other and one.area and other.area else None

    def _relative(self, row: PeRow, base: PeRow) -> PaperUnit:
        """As the paper gives it; a unit of variable precision counts as one of so many MACs per cycle."""
        unit = next(unit for unit in self.units if unit.scheme == row.scheme)
        macs = unit.counts_as or row.macs_per_cycle
        energies = row.energy_per_mac, base.energy_per_mac
        energy = energies[0] / energies[1] if energies[0] and energies[1] else None
        return PaperUnit(area=row.core_area / (macs * base.area_per_mac),
                         power=energy and energy * row.macs_per_cycle / macs,
                         area_efficiency=base.area_per_mac / row.area_per_mac,
                         energy_efficiency=energy and 1 / energy)


def _plan(builds: Sequence[Unit], flow: Flow) -> Plan:
    return Plan(units=builds, flows=[flow], baseline=None)


def _without_energy(flow: Flow) -> Any:
    return replace(flow, energy=False) if isinstance(flow, AsicFlow) else flow


def _find(bench: Bench, build: Unit, flow: Flow) -> Row | None:
    return bench.row((build.text, build.level, flow.target, flow.variant))
