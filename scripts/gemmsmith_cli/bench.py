"""``gemmsmith bench``: many units through the same scripts in one run."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gemmsmith_cli.console import print_json, say
from gemmsmith_cli.errors import NO_TOOL, InputError
from gemmsmith_cli.measuring import flows_of, measure_all, show_tables
from gemmsmith_cli.options import Json, example
from gemmsmith_cli.suite import run_suite

if TYPE_CHECKING:
    from gemmsmith_sim.measure.bench import Bench, Unit

EXAMPLE = example("bench --target ecp5 --target xcup --target asic:asap7 -o bench",
                  "bench fp16 int8 int8,lanes=4 anda-m6 --level core --target ecp5 --seeds 5",
                  "bench fp16 anda-m6 --target asic:my_cells --liberty my_cells.lib",
                  "bench --suite anda --target asic:asap7 -o anda")

NAME = "bench.json"
SEEDS, BASELINE = 3, "fp16"


class Which(StrEnum):
    """Which variants are measured."""

    NO = "no"
    YES = "yes"
    BOTH = "both"


_CHOSEN = {Which.NO: (False,), Which.YES: (True,), Which.BOTH: (False, True)}


class Activity(StrEnum):
    """What of a netlist's activity is simulated."""

    NONE = "none"
    PLAIN = "plain"
    GLITCHES = "glitches"


class LevelName(StrEnum):
    """What of a build is measured."""

    CORE = "core"
    ENGINE = "engine"
    PE = "pe"
    TILE = "tile"
    COPROCESSOR = "coprocessor"


def command(
    units: Annotated[list[str] | None, typer.Argument(
        metavar="SCHEME[,KEY=VALUE…]", help="Units (default: those that each family names for a comparison).",
        show_default=False)] = None,
    target: Annotated[list[str] | None, typer.Option(
        help="ecp5, ice40, gowin, nexus, xcup, or asic:LIBRARY; may be repeated.  [default: ecp5]",
        show_default=False)] = None,
    level: Annotated[list[LevelName] | None, typer.Option(
        help="What of each unit; may be repeated.  [default: pe]", show_default=False)] = None,
    seeds: Annotated[int, typer.Option(min=0, help="Place and route with seeds 1..N; 0: cells only.")] = SEEDS,
    dsp: Annotated[Which, typer.Option(help="Whether multipliers may become DSP blocks.")] = Which.NO,
    liberty: Annotated[list[Path] | None, typer.Option(
        help="Liberty file of the asic: target; may be repeated.", show_default=False)] = None,
    clock_gating: Annotated[Which, typer.Option(
        help="Whether registers with an enable get clock gates, on asic: targets.")] = Which.NO,
    energy: Annotated[Activity, typer.Option(
        help="Energy of asic: targets from netlist activity, with glitches or without.")] = Activity.GLITCHES,
    baseline: Annotated[str, typer.Option(help="Unit that ratios are relative to; none: no ratios.")] = BASELINE,
    perplexity_tokens: Annotated[int, typer.Option(
        min=0, help="Tokens of the shipped text read for the perplexity; 0: leave it out.")] = 8192,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes (default: one per core).",
                                                show_default=False)] = None,
    suite: Annotated[str | None, typer.Option(
        help="Units and workloads of a paper beside its figures (anda, mixpe); units are then names of its schemes.",
        show_default=False)] = None,
    precision: Annotated[list[str] | None, typer.Option(
        metavar="[FOLDER:]FILE", help="With --suite: also a model of your own (default: the built-in one) with the "
                                      "precisions of gemmsmith tune; may be repeated.", show_default=False)] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Directory that gets bench.json.")] = Path("bench"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure again what is known.")] = False,
    as_json: Json = False,
) -> None:
    """Measure area, timing, energy and error of units, side by side.

    Writes DIR/bench.json. What has been measured is kept by content: a second run takes seconds, and an interrupted
    one goes on where it stopped.
    """
    from gemmsmith_cli.files import check_output
    from gemmsmith_sim.cache import atomic_write
    from gemmsmith_sim.measure.bench import Plan

    if suite is not None:
        if level or seeds != SEEDS or dsp is not Which.NO or baseline != BASELINE:
            raise InputError("--suite says itself what is built and compared: --level, --seeds, --dsp and --baseline "
                             "do not go with it")
        run_suite(suite, units, target or ["ecp5"], liberty=liberty or [], energy=energy is not Activity.NONE,
                  glitches=energy is Activity.GLITCHES, clock_gating=_CHOSEN[clock_gating], precisions=precision or [],
                  output=output, workers=workers, fresh=fresh, as_json=as_json)
        return
    if precision:
        raise InputError("--precision goes with --suite")
    base = None if baseline == "none" else baseline
    flows = flows_of(target or ["ecp5"], _CHOSEN[dsp], range(1, seeds + 1), liberty or [], energy is not Activity.NONE,
                     energy is Activity.GLITCHES, clock_gating=_CHOSEN[clock_gating])
    chosen = [unit for one in level or [LevelName.PE] for unit in _units(units, one, base)]
    plan = Plan(units=chosen, flows=flows, baseline=base, perplexity_tokens=perplexity_tokens)
    output.mkdir(parents=True, exist_ok=True)
    check_output(output / NAME)
    (bench,) = measure_all([plan], workers=workers, fresh=fresh)
    atomic_write(output / NAME, bench.to_json())
    if as_json:
        print_json(bench.model_dump(by_alias=True))
    else:
        _show(bench)
        print(f"written to {output / NAME}; gemmsmith report {output} makes a page of it")
    failures = sorted({failure for row in bench.rows for failure in row.failures})
    for failure in failures:
        say(f"not measured: {failure}")
    if failures:
        raise typer.Exit(NO_TOOL)


def _units(texts: list[str] | None, level: LevelName, baseline: str | None) -> list[Unit]:
    """Units in the order given, each once; the baseline first if it is not among them."""
    from gemmsmith_sim.measure.bench import Unit, default_units

    units = [Unit(text, level.value) for text in dict.fromkeys(texts)] if texts else list(default_units(level.value))
    if baseline and baseline not in [unit.text for unit in units]:
        units.insert(0, Unit(baseline, level.value))
    for unit in units:
        unit.check()
    return units


def _show(bench: Bench) -> None:
    """Ratios first, then the figures that count; the rest is in the file and on the page."""
    from gemmsmith_sim.measure.bench.page.groups import groups
    from gemmsmith_sim.measure.bench.page.ratios import ratio_table
    from gemmsmith_sim.measure.bench.page.tables import accuracy_table, figures_table

    found = groups(bench)
    tables = [ratio_table(bench, [group for group in found if group.level == level])
              for level in dict.fromkeys(group.level for group in found)]
    tables += [figures_table(group) for group in found]
    if accuracy := accuracy_table(bench):
        tables.append(accuracy)
    show_tables([table for table in tables if len(table.heads) > 1])
    for note in bench.provenance.notes:
        print(note)
