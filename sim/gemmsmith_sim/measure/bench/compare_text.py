"""A comparison of two benchmark runs as Markdown, for a terminal or for a comment on a change."""

import math

from .compare import Bound, Change, Comparison, Verdict

__all__ = ["markdown"]

_VERDICTS: tuple[Verdict, ...] = ("better", "worse", "same", "not resolved", "new", "gone")


def markdown(comparison: Comparison, *, everything: bool = False) -> str:
    """The comparison as Markdown: a table of what changed, or of ``everything``."""
    broken = {id(change): bound for bound, change in comparison.broken}
    shown = [change for change in comparison.changes if everything or change.verdict != "same"]
    counts = ", ".join(f"{comparison.count(verdict)} {verdict}" for verdict in _VERDICTS if comparison.count(verdict))
    lines = [f"{comparison.rows} rows compared: {counts or 'no figures'}."]
    if comparison.differences:
        lines += ["", "> The runs were not made alike: " + "; ".join(comparison.differences) + ".",
                  "> Look at the ratios to the baseline; bounds on area and energy are checked on those."]  # fmt: skip
    if shown:
        lines += ["", "| unit | level | target | figure | base | head | change | |",
                  "|---|---|---|---|---:|---:|---:|---|"]  # fmt: skip
        lines += [_line(change, broken.get(id(change))) for change in shown]
    for title, rows in (("Added", comparison.added), ("Removed", comparison.removed)):
        if rows:
            lines += ["", f"{title}: {', '.join(map(_escape, rows))}."]
    if comparison.broken:
        lines += ["", "Bounds broken:", ""]
        lines += [f"- `{bound}`: {_escape(change.where)}" for bound, change in comparison.broken]
    return "\n".join(lines) + "\n"


def _line(change: Change, broken: Bound | None) -> str:
    percent = change.percent
    mark = f"**{change.verdict}**" if change.verdict in ("worse", "gone") else change.verdict
    cells = (change.unit, change.level, f"{change.target}/{change.variant}",
             change.label + (f" ({change.unit_of_value})" if change.unit_of_value else ""),
             _number(change.base), _number(change.head), "" if math.isnan(percent) else f"{percent:+.2f} %",
             mark + (f", breaks {broken}" if broken else ""))  # fmt: skip
    return "| " + " | ".join(map(_escape, cells)) + " |"


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.4g}"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
