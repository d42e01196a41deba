"""A benchmark run: units × flows → rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gemmsmith

from ..tools import find_tool
from . import steps
from .flows import Flow
from .jobs import Job, Outcome
from .record import Bench, Error, Provenance, Relative, Row
from .unit import Unit

__all__ = ["Plan"]

_NOTES = (
    "Pre-layout: cells as the mapper makes them. Only Fmax of FPGAs is after place and route, the median over the "
    "seeds, none retried; Fmax of ASICs is static timing without wires.",
    "Everything comes from open tools and these scripts. Read ratios first: absolute µm², MHz and fJ depend on the "
    "library, the tools' versions and the script.",
    "MACs per cycle is the peak with ideal operand supply. Area of FPGAs leaves DSP and RAM blocks out. Cycles of "
    "whole products are those of the system model, with a memory that answers in the next cycle.",
)


GEMMS = ((64, 512, 512), (1, 512, 512))
"""Prefill and decode of a small layer."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be measured.

    Parameters
    ----------
    units: each on every flow. baseline: the unit (one of them, by name) that ratios are relative to, or None.
    perplexity_tokens: tokens of the shipped text for the perplexity; 0 leaves it out.
    gemms: (m, n, k) of the products whose cycles are told of co-processors.
    """

    units: Sequence[Unit]
    flows: Sequence[Flow]
    baseline: str | None
    perplexity_tokens: int = 0
    gemms: Sequence[tuple[int, int, int]] = GEMMS

    def jobs(self) -> list[Job]:
        """Every job once."""
        own = [job for unit in self.units for job in self._unit_jobs(unit)]
        measured = [job for flow in self.flows for unit in self.units for job in flow.jobs(unit)]
        return list({job.name: job for job in [*own, *measured]}.values())

    def _unit_jobs(self, unit: Unit) -> list[Job]:
        """What is asked of a unit whatever the target."""
        config, scheme = unit.config.model_dump(), unit.config.scheme
        jobs = [Job(_error(unit), steps.ERROR, {"scheme": scheme})]
        if self.perplexity_tokens:
            jobs.append(Job(_perplexity(unit), steps.PERPLEXITY, {"scheme": scheme, "tokens": self.perplexity_tokens}))
        if unit.level == "coprocessor":
            jobs += [Job(_cycles(unit, gemm), steps.COST, {"config": config, **dict(zip("mnk", gemm, strict=True))})
                     for gemm in self.gemms]
        return jobs

    def bench(self, outcomes: Mapping[str, Outcome]) -> Bench:
        """The record of what came out."""
        rows = []
        scripts: dict[str, str] = {}
        for flow in self.flows:
            for unit in self.units:
                fields = flow.fields(unit, outcomes)
                if script := fields.pop("script", ""):
                    scripts.setdefault(flow.title, script)
                rows.append(self._row(unit, flow, outcomes, fields))
        baselines = {(row.level, row.target, row.variant): row for row in rows if row.unit == self.baseline}
        rows = [row.model_copy(update={"relative": _relative(row, baselines.get((row.level, row.target, row.variant)))})
                for row in rows]
        tools = sorted({tool for job in self.jobs() for tool in job.step.tools})
        return Bench(baseline=self.baseline, rows=rows, provenance=Provenance(
            gemmsmith=gemmsmith.__version__, tools={tool: find_tool(tool).version or "missing" for tool in tools},
            scripts=dict(sorted(scripts.items())), seeds=sorted({seed for flow in self.flows for seed in flow.seeds}),
            notes=list(dict.fromkeys([*_NOTES, *(note for flow in self.flows for note in flow.notes)])),
            tensors=self._tensors()))

    def _tensors(self) -> str:
        text = "linear layers of the shipped model (0.8 M parameters) reading its held-out text"
        if self.perplexity_tokens:
            text += f"; perplexity over the first {self.perplexity_tokens} tokens of it, windows of 128"
        return text

    def _row(self, unit: Unit, flow: Flow, outcomes: Mapping[str, Outcome], fields: Mapping[str, Any]) -> Row:
        config = unit.config
        error = outcomes[_error(unit)].value
        cycles = {gemm: outcomes[name].value for gemm in self.gemms if (name := _cycles(unit, gemm)) in outcomes}
        # By reason: what failed first is told, not what needed it.
        jobs = [*flow.jobs(unit), *self._unit_jobs(unit)]
        failures = {outcomes[job.name].failure: job.name for job in reversed(jobs)}
        return Row(unit=unit.text, scheme=config.scheme, level=config.level, options=config.options, rows=config.rows,
                   cols=config.cols, target=flow.target, variant=flow.variant, macs_per_cycle=unit.macs_per_cycle,
                   latency_cycles=unit.latency, error=Error(**error) if error else None,
                   perplexity=outcomes.get(_perplexity(unit), Outcome()).value,
                   gemm_cycles={"×".join(map(str, gemm)): value for gemm, value in cycles.items() if value},
                   failures=[f"{name}: {reason}" for reason, name in failures.items() if reason],
                   **fields)


def _error(unit: Unit) -> str:
    return f"error of {unit.config.scheme}"


def _perplexity(unit: Unit) -> str:
    return f"perplexity of {unit.config.scheme}"


def _cycles(unit: Unit, gemm: tuple[int, int, int]) -> str:
    return f"cycles of {unit.title}, {'×'.join(map(str, gemm))}"


def _relative(row: Row, base: Row | None) -> Relative:
    """Ratios to the baseline's row, where both were measured."""
    if base is None:
        return Relative()
    return Relative(area_per_throughput=_ratio(row.area_per_throughput, base.area_per_throughput),
                    energy_per_mac=_ratio(row.fj_per_mac, base.fj_per_mac),
                    time_per_mac=_ratio(base.throughput, row.throughput))


def _ratio(value: float | None, base: float | None) -> float | None:
    return value / base if value is not None and base else None
