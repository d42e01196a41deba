"""``gemmsmith compare``: what a change to the hardware costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gemmsmith_cli.console import print_json, say
from gemmsmith_cli.errors import CheckError, InputError
from gemmsmith_cli.options import Json, example

if TYPE_CHECKING:
    from gemmsmith_sim.measure.bench import Bench
    from gemmsmith_sim.measure.bench.compare import Comparison

EXAMPLE = example("compare main/bench.json bench.json",
                  "compare main/bench.json bench.json --fail-on area=+2%,cycles=+0%,fmax=-5% -o comment.md",
                  "compare bench.json --history history")


def command(
    base: Annotated[Path, typer.Argument(metavar="BASE", help="Record of gemmsmith bench: the file or its directory.")],
    head: Annotated[Path | None, typer.Argument(
        metavar="HEAD", help="The record to compare with it (not needed for --history).", show_default=False)] = None,
    fail_on: Annotated[str | None, typer.Option(
        metavar="METRIC=+N%,…", show_default=False,
        help="Worst changes allowed; exit code 1 if a row exceeds one. Metrics: area, ffs, dsps, brams, cycles, fmax, "
             "energy, error, perplexity.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show what is the same, too.")] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write it to this file, too.")] = None,
    history: Annotated[Path | None, typer.Option(
        metavar="DIR", show_default=False,
        help="Write smaller.json and bigger.json of the last record given, for github-action-benchmark.")] = None,
    as_json: Json = False,
) -> None:
    """Compare two runs of gemmsmith bench, row by row, as a Markdown table of what changed.

    Rows match by unit, level, target and variant. Frequencies that scatter too much to tell them apart are "not
    resolved" and break no bound; a figure that is missing from HEAD breaks it.
    """
    from gemmsmith_cli.files import check_output
    from gemmsmith_sim.cache import atomic_write
    from gemmsmith_sim.measure.bench import load
    from gemmsmith_sim.measure.bench.compare import compare, parse_bounds
    from gemmsmith_sim.measure.bench.compare_text import markdown

    bounds = parse_bounds(fail_on) if fail_on is not None else []
    if head is None and history is None:
        raise InputError("name two records, BASE and HEAD, or one and --history")
    if head is None and (bounds or output or as_json):
        raise InputError("--fail-on, -o and --json compare two records; name BASE and HEAD")
    if output is not None:
        check_output(output)
    old = load(base)
    new = old if head is None else load(head)
    if history is not None:
        _write_history(new, history)
    if head is None:
        return
    comparison = compare(old, new, bounds)
    if not comparison.rows:
        raise InputError(f"{base} and {head} have no row in common")
    text = markdown(comparison, everything=everything)
    if as_json:
        text = json.dumps(comparison.to_dict(), indent=2, ensure_ascii=False) + "\n"
        print_json(comparison.to_dict())
    else:
        print(text, end="")
    if output is not None:
        atomic_write(output, text)
    _check(comparison)


def _check(comparison: Comparison) -> None:
    if broken := comparison.broken:
        bound, change = broken[0]
        more = f", and {len(broken) - 1} more" if len(broken) > 1 else ""
        raise CheckError(f"bound {bound} is broken by {change.where}{more}")


def _write_history(record: Bench, directory: Path) -> None:
    from gemmsmith_sim.cache import atomic_write
    from gemmsmith_sim.measure.bench.history import history

    directory.mkdir(parents=True, exist_ok=True)
    for name, entries in zip(("smaller", "bigger"), history(record), strict=True):
        atomic_write(directory / f"{name}.json", json.dumps(entries, indent=1, ensure_ascii=False) + "\n")
        say(f"written to {directory / name}.json")
