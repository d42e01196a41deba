"""Flows: from a unit's Verilog to the figures of one target with one script."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import energy
from ..asic import STYLES
from ..gates.words import WORD
from ..liberty import named
from ..liberty.gating import MIN_REGISTERS, clock_gate_cell
from ..routers import ROUTERS
from ..targets import get_target
from . import steps
from .jobs import Job, Outcome
from .record import ASIC
from .unit import Unit

__all__ = ["AsicFlow", "Flow", "FpgaFlow"]

Json = Any

_GATED = "-gated"
"""What the variant of a script with clock gates ends with."""
STREAMS = 512
"""Streams of operands that energy is measured on: lanes of the simulation times cores, as far as a word of lanes
allows."""


class Flow(ABC):
    """One target with one script.

    Members
    -------
    target, variant: as in `Row`. seeds: of the placer. apart: patterns of modules that are mapped each by itself.
    notes: what is to be said of the figures.
    """

    target: str
    variant: str
    seeds: tuple[int, ...] = ()
    apart: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return f"{self.target}/{self.variant}{', parts apart' if self.apart else ''}"

    def name(self, unit: Unit, what: str) -> str:
        """Name of a job of this flow."""
        return f"{what} {unit.title} on {self.title}"

    def emission(self, unit: Unit) -> Job:
        """The job that writes a unit's Verilog."""
        return Job(unit.emission, steps.EMIT, {"config": unit.config.model_dump()})

    @abstractmethod
    def jobs(self, unit: Unit) -> list[Job]:
        """What measures a unit, its emission included."""

    @abstractmethod
    def fields(self, unit: Unit, outcomes: Mapping[str, Outcome]) -> dict[str, Json]:
        """The fields of the unit's row, and ``script``; those that failed are left out."""


@dataclass(frozen=True, kw_only=True)
class FpgaFlow(Flow):
    """Synthesis for an FPGA family, then place and route with each of ``seeds`` where there is a router."""

    target: str
    variant: str
    seeds: tuple[int, ...]
    apart: tuple[str, ...] = ()

    @classmethod
    def variants(cls, target: str, *, dsp: Sequence[bool], seeds: Sequence[int],
                 apart: Sequence[str] = ()) -> list[FpgaFlow]:
        """A flow for each of ``dsp``; ``apart``: patterns of modules that are synthesised each by itself.

        Raises ``ValueError`` if there is no such target.
        """
        get_target(target)
        return [cls(target=target, variant="dsp" if choice else "no-dsp",
                    seeds=tuple(seeds) if target in ROUTERS else (), apart=tuple(apart)) for choice in dsp]

    def jobs(self, unit: Unit) -> list[Job]:
        emission = self.emission(unit)
        synth = Job(self.name(unit, "synthesise"), steps.SYNTHESIZE,
                    {"target": self.target, "dsp": self.variant == "dsp", "apart": list(self.apart)},
                    {"verilog": emission.name})
        if not self.seeds:
            return [emission, synth]
        need = {"synthesis": synth.name}
        placings = [Job(f"{self.name(unit, 'place')}, seed {seed}", steps.place_seed_step(self.target),
                        {"target": self.target, "seed": seed}, need) for seed in self.seeds]
        summary = Job(self.name(unit, "sum up"), steps.place_step(self.target),
                      {"target": self.target, "seeds": list(self.seeds)},
                      {**need, "fmax": [job.name for job in placings]})
        return [emission, synth, *placings, summary]

    def fields(self, unit: Unit, outcomes: Mapping[str, Outcome]) -> dict[str, Json]:
        synth = outcomes[self.name(unit, "synthesise")].value
        placed = outcomes.get(self.name(unit, "sum up"), Outcome()).value
        fields: dict[str, Json] = {}
        if synth:
            fields |= {key: synth[key] for key in ("cells", "counts", "eq", "modules", "script")}
        if placed:
            fields |= {"fmax_mhz": placed, "critical_path": placed["path"], "critical_path_ns": 1000 / placed["median"],
                       "script": f"{fields['script']}{placed['script']}\n"}
        return fields


@dataclass(frozen=True, kw_only=True)
class AsicFlow(Flow):
    """Mapping to a standard-cell library by one of the fixed scripts, static timing, energy on real tensors.

    ``variant`` is the script's name, with ``-gated`` behind it if registers that share an enable get clock gates.
    """

    target: str
    variant: str
    library: str
    files: tuple[Path, ...]
    sha256: str
    energy: bool
    glitches: bool
    apart: tuple[str, ...] = ()
    notes: tuple[str, ...] = (
        "ASIC: no wires. Energy is from the mapped netlist under real tensors (its outputs equalled the golden "
        "model): ½CV² of pins + internal + clock pins of flip-flops + leakage; no clock tree, no memories.",)

    @classmethod
    def styles(cls, library: str, *, files: Sequence[Path], energy: bool, glitches: bool,
               clock_gating: Sequence[bool] = (False,), apart: Sequence[str] = ()) -> list[AsicFlow]:
        """A flow for each script, without and with clock gates as ``clock_gating`` says; ``apart``: patterns of modules
        that are mapped each by itself.

        Raises ``ValueError`` or ``ToolError`` if the library cannot be had, or has no clock gate and needs one.
        """
        cells = named.library(library, liberty=files)
        flows = []
        for gated in clock_gating:
            ending, notes = (_GATED, (*cls.notes, _note(clock_gate_cell(cells).name))) if gated else ("", cls.notes)
            flows += [cls(target=f"{ASIC}{library}", variant=f"{style}{ending}", library=library, files=tuple(files),
                          sha256=cells.sha256, energy=energy, glitches=glitches, apart=tuple(apart), notes=notes)
                      for style in STYLES]
        return flows

    def emission(self, unit: Unit) -> Job:
        """With the leaf structures of standard cells, whatever the unit was built for."""
        config = unit.config.model_copy(update={"target": "asic"})
        return Job(f"{unit.emission} for standard cells", steps.EMIT, {"config": config.model_dump()})

    def jobs(self, unit: Unit) -> list[Job]:
        library = {"name": self.library, "files": [str(file) for file in self.files], "sha256": self.sha256}
        emission = self.emission(unit)
        mapping = Job(self.name(unit, "map"), steps.MAP,
                      {"library": library, "style": self.variant.removesuffix(_GATED),
                       "clock_gating": self.variant.endswith(_GATED), "apart": list(self.apart)},
                      {"verilog": emission.name})
        need = {"mapped": mapping.name}
        jobs = [emission, mapping, Job(self.name(unit, "time"), steps.TIME, {"library": library}, need)]
        if self.energy and unit.level in energy.LEVELS:
            jobs.append(Job(self.name(unit, "energy of"), steps.ENERGY,
                            {"library": library, **emission.arguments, "glitches": self.glitches,
                             "lanes": max(WORD, STREAMS // (unit.config.rows * unit.config.cols))}, need))
        return jobs

    def fields(self, unit: Unit, outcomes: Mapping[str, Outcome]) -> dict[str, Json]:
        mapped = outcomes[self.name(unit, "map")].value
        timing = outcomes[self.name(unit, "time")].value
        fields: dict[str, Json] = {}
        if mapped:
            fields |= {key: mapped[key] for key in ("cells", "area_um2", "modules", "script")}
        if timing:
            one = timing["fmax_mhz"]
            fields |= {"critical_path_ns": timing["critical_path_ns"], "critical_path": timing["path"],
                       "fmax_mhz": {"median": one, "q1": one, "q3": one}}
        return {**fields, "energy": outcomes.get(self.name(unit, "energy of"), Outcome()).value}


def _note(cell: str) -> str:
    return (f"Variants {_GATED}: registers that share an enable, where there are at least {MIN_REGISTERS}, stand "
            f"behind a clock gate ({cell}); its area, its own energy and the cycles that it stops count. Gated clocks "
            "are ideal, too.")
