"""Runs a unit on its stimulus, and counts what happens in its steady state."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gemmsmith.emit import BuildConfig

from ..stimulus import make_stimulus
from .activity import Activity, Counts
from .bench import Bench, MismatchError
from .delays import Delays
from .glitch import GlitchSimulator
from .netlist import Netlist, Nets
from .simulate import Simulator
from .words import Words

__all__ = ["Plan", "Run", "Sample", "run_unit"]

LEAD = 1
"""Blocks before the measured ones: when the first is out, the pipeline is full."""


@dataclass(frozen=True)
class Plan:
    """Blocks to measure in each lane, elements along K of each, lanes, and the seed of everything drawn."""

    blocks: int
    k: int
    lanes: int
    seed: int


@dataclass(frozen=True)
class Run:
    """What was counted; the useful multiply-accumulates of each lane meanwhile; outputs compared."""

    activity: Activity
    macs: int
    outputs_checked: int


class Sample:
    """Cycles and lanes that are simulated with delays too, drawn at random.

    Members
    -------
    cycles: of the measured ones. lanes: of the simulated ones.
    with_delays, without: transitions of each net in the sample.
    """

    def __init__(self, netlist: Netlist, delays: Delays, *, cycles: int, lanes: int) -> None:
        self._simulator = GlitchSimulator(netlist, delays.delays)
        self._wanted = cycles, lanes
        self.cycles: frozenset[int] = frozenset()
        self.lanes: Nets = np.empty(0, np.intp)
        self.with_delays: Counts = np.zeros(len(netlist.names), np.int64)
        self.without: Counts = np.zeros(len(netlist.names), np.int64)

    def draw(self, cycles: int, lanes: int, seed: int) -> None:
        """Choose among so many cycles and lanes: one of each stretch of cycles, so that all phases of a block occur."""
        rng = np.random.default_rng(seed)
        count = min(cycles, self._wanted[0])
        self.cycles = frozenset(((np.arange(count) + rng.random(count)) * cycles / count).astype(int).tolist())
        self.lanes = np.sort(rng.choice(lanes, min(lanes, self._wanted[1]), replace=False))

    def add(self, before: Words, after: Words) -> None:
        """Simulate one cycle: settled states before the clock edge and at the end."""
        with_delays, without = self._simulator.toggles(before, after, self.lanes)
        self.with_delays += with_delays
        self.without += without


def run_unit(netlist: Netlist, config: BuildConfig, plan: Plan, sample: Sample | None) -> Run:
    """Count from the cycle after the last output of the first block to that of the last measured block.

    More blocks follow, so that the unit is as busy in the last cycle as in the first.

    Raises as `make_stimulus` and `Bench`; ``MismatchError`` also if outputs fail to come.
    """
    pe = config.element()
    schedule = pe.schedule(groups=pe.groups(plan.k), mode=pe.mode, share=config.tail_share)
    pace = max(schedule.block, config.rows * config.cols)  # cycles from block to block, at least
    following = -(-schedule.flush // pace) + 3
    stimulus = make_stimulus(pe, rows=config.rows, cols=config.cols, blocks=LEAD + plan.blocks + following, k=plan.k,
                             lanes=plan.lanes, seed=plan.seed)
    if sample is not None:
        sample.draw(plan.blocks * pace, plan.lanes, plan.seed)
    bench = Bench(Simulator(netlist, lanes=plan.lanes, seed=plan.seed), stimulus)
    activity = Activity(netlist, plan.lanes)
    before = bench.simulator.state.copy()
    while len(bench.finished) < LEAD + plan.blocks:
        if bench.cycle > 2 * stimulus.blocks * pace + 1000:
            raise MismatchError(f"the netlist of {netlist.name} is stuck: {len(bench.finished)} blocks of "
                                f"{stimulus.blocks} are done after {bench.cycle} cycles")
        bench.drive()
        if len(bench.finished) >= LEAD:
            if sample is not None and activity.cycles in sample.cycles:
                sample.add(before, bench.simulator.state)
            activity.add(before, bench.simulator.state)
        before = bench.simulator.state.copy()
        bench.take()
    return Run(activity, plan.blocks * stimulus.macs_per_block, bench.outputs_checked)
