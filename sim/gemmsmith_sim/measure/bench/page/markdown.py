"""The report as Markdown, for a README or a pull request: ratios first, no charts."""

from __future__ import annotations

import re

from ..record import Bench
from .groups import Group, groups, level_title
from .ratios import glance_table, ratio_table
from .tables import Table, accuracy_table, figures_table
from .words import failures

__all__ = ["markdown", "table_lines"]


def markdown(bench: Bench) -> str:
    """The tables of the page, without the columns of detail. Equal records give equal text."""
    members = groups(bench)
    lines = ["# gemmsmith benchmark", ""]
    for level in dict.fromkeys(group.level for group in members):
        lines += _ratios(bench, level, [group for group in members if group.level == level])
    for group in members:
        lines += [f"## {_text(group.title)}", "", *table_lines(figures_table(group)), ""]
    accuracy = accuracy_table(bench)
    if accuracy:
        lines += ["## Accuracy", "", *table_lines(accuracy), ""]
    failed = failures(bench)
    if failed:
        lines += ["## What could not be measured", ""]
        lines += [f"- {_text(unit)}, {_text(where)}: {_text(text)}" for unit, where, text in failed] + [""]
    return "\n".join([*lines, *_provenance(bench)]) + "\n"


def _ratios(bench: Bench, level: str, members: list[Group]) -> list[str]:
    against = f"Against {_text(bench.baseline)}" if bench.baseline else "No baseline"
    lines = [f"## {against}: {_text(level_title(level))}", ""]
    ratios, glance = ratio_table(bench, members), glance_table(bench, members)
    if len(ratios.heads) == 1:
        return [*lines, "No ratios.", ""]
    for table in filter(None, (ratios, glance)):
        lines += [f"{_text(table.caption)}.", "", *table_lines(table), ""]
    return lines


def table_lines(table: Table) -> list[str]:
    """A table in Markdown, without the columns of detail."""
    shown = [index for index, head in enumerate(table.heads) if not head.detail]
    heads = [table.heads[index] for index in shown]
    names = [", ".join(filter(None, (f"{head.over}: {head.title}" if head.over else head.title, head.unit)))
             for head in heads]
    return [_line(names), "|" + "|".join("---:" if head.numeric else "---" for head in heads) + "|",
            *(_line([row[index].text for index in shown]) for row in table.rows)]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(map(_text, cells)) + " |"


def _provenance(bench: Bench) -> list[str]:
    made = bench.provenance
    tools = ", ".join(f"{tool} {version}" for tool, version in made.tools.items())
    seeds = ", ".join(map(str, made.seeds))
    lines = ["## How the figures were made", "", *(f"- {_text(note)}" for note in made.notes),
             f"- gemmsmith {_text(made.gemmsmith)}; {_text(tools)}"]
    lines += [f"- Placer seeds: {seeds}"] if seeds else []
    lines += [f"- Tensors: {_text(made.tensors)}"] if made.tensors else []
    for name, script in made.scripts.items():
        lines += ["", f"{_text(name)}:", "", *(f"    {line}" for line in script.splitlines())]
    return lines


def _text(text: str) -> str:
    """Text of one line in which nothing is markup."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(text.split()))
