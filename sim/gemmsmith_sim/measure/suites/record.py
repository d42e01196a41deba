"""What the run of a suite leaves behind: ``suite.json``."""

from __future__ import annotations

import json
from typing import Literal

from pydantic import Field

from ..bench.record import Provenance, _Record
from .suite import PaperUnit, Published, Relative

__all__ = ["SCHEMA", "EqualAreaRow", "PeRow", "SuiteRecord", "SystemRow"]

SCHEMA: Literal["gemmsmith-suite-1"] = "gemmsmith-suite-1"


class PeRow(_Record):
    """One unit on one target with one script, as a core of the suite's array."""

    name: str
    scheme: str = Field(description="as the suite writes it")
    target: str
    variant: str
    share: int = Field(description="cores behind one tail: of the shares that never stall the one with the least area")
    macs_per_cycle: float = Field(description="of a core")
    fmax_mhz: float | None = Field(default=None, description="static timing of the row of cores; FPGA: not placed")
    area: dict[str, float] = Field(description="part → µm² or eq of one core; they add up to all that the array is")
    by_share: dict[int, float] = Field(description="cores behind one tail → area of one core, every part counted")
    apart_to_flat: float | None = Field(
        default=None, description="area of a row of two cores with parts mapped by themselves, over that as one module")
    energy: dict[str, float] = Field(default_factory=dict, description="part → fJ per MAC")
    relative: dict[str, PaperUnit] = Field(default_factory=dict, description="baseline → area, power and efficiencies")
    paper: PaperUnit = PaperUnit()

    @property
    def core_area(self) -> float:
        """Of one core with its share of everything."""
        return sum(self.area.values())

    @property
    def area_per_mac(self) -> float:
        """Area of a multiply-accumulate per cycle."""
        return self.core_area / self.macs_per_cycle

    @property
    def energy_per_mac(self) -> float | None:
        """fJ."""
        return sum(self.energy.values()) if self.energy else None


class SystemRow(_Record):
    """One model on an array of the suite, relative to an array of the baseline with equal peak throughput."""

    model: str
    label: str = Field(description="what the array computes: a unit, or a precision of each module")
    target: str
    variant: str
    baseline: str
    schemes: dict[str, str] = Field(description="module → scheme")
    tokens: int = Field(description="rows of activations of the prefill; a decode has one")
    bit_operations: float | None = Field(default=None, description="reduction against FP16 × INT4")
    speedup: float = Field(description="prefill, operands always ready")
    speedup_decode: float
    area: float = Field(description="speed-up over area, arrays alone")
    area_chip: float = Field(description="the same with the rest of the paper's chip around either")
    energy: float | None = Field(default=None, description="arrays alone")
    energy_chip: float | None = Field(default=None, description="with the memories' share that the paper gives")
    built_speedup: float = Field(description="prefill on whole co-processors, memory traffic included")
    built_speedup_decode: float
    built_energy: float | None = Field(default=None, description="prefill: array, operand buffers and DRAM")
    paper: Published | None = Field(default=None, description="geometric mean over the paper's models")


class EqualAreaRow(_Record):
    """One model on an array of one unit, relative to the baseline's array, whose area it has at most."""

    model: str
    name: str
    scheme: str
    target: str
    variant: str
    tokens: int
    rows: int = Field(description="of the array")
    cols: int
    macs_per_cycle: float = Field(description="peak of the array")
    area: float = Field(description="of the array, every part counted")
    time: float = Field(description="at equal clock, operands always ready, outputs taken as they come")
    time_drained: float = Field(description="the same with one output a cycle, on both sides")
    time_own_clock: float | None = Field(default=None, description="time, each array at the clock of static timing")
    energy: float | None = Field(default=None, description="of the arrays")
    paper: Relative = Relative()


class SuiteRecord(_Record):
    """A run of a suite."""

    schema_name: Literal["gemmsmith-suite-1"] = Field(default=SCHEMA, alias="schema")
    suite: str
    title: str
    provenance: Provenance
    units: list[PeRow]
    system: list[SystemRow] = Field(default_factory=list)
    equal_area: list[EqualAreaRow] = Field(default_factory=list)
    failures: list[str] = Field(default_factory=list, description="what could not be measured, and why")

    def to_json(self) -> str:
        """JSON text; equal runs give equal text."""
        return json.dumps(self.model_dump(by_alias=True), indent=1, ensure_ascii=False) + "\n"
