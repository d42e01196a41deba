"""Compare two benchmark runs: what changed, for better or worse, and whether a bound is broken."""

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from statistics import NormalDist
from typing import Any, Literal

from .record import Bench, Row

__all__ = ["METRICS", "Bound", "Change", "Comparison", "Figure", "compare", "figures", "parse_bounds",
           "resolved"]  # fmt: skip

METRICS = ("area", "ffs", "dsps", "brams", "cycles", "fmax", "energy", "error", "perplexity")
"""Names that bounds may use. ``cycles`` are those of whole products, the latency, and the inverse of the
multiply-accumulates per cycle; ``error`` is the RMS and the worst one. Of ``fmax`` more is better, else less."""

SIGNIFICANCE = 0.1
"""Two-sided. With three seeds a side it is reached where all of one side lie above all of the other."""

Verdict = Literal["better", "worse", "same", "not resolved", "new", "gone"]


@dataclass(frozen=True)
class Figure:
    """One number of a row."""

    metric: str
    """One of `METRICS`, or another that has no bounds."""
    label: str
    """Unique within the row."""
    unit: str
    value: float
    more_is_better: bool = False
    samples: tuple[float, ...] = ()
    """One value a placer seed; empty where the figure does not scatter."""


@dataclass(frozen=True)
class Bound:
    """The worst change of a metric that is allowed, in percent."""

    metric: str
    percent: float

    def broken_by(self, change: "Change") -> bool:
        """Whether a change exceeds the bound. A figure that is gone does; one that is new or not resolved does not."""
        if change.metric != self.metric or change.verdict in ("new", "not resolved"):
            return False
        if change.verdict == "gone":
            return True
        percent = change.percent
        slack = 1e-9 * max(1.0, abs(self.percent))
        return percent < self.percent - slack if change.more_is_better else percent > self.percent + slack

    def __str__(self) -> str:
        return f"{self.metric}={self.percent:+g}%"


@dataclass(frozen=True)
class Change:
    """One figure in both runs."""

    unit: str
    level: str
    target: str
    variant: str
    metric: str
    label: str
    unit_of_value: str
    base: float | None
    head: float | None
    more_is_better: bool
    verdict: Verdict
    bounded: bool = True
    """Whether bounds apply; not to absolute figures that ratios to the baseline stand in for."""

    @property
    def percent(self) -> float:
        """Change from base to head; infinite from zero. NaN if a side has no figure."""
        if self.base is None or self.head is None:
            return math.nan
        if self.base == 0:
            return 0.0 if self.head == 0 else math.copysign(math.inf, self.head)
        return 100 * (self.head / self.base - 1)

    @property
    def where(self) -> str:
        return f"{self.label} of {self.unit} ({self.level}, {self.target}/{self.variant})"


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side."""

    changes: tuple[Change, ...]
    """Of the rows that both have, in the order of the head."""
    added: tuple[str, ...]
    removed: tuple[str, ...]
    differences: tuple[str, ...]
    """Of the provenance: where there are any, figures may differ for reasons other than the hardware."""
    broken: tuple[tuple[Bound, Change], ...]
    rows: int
    """How many were compared."""

    def count(self, verdict: Verdict) -> int:
        """Figures of this verdict."""
        return sum(change.verdict == verdict for change in self.changes)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; the percent of a change from zero is ``None``."""
        return {
            "rows": self.rows,
            "differences": list(self.differences),
            "added": list(self.added),
            "removed": list(self.removed),
            "changes": [_as_json(change) for change in self.changes],
            "broken": [{"bound": str(bound), **_as_json(change)} for bound, change in self.broken],
        }


def compare(base: Bench, head: Bench, bounds: Sequence[Bound] = ()) -> Comparison:
    """Compare the rows that have the same unit, level, target and variant.

    Frequencies after place and route are compared by `resolved`. Where the runs differ in tools, scripts, seeds or
    tensors, the ratios to each run's own baseline are compared too, and bounds on area and energy apply to those where
    both runs have them.
    """
    differences = _differences(base, head)
    old, new = ({row.identity: row for row in bench.rows} for bench in (base, head))
    changes = [change for key, row in new.items() if key in old
               for change in _changes(old[key], row, ratios=bool(differences))]  # fmt: skip
    return Comparison(
        changes=tuple(changes),
        added=tuple(_title(row) for key, row in new.items() if key not in old),
        removed=tuple(_title(row) for key, row in old.items() if key not in new),
        differences=tuple(differences),
        broken=tuple((bound, change) for bound in bounds for change in changes
                     if change.bounded and bound.broken_by(change)),
        rows=len(old.keys() & new.keys()),
    )  # fmt: skip


def parse_bounds(text: str) -> list[Bound]:
    """Bounds from ``"area=+2%,fmax=-5%"``; raises ``ValueError`` in one line for anything else."""
    bounds: dict[str, Bound] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\w+)\s*=\s*([+-]?\d+(?:\.\d+)?)%\s*", part)
        if not match:
            raise ValueError(f"bounds are written METRIC=+N%, with commas between (area=+2%,fmax=-5%), not {part!r}")
        metric = match[1]
        if metric not in METRICS:
            raise ValueError(f"a bound must be on one of {', '.join(METRICS)}, not {metric!r}")
        if metric in bounds:
            raise ValueError(f"{metric} has two bounds: {bounds[metric]} and {part.strip()}")
        bounds[metric] = Bound(metric, float(match[2]))
    return list(bounds.values())


def resolved(base: Sequence[float], head: Sequence[float]) -> bool:
    """Whether two samples differ by more than their scatter explains: rank-sum permutation test, two-sided, at 0.1.

    Exact up to 200 000 ways to split the pooled values, beyond that by the normal approximation. With three values a
    side all of one must lie above all of the other; with two or fewer nothing is resolved.
    """
    pooled = [*base, *head]
    ranks = [sum(other < value for other in pooled) + (sum(other == value for other in pooled) + 1) / 2
             for value in pooled]  # fmt: skip
    n, m = len(base), len(head)
    expected = n * (n + m + 1) / 2
    distance = abs(sum(ranks[:n]) - expected)
    if not n or not m or not distance:
        return False
    if math.comb(n + m, n) > 200_000:
        return 2 * NormalDist().cdf(-distance / math.sqrt(n * m * (n + m + 1) / 12)) <= SIGNIFICANCE
    as_far = sum(abs(sum(split) - expected) >= distance - 1e-9 for split in combinations(ranks, n))
    return as_far / math.comb(n + m, n) <= SIGNIFICANCE + 1e-9


def figures(row: Row) -> list[Figure]:
    """The numbers of a row that are compared; what was not measured is left out."""
    counts, energy, error, fmax = row.counts or {}, row.energy, row.error, row.fmax_mhz
    found: list[tuple[str, str, str, float | None]] = [
        ("area", "area", row.area_unit, row.area),
        *((kind, label, "", counts.get(kind)) for kind, label in _COUNTS.items()),
        *(("cycles", f"cycles, {shape}", "", cycles) for shape, cycles in row.gemm_cycles.items()),
        ("cycles", "latency", "cycles", row.latency_cycles),
        ("cycles", "cycles per MAC", "", 1 / row.macs_per_cycle),
        ("perplexity", "perplexity", "", row.perplexity),
    ]
    if energy is not None:
        found += [("energy", "energy per MAC", "fJ", energy.fj_per_mac_glitch),
                  ("energy", "energy per MAC, no glitches", "fJ", energy.fj_per_mac)]  # fmt: skip
    if error is not None:
        found += [("error", "error, relative RMS", "", error.relative_rms), ("error", "error, worst", "", error.worst)]
    result = [Figure(metric, label, unit, value) for metric, label, unit, value in found if value is not None]
    if fmax is not None:
        result.insert(1, Figure("fmax", "Fmax", "MHz", fmax.median, True, tuple(fmax.seeds.values())))
    return result


_COUNTS = {"ffs": "flip-flops", "dsps": "DSP blocks", "brams": "block RAMs"}


def _ratios(row: Row) -> list[Figure]:
    found = (("area", "area per throughput, ratio to the baseline", row.relative.area_per_throughput),
             ("energy", "energy per MAC, ratio to the baseline", row.relative.energy_per_mac),
             ("time", "time per MAC, ratio to the baseline", row.relative.time_per_mac))  # fmt: skip
    return [Figure(metric, label, "×", value) for metric, label, value in found if value is not None]


def _changes(base: Row, head: Row, *, ratios: bool) -> list[Change]:
    sides = [{figure.label: figure for figure in figures(row) + (_ratios(row) if ratios else [])}
             for row in (base, head)]  # fmt: skip
    replaced = {figure.metric for figure in _ratios(head)} & {figure.metric for figure in _ratios(base)}
    changes = []
    for label in dict.fromkeys((*sides[1], *sides[0])):
        old, new = (side.get(label) for side in sides)
        one = new or old
        assert one is not None
        changes.append(Change(
            *head.identity, metric=one.metric, label=label, unit_of_value=one.unit,
            base=old.value if old else None, head=new.value if new else None,
            more_is_better=one.more_is_better, verdict=_verdict(old, new),
            bounded=not ratios or one.unit == "×" or one.metric not in replaced))  # fmt: skip
    return changes


def _verdict(old: Figure | None, new: Figure | None) -> Verdict:
    if old is None or new is None:
        return "new" if old is None else "gone"
    if math.isclose(old.value, new.value, rel_tol=1e-9):
        return "same"
    if (old.samples or new.samples) and not resolved(old.samples, new.samples):
        return "not resolved"
    return "better" if (new.value > old.value) == new.more_is_better else "worse"


def _differences(base: Bench, head: Bench) -> list[str]:
    """Lines on what differs in how the runs were made."""
    a, b = base.provenance, head.provenance
    lines = [f"{name} {a.tools.get(name, 'missing')} and {b.tools.get(name, 'missing')}"
             for name in sorted({*a.tools, *b.tools}) if a.tools.get(name) != b.tools.get(name)]  # fmt: skip
    lines += [f"the script of {name}" for name in sorted(a.scripts.keys() & b.scripts.keys())
              if a.scripts[name] != b.scripts[name]]  # fmt: skip
    for what, old, new in (("seeds", a.seeds, b.seeds), ("tensors", a.tensors, b.tensors),
                           ("baseline", base.baseline, head.baseline)):  # fmt: skip
        if old != new:
            lines.append(f"{what} {old} and {new}")
    return lines


def _title(row: Row) -> str:
    return f"{row.unit} ({row.level}, {row.target}/{row.variant})"


def _as_json(change: Change) -> dict[str, Any]:
    percent = change.percent
    return {**asdict(change), "percent": percent if math.isfinite(percent) else None}
