"""Flows: from a unit's Verilog to the figures of one target with one script."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import steps
from .jobs import Job, Outcome
from .unit import Unit

__all__ = ["Flow", "FpgaFlow"]

Json = Any


class Flow(ABC):
    """One target with one script.

    Members
    -------
    target, variant: as in `Row`.
    """

    target: str
    variant: str

    @property
    def title(self) -> str:
        return f"{self.target}/{self.variant}"

    def name(self, unit: Unit, what: str) -> str:
        """Name of a job of this flow."""
        return f"{what} {unit.title} on {self.title}"

    @abstractmethod
    def jobs(self, unit: Unit) -> list[Job]:
        """What measures a unit, given its emission."""

    @abstractmethod
    def fields(self, unit: Unit, outcomes: Mapping[str, Outcome]) -> dict[str, Json]:
        """The fields of the unit's row, and ``script``; those that failed are left out."""


@dataclass(frozen=True, kw_only=True)
class FpgaFlow(Flow):
    """Synthesis for an FPGA family, then place and route with each of ``seeds`` where there is a router."""

    target: str
    dsp: bool
    seeds: tuple[int, ...]

    @property
    def variant(self) -> str:  # type: ignore[override]
        return "dsp" if self.dsp else "no-dsp"

    def jobs(self, unit: Unit) -> list[Job]:
        synth = Job(self.name(unit, "synthesise"), steps.SYNTHESIZE, {"target": self.target, "dsp": self.dsp},
                    {"verilog": unit.emission})
        router = steps.router(self.target)
        if router is None or not self.seeds:
            return [synth]
        need = {"synthesis": synth.name}
        seeds = [Job(f"{self.name(unit, 'place')}, seed {seed}", steps.place(router),
                     {"target": self.target, "seed": seed}, need) for seed in self.seeds]
        summary = Job(self.name(unit, "summarise"), steps.place_all(router),
                      {"target": self.target, "seeds": list(self.seeds)},
                      {**need, "fmax": [job.name for job in seeds]})
        return [synth, *seeds, summary]

    def fields(self, unit: Unit, outcomes: Mapping[str, Outcome]) -> dict[str, Json]:
        synth = outcomes[self.name(unit, "synthesise")].value
        placed = outcomes.get(self.name(unit, "summarise"))
        fields: dict[str, Json] = {}
        if synth:
            fields |= {key: synth[key] for key in ("cells", "counts", "eq", "modules", "script")}
        if placed and placed.value:
            fmax = placed.value
            fields |= {"fmax_mhz": fmax, "critical_path": fmax["path"], "critical_path_ns": 1000 / fmax["median"],
                       "script": f"{fields['script']}{fmax['script']}\n"}
        return fields
