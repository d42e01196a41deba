"""``gemmsmith bench --suite``: a paper's units and workloads, measured and set beside its figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gemmsmith_cli.console import print_json, say
from gemmsmith_cli.errors import NO_TOOL
from gemmsmith_cli.measuring import flows_of, measure_all, show_tables

if TYPE_CHECKING:
    from gemmsmith_sim.measure.bench import Bench
    from gemmsmith_sim.measure.suites import Suite, Workload

NAMES = ("suite.json", "suite.md", "bench.json")


def run_suite(name: str, units: Sequence[str] | None, targets: list[str], *, liberty: list[Path], energy: bool,
              glitches: bool, clock_gating: Sequence[bool], precisions: Sequence[str], output: Path,
              workers: int | None, fresh: bool, as_json: bool) -> None:
    """Measures the suite ``name``, or its ``units`` alone, prints the tables and writes ``NAMES`` to ``output``.

    Raises ``ValueError`` if there is no such suite or unit, or a precision file cannot be used; exits with ``NO_TOOL``
    if something could not be measured.
    """
    from gemmsmith_cli.files import check_output
    from gemmsmith_sim.cache import atomic_write
    from gemmsmith_sim.measure import suites

    suite = suites.load_suite(name)
    flows = flows_of(targets, (False,), (), liberty, energy, glitches, clock_gating, suites.PARTS)
    plan = suites.SuitePlan(suite=suite, units=suite.choose(units), flows=flows)
    plan.check()
    workloads = [*suites.published_workloads(suite), *(_tuned(suite, text) for text in precisions)]
    output.mkdir(parents=True, exist_ok=True)
    for file in NAMES:
        check_output(output / file)
    measured = measure_all([*plan.areas(), *plan.flat()], workers=workers, fresh=fresh)
    areas, flat = _joined(measured[:len(flows)]), _joined(measured[len(flows):])
    energies = _joined(measure_all(plan.energies(areas), workers=workers, fresh=fresh))
    record = suites.assemble(name, plan, workloads, areas=areas, energies=energies, flat=flat)
    for file, text in zip(NAMES, (record.to_json(), suites.markdown(record), energies.to_json()), strict=True):
        atomic_write(output / file, text)
    if as_json:
        print_json(record.model_dump(by_alias=True))
    else:
        show_tables(suites.tables(record))
        print(f"written to {output}: {', '.join(NAMES)}")
    for failure in record.failures:
        say(f"not measured: {failure}")
    if record.failures:
        raise typer.Exit(NO_TOOL)


def _tuned(suite: Suite, text: str) -> Workload:
    """A model of one's own: ``FILE``, or ``FOLDER:FILE``."""
    from gemmsmith_sim.llm import checkpoint
    from gemmsmith_sim.measure.suites import tuned_workload

    folder, _, file = text.rpartition(":")
    return tuned_workload(suite, Path(file), checkpoint.load(folder or None), Path(folder).name or "built-in")


def _joined(benches: Sequence[Bench]) -> Bench:
    """One record of all rows."""
    scripts = {title: script for bench in benches for title, script in bench.provenance.scripts.items()}
    notes = list(dict.fromkeys(note for bench in benches for note in bench.provenance.notes))
    tools = {tool: version for bench in benches for tool, version in bench.provenance.tools.items()}
    made = benches[0].provenance.model_copy(update={"scripts": scripts, "notes": notes, "tools": tools})
    return benches[0].model_copy(update={"rows": [row for bench in benches for row in bench.rows], "provenance": made})
