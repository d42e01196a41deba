"""Energy of a unit, from a simulation of its mapped netlist on real tensors."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gemmsmith.emit import BuildConfig

from ..cache import atomic_write, cache_dir, digest, fingerprint
from .gates import Activity, MeanTables, Netlist, PowerModel, delays_of
from .gates.run import Plan, Run, Sample, run_unit
from .hierarchy import FlatModule
from .liberty import Library
from .liberty.boundary import boundary

__all__ = ["LEVELS", "SOURCES", "EnergyResult", "measure_energy"]

LEVELS = ("pe", "tile")
"""What has streams, which a netlist can be driven and checked by."""
SOURCES = ("gemmsmith", "gemmsmith_sim.golden", "gemmsmith_sim.llm", *(
    f"gemmsmith_sim.measure.{name}" for name in ("energy", "flat", "gates", "liberty", "stimulus", "tensors")))
"""Modules and packages whose text the result depends on."""


@dataclass(frozen=True, kw_only=True)
class EnergyResult:
    """Energy of a unit in its steady state: blocks back to back, streams always ready, no reset.

    Everything is before layout: there are no wires, and the clock tree is its flip-flops' pins.
    """

    fj_per_mac: float
    """Without glitches: every net changes at most once a cycle. fJ."""
    fj_per_mac_glitch: float | None
    """With glitches, fJ; ``None`` if they were not asked for."""
    breakdown: Mapping[str, float]
    """fJ per multiply-accumulate of ``switching``, ``internal``, ``clock`` and ``leakage``, of the figure with glitches
    if there is one."""
    modules: Mapping[str, float]
    """Path of a module instance (``""`` is the top, and what no name attributes) → energy of its own cells, fJ per
    multiply-accumulate; the sum is that of ``breakdown``."""
    toggles: float
    """Transitions of nets per cycle, without glitches."""
    toggles_glitch: float | None
    macs: int
    """Useful multiply-accumulates in the cycles measured, of one lane."""
    cycles: int
    lanes: int
    glitch_cycles: int
    """Cycles that were simulated with delays, and lanes of them."""
    glitch_lanes: int
    outputs_checked: int
    """Outputs compared with the golden model, bit for bit; all were equal."""
    frequency_mhz: float
    voltage: float
    seconds: float
    cached: bool = False

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON values."""
        return asdict(self)


def measure_energy(
    netlist: Path,
    config: BuildConfig,
    library: Library,
    *,
    frequency_mhz: float = 500,
    blocks: int = 2,
    k: int = 256,
    lanes: int = 512,
    glitches: bool = True,
    glitch_cycles: int = 24,
    glitch_lanes: int = 64,
    seed: int = 0,
    fresh: bool = False,
) -> EnergyResult:
    """Simulate a mapped netlist and add up what its transitions cost.

    Parameters
    ----------
    netlist
        Yosys JSON of the design of ``config``, or of one that differs in the run-time mode only.
    config
        A build of level ``pe`` or ``tile``; its scheme says what is computed, and in which mode.
    library
        What the netlist is mapped to.
    frequency_mhz
        Of the clock; decides how long cells leak for each operation, and nothing else.
    blocks
        Measured, of ``k`` elements along K each, in each of ``lanes`` lanes (a multiple of 64).
    glitch_cycles, glitch_lanes
        Of the sample that is simulated with delays, drawn at random.
    seed
        Of the tensors, of the flip-flops' first values, and of the sample.
    fresh
        Measure again what the cache has.

    Raises
    ------
    ValueError
        If ``config`` is of another level, a parameter is out of range, or the netlist is not one that can be
        simulated or has other ports.
    MismatchError
        If an output is not what the golden model says.
    """
    if config.level not in LEVELS:
        raise ValueError(f"energy is measured at level {' or '.join(LEVELS)}, not {config.level}: without streams "
                         "there is nothing that outputs could be compared with")
    for name, value in (("frequency_mhz", frequency_mhz), ("blocks", blocks), ("glitch_cycles", glitch_cycles),
                        ("glitch_lanes", glitch_lanes)):
        if not value > 0:
            raise ValueError(f"{name} must be positive, not {value!r}")
    parameters = {"scheme": config.scheme, "rows": config.rows, "cols": config.cols, "share": config.tail_share,
                  "options": config.options, "frequency_mhz": frequency_mhz, "blocks": blocks, "k": k, "lanes": lanes,
                  "glitches": glitches, "glitch_cycles": glitch_cycles, "glitch_lanes": glitch_lanes, "seed": seed}
    key = digest("energy", json.dumps(parameters, sort_keys=True), library.sha256, netlist, *map(fingerprint, SOURCES))
    entry = cache_dir("energy") / f"{key}.json"
    if entry.is_file() and not fresh:
        return replace(EnergyResult(**json.loads(entry.read_text())), cached=True)
    start = time.monotonic()
    unit = Netlist.load(netlist, library)
    tables = MeanTables()
    around = boundary(library)
    delays = delays_of(unit, tables, slew_ps=around.input_slew_ps, output_load_ff=around.output_load_ff)
    sample = Sample(unit, delays, cycles=glitch_cycles, lanes=glitch_lanes) if glitches else None
    run = run_unit(unit, config, Plan(blocks, k, lanes, seed), sample)
    power = PowerModel(unit, delays, tables, library.voltage)
    paths = _paths(netlist, unit)
    result = _result(run, power, sample, paths, frequency_mhz=frequency_mhz, seconds=time.monotonic() - start)
    atomic_write(entry, json.dumps(result.to_dict()))
    return result


def _paths(netlist: Path, unit: Netlist) -> list[str]:
    """The module that each instance stands in, in the order of ``Netlist.parts``."""
    flat = FlatModule(json.loads(netlist.read_text())["modules"][unit.name])
    return [flat.scope(instance) or "" for part in unit.parts for instance in part.instances]


def _result(run: Run, power: PowerModel, sample: Sample | None, paths: Sequence[str], *, frequency_mhz: float,
            seconds: float) -> EnergyResult:
    """Energies per multiply-accumulate; ``paths`` are the instances' modules."""
    activity = run.activity
    macs = run.macs * activity.lanes
    energies = power.energies(activity)
    leaked = power.leakage_nw() * (activity.cycles * activity.lanes / frequency_mhz)  # nW · µs = fJ
    plain = {**energies.total(), "leakage": float(leaked.sum())}
    factors = _factors(power, activity, sample) if sample is not None else {}
    breakdown = {part: energy * factors.get(part, 1.0) / macs for part, energy in plain.items()}
    own = (energies.switching * factors.get("switching", 1.0) + energies.internal * factors.get("internal", 1.0)
           + energies.clock + leaked)
    modules: dict[str, float] = defaultdict(float, {"": energies.ports * factors.get("switching", 1.0) / macs})
    for path, energy in zip(paths, own.tolist(), strict=True):
        modules[path] += energy / macs
    real = np.array([bool(name) for name in power.netlist.names])  # an open pin is no net
    toggles = float(activity.toggles[real].sum() / (activity.cycles * activity.lanes))
    return EnergyResult(
        fj_per_mac=sum(plain.values()) / macs, fj_per_mac_glitch=sum(breakdown.values()) if sample else None,
        breakdown=breakdown, modules=dict(sorted(modules.items())), toggles=toggles,
        toggles_glitch=toggles * float(sample.with_delays[real].sum() / sample.without[real].sum()) if sample else None,
        macs=run.macs, cycles=activity.cycles, lanes=activity.lanes,
        glitch_cycles=len(sample.cycles) if sample else 0, glitch_lanes=len(sample.lanes) if sample else 0,
        outputs_checked=run.outputs_checked, frequency_mhz=frequency_mhz, voltage=power.voltage, seconds=seconds)


def _factors(power: PowerModel, activity: Activity, sample: Sample) -> dict[str, float]:
    """What glitches multiply a part of the energy by: the sample's energy with delays over that without."""
    with_delays, without = (power.energies(activity, toggles).total() for toggles in
                            (sample.with_delays, sample.without))
    return {part: with_delays[part] / without[part] for part in ("switching", "internal")}
