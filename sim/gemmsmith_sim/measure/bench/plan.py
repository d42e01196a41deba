"""A benchmark run: units × flows → rows."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gemmsmith

from ..tools import find_tool
from . import steps
from .flows import Flow
from .jobs import Job, Outcome, run_jobs
from .record import Bench, Energy, Error, Provenance, Relative, Row
from .unit import Unit

__all__ = ["Plan", "local_executor", "run"]

_NOTES = (
    "Pre-layout: cells as the mapper makes them. Only Fmax of FPGAs is after place and route, the median over the "
    "seeds, none retried; Fmax of ASICs is static timing without wires.",
    "Everything comes from open tools and these scripts. Read ratios first: absolute µm², MHz and fJ depend on the "
    "library, the tools' versions and the script.",
    "MACs per cycle is the peak with ideal operand supply. Area of FPGAs leaves DSP and RAM blocks out.",
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be measured.

    Parameters
    ----------
    units: each on every flow. baseline: the unit (one of them, by name) that ratios are relative to, or None.
    perplexity_tokens: tokens of the shipped text for the perplexity; 0 leaves it out.
    """

    units: Sequence[Unit]
    flows: Sequence[Flow]
    baseline: str | None
    perplexity_tokens: int = 0

    def jobs(self) -> list[Job]:
        """Every job once. Long ones come first, so that the last to end is a short one."""
        jobs: dict[str, Job] = {}
        for unit in self.units:
            own = [Job(unit.emission, steps.EMIT, {"config": unit.config.model_dump()})]
            own += [job for flow in self.flows for job in flow.jobs(unit)]
            own += self._scheme_jobs(unit.config.scheme)
            own += unit.system_jobs()
            jobs |= {job.name: job for job in own}
        return list(jobs.values())

    def _scheme_jobs(self, scheme: str) -> list[Job]:
        jobs = [Job(f"error of {scheme}", steps.ERROR, {"scheme": scheme})]
        if self.perplexity_tokens:
            jobs.append(Job(f"perplexity of {scheme}", steps.PERPLEXITY,
                            {"scheme": scheme, "tokens": self.perplexity_tokens}))
        return jobs

    def bench(self, outcomes: Mapping[str, Outcome]) -> Bench:
        """The record of what came out."""
        rows = [self._row(unit, flow, outcomes) for flow in self.flows for unit in self.units]
        baselines = {(row.level, row.target, row.variant): row for row in rows if row.unit == self.baseline}
        rows = [row.model_copy(update={"relative": _relative(row, baselines.get((row.level, row.target, row.variant)))})
                for row in rows]
        tools = sorted({tool for job in self.jobs() for tool in job.step.tools})
        scripts = {flow.title: script for flow in reversed(self.flows) for unit in reversed(self.units)
                   if (script := flow.fields(unit, outcomes).get("script"))}
        return Bench(baseline=self.baseline, rows=rows, provenance=Provenance(
            gemmsmith=gemmsmith.__version__, tools={tool: find_tool(tool).version or "missing" for tool in tools},
            scripts=dict(sorted(scripts.items())), seeds=sorted({seed for flow in self.flows for seed in flow.seeds}),
            notes=[*_NOTES, *(note for flow in self.flows for note in flow.notes)], tensors=self._tensors()))

    def _tensors(self) -> str:
        text = "linear layers of the shipped model (0.8 M parameters) reading its held-out text"
        if self.perplexity_tokens:
            text += f"; perplexity over the first {self.perplexity_tokens} tokens of it, windows of 128"
        return text

    def _row(self, unit: Unit, flow: Flow, outcomes: Mapping[str, Outcome]) -> Row:
        config = unit.config
        error = outcomes[f"error of {config.scheme}"].value
        perplexity = outcomes.get(f"perplexity of {config.scheme}", Outcome()).value
        fields = flow.fields(unit, outcomes)
        relevant = [unit.emission, *(job.name for job in flow.jobs(unit)),
                    *(job.name for job in self._scheme_jobs(config.scheme))]
        failures = {outcomes[name].failure: f"{name}: {outcomes[name].failure}" for name in relevant
                    if outcomes[name].failure}
        return Row(unit=unit.text, scheme=config.scheme, level=config.level, options=config.options, rows=config.rows,
                   cols=config.cols, target=flow.target, variant=flow.variant, macs_per_cycle=unit.macs_per_cycle,
                   latency_cycles=unit.latency, error=Error(**error) if error else None, perplexity=perplexity,
                   gemm_cycles=unit.system_cycles(outcomes), failures=list(failures.values()), **fields)
