"""What a benchmark run leaves behind: ``bench.json``, and the models that read and write it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

__all__ = [
    "ASIC", "SCHEMA", "Bench", "Energy", "Error", "Fmax", "Module", "PathStep", "Provenance", "Relative", "Row", "load",
]

SCHEMA = "gemmsmith-bench-1"
ASIC = "asic:"
"""What the names of ASIC targets begin with; a library follows."""


class _Record(BaseModel):
    # A file of a later version may have more fields than this version reads.
    model_config = ConfigDict(extra="ignore", frozen=True)


class Provenance(_Record):
    """How the figures came about."""

    gemmsmith: str = Field(description="version of the generator")
    tools: dict[str, str] = Field(description="tool → version")
    scripts: dict[str, str] = Field(description="target/variant → what was run, with SEED for the seed")
    seeds: list[int] = Field(description="placer seeds")
    notes: list[str] = Field(description="what the figures are and are not")
    tensors: str = Field(default="", description="where operand streams and errors were taken from")


class Fmax(_Record):
    """Clock frequency, MHz. After place and route over seeds; of an ASIC the one figure of static timing."""

    median: float
    q1: float
    q3: float
    seeds: dict[str, float] = Field(default_factory=dict, description="seed → MHz; empty for static timing")


class PathStep(_Record):
    """One step of a critical path."""

    cell: str = Field(description="instance or kind of cell at which the step ends")
    name: str = Field(description="what it belongs to, as the hardware description names it")
    delay_ns: float
    kind: str = Field(description="clk-to-q, logic, routing or setup")


class Module(_Record):
    """A node of the resource tree. Costs are eq (ECP5), LUTs (other FPGAs) or µm² (ASIC)."""

    name: str
    instance: str = ""
    cells: float = Field(description="its own cost, children left out")
    total: float = Field(description="with its children")
    children: list[Module] = Field(default_factory=list)


class Energy(_Record):
    """Energy per useful multiply-accumulate, fJ, from the activity of the mapped netlist under real tensors."""

    fj_per_mac: float = Field(description="zero-delay: no glitches")
    fj_per_mac_glitch: float | None = Field(default=None, description="with the cells' inertial delays")
    breakdown: dict[str, float] = Field(description="switching, internal, clock, leakage: fJ per MAC; they add up to "
                                                    "the figure with glitches if there is one")
    by_module: dict[str, float] = Field(default_factory=dict, description="fJ per MAC by module, without glitches")
    cycles: int
    lanes: int = Field(description="independent operand streams")
    outputs_checked: int = Field(description="outputs of the netlist that equalled the golden model")
    frequency_mhz: float = Field(description="for leakage")


class Relative(_Record):
    """Ratios to the baseline's row of the same level, target and variant."""

    area_per_throughput: float | None = Field(
        default=None, description="area per MAC per cycle; None where DSP or RAM blocks do part of the work")
    energy_per_mac: float | None = None
    time_per_mac: float | None = Field(default=None, description="1 / (Fmax · MACs per cycle)")


class Error(_Record):
    """Numerical error of the scheme against float64 on real tensors."""

    relative_rms: float = Field(description="‖o − exact‖ / ‖exact‖ over all outputs")
    worst: float = Field(description="largest |o − exact| / RMS of the exact outputs of its layer")
    outputs: int


class Row(_Record):
    """One unit on one target with one script."""

    unit: str = Field(description="what is measured; unique together with level, target and variant")
    scheme: str = Field(description="canonical name")
    level: Literal["coprocessor", "tile", "pe", "engine", "core", "tail"]
    options: dict[str, int] = Field(default_factory=dict)
    rows: int = 1
    cols: int = 1
    target: str = Field(description="ecp5 … or asic:LIBRARY")
    variant: str = Field(description="FPGA: dsp or no-dsp; ASIC: area or speed, the script, "
                                     "with -gated behind it if it makes clock gates")
    macs_per_cycle: float = Field(description="peak")
    latency_cycles: int = Field(description="from a group's first beat to its output")
    cells: dict[str, int] = Field(default_factory=dict, description="name of the cell → count")
    counts: dict[str, int] | None = Field(default=None, description="kind of cell → count (FPGA)")
    eq: int | None = Field(default=None, description="LUT sites, carries and LUTs as memory included; where "
                                                "carries take LUT sites of their own (ECP5, Nexus, Gowin)")
    area_um2: float | None = None
    critical_path_ns: float | None = None
    fmax_mhz: Fmax | None = None
    critical_path: list[PathStep] = Field(default_factory=list)
    modules: Module | None = None
    energy: Energy | None = None
    relative: Relative = Relative()
    error: Error | None = None
    perplexity: float | None = None
    gemm_cycles: dict[str, int] = Field(default_factory=dict, description="shape of a product → cycles (co-processor)")
    failures: list[str] = Field(default_factory=list, description="what could not be measured, and why")

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What makes a row the same row in another run."""
        return (self.unit, self.level, self.target, self.variant)

    @property
    def area(self) -> float | None:
        """The row's area in the unit of its target (`area_unit`); ``None`` if it was not measured."""
        if self.area_um2 is not None:
            return self.area_um2
        if self.eq is not None:
            return self.eq
        return self.counts["luts"] + self.counts.get("lutram_luts", 0) if self.counts else None

    @property
    def area_unit(self) -> str:
        """``"µm²"``, ``"eq"`` or ``"LUT"``."""
        return "µm²" if self.target.startswith(ASIC) else "LUT" if self.eq is None else "eq"

    @property
    def shows_all_area(self) -> bool:
        """Whether ``area`` is all the row takes: no DSP blocks or block RAMs do part of the work."""
        counts = self.counts or {}
        return self.area is not None and not counts.get("dsps") and not counts.get("brams")

    @property
    def area_per_throughput(self) -> float | None:
        """Area per multiply-accumulate per cycle; ``None`` where area is not measured or not all of the cost."""
        return self.area / self.macs_per_cycle if self.area is not None and self.shows_all_area else None

    @property
    def throughput(self) -> float | None:
        """Peak, 10⁹ multiply-accumulates per second at the median Fmax; ``None`` without a frequency."""
        return self.macs_per_cycle * self.fmax_mhz.median / 1000 if self.fmax_mhz else None

    @property
    def fj_per_mac(self) -> float | None:
        """Energy per MAC, with glitches if they were measured."""
        if self.energy is None:
            return None
        return self.energy.fj_per_mac if self.energy.fj_per_mac_glitch is None else self.energy.fj_per_mac_glitch


class Bench(_Record):
    """A run."""

    schema_name: Literal["gemmsmith-bench-1"] = Field(default="gemmsmith-bench-1", alias="schema")
    provenance: Provenance
    baseline: str | None = Field(default=None, description="unit that the ratios are relative to")
    rows: list[Row]

    def to_json(self) -> str:
        """JSON text; equal runs give equal text."""
        return json.dumps(self.model_dump(by_alias=True), indent=1, ensure_ascii=False) + "\n"

    def row(self, identity: tuple[str, str, str, str]) -> Row | None:
        """The row of this identity."""
        return next((row for row in self.rows if row.identity == identity), None)


def load(path: Path) -> Bench:
    """The run in a file, or in ``bench.json`` of a directory.

    Raises ``ValueError`` in one line if it is no such file, ``OSError`` if it cannot be read.
    """
    file = path / "bench.json" if path.is_dir() else path
    try:
        value: Any = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: not JSON: {error}") from None
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        raise ValueError(f"{file}: must be a file written by gemmsmith bench, with \"schema\": \"{SCHEMA}\"")
    try:
        bench = Bench.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    twice = {row.identity for row in bench.rows if [r.identity for r in bench.rows].count(row.identity) > 1}
    if twice:
        raise ValueError(f"{file}: has several rows of {' '.join(sorted(twice)[0])}")
    return bench
