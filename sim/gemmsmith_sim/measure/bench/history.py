"""Figures of a run as entries for github-action-benchmark, which keeps and plots them over time."""

from typing import Any

from .compare import Figure, figures
from .record import Bench, Row

__all__ = ["history"]


def history(bench: Bench) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The figures where less is better (``customSmallerIsBetter``) and those where more is (``customBiggerIsBetter``).

    An entry has ``name`` (figure and row), ``unit``, ``value``, ``extra`` (the script) and, where a figure scatters,
    ``range``: the quartiles.
    """
    smaller: list[dict[str, Any]] = []
    bigger: list[dict[str, Any]] = []
    for row in bench.rows:
        for figure in figures(row):
            (bigger if figure.more_is_better else smaller).append(_entry(bench, row, figure))
    return smaller, bigger


def _entry(bench: Bench, row: Row, figure: Figure) -> dict[str, Any]:
    title = f"{row.target}/{row.variant}"
    entry: dict[str, Any] = {
        "name": f"{row.unit} {row.level}, {title}: {figure.label}",
        "unit": figure.unit or "count",
        "value": figure.value,
        "extra": bench.provenance.scripts.get(title, ""),
    }
    if figure.samples and row.fmax_mhz is not None:
        entry["range"] = f"{row.fmax_mhz.q1:g} to {row.fmax_mhz.q3:g}"
    return entry
