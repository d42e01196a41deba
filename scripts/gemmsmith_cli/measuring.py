"""What ``gemmsmith bench`` does with plans, its suites included: flows by their targets, a run, tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gemmsmith_cli.console import make_table, print_table, working
from gemmsmith_cli.errors import InputError

if TYPE_CHECKING:
    from gemmsmith_sim.measure.bench import Bench, Flow, Plan
    from gemmsmith_sim.measure.bench.page.tables import Table


def flows_of(targets: list[str], dsp: Sequence[bool], seeds: Sequence[int], liberty: list[Path], energy: bool,
             glitches: bool, clock_gating: Sequence[bool] = (False,), apart: Sequence[str] = ()) -> list[Flow]:
    """Flows in the order of the targets. Raises ``InputError``."""
    from gemmsmith_sim.measure.bench import ASIC, AsicFlow, FpgaFlow

    if liberty and sum(target.startswith(ASIC) for target in targets) != 1:
        raise InputError(f"--liberty goes with exactly one --target {ASIC}NAME")
    if any(clock_gating) and not any(target.startswith(ASIC) for target in targets):
        raise InputError(f"--clock-gating goes with a --target {ASIC}NAME, not with {', '.join(targets)} alone")
    flows: list[Flow] = []
    for target in dict.fromkeys(targets):
        if target.startswith(ASIC):
            flows += AsicFlow.styles(target.removeprefix(ASIC), files=liberty, energy=energy, glitches=glitches,
                                     clock_gating=clock_gating, apart=apart)
        else:
            flows += FpgaFlow.variants(target, dsp=dsp, seeds=seeds, apart=apart)
    return flows


def measure_all(plans: Sequence[Plan], *, workers: int | None = None, fresh: bool = False) -> list[Bench]:
    """Runs plans on the cores of this machine, each job once, with a progress bar."""
    from gemmsmith_sim.measure.bench import run_jobs
    from gemmsmith_sim.workers import local_executor

    jobs = list({job.name: job for plan in plans for job in plan.jobs()}.values())
    with working(f"{len(jobs)} measurements") as reporter, local_executor(workers) as executor:
        outcomes = run_jobs(jobs, executor, fresh=fresh,
                            progress=lambda done, name: reporter.update(done, len(jobs)))
    return [plan.bench(outcomes) for plan in plans]


def show_tables(tables: Sequence[Table]) -> None:
    """Tables on standard output, without the columns of detail."""
    for table in tables:
        shown = [place for place, head in enumerate(table.heads) if not head.detail]
        heads = [table.heads[place] for place in shown]
        titles = [" ".join(part for part in (head.over, head.title, head.unit and f"[{head.unit}]") if part)
                  for head in heads]
        print_table(make_table(table.caption, titles, [[row[place].text for place in shown] for row in table.rows],
                               right=[title for title, head in zip(titles, heads, strict=True) if head.numeric]))
