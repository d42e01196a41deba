"""The tables of a report, free of any markup: HTML and Markdown show the same ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..record import Bench, Energy, Fmax, Row
from .groups import Group
from .text import figure

__all__ = ["UNIT", "Cell", "Head", "Table", "accuracy_table", "figures_table"]

Value = float | str | None


@dataclass(frozen=True)
class Cell:
    """What a table shows at one place."""

    text: str
    value: Value = None
    """What it is sorted by; ``None`` comes last."""
    tone: str = ""
    """``"better"`` or ``"worse"`` than the baseline, or neither."""


@dataclass(frozen=True)
class Head:
    """The head of a column."""

    title: str
    unit: str = ""
    over: str = ""
    """What neighbouring columns have in common."""
    detail: bool = False
    """Whether the column waits until it is asked for."""
    numeric: bool = True


@dataclass(frozen=True)
class Table:
    """The first column names the unit."""

    caption: str
    heads: list[Head]
    rows: list[list[Cell]]

    @property
    def has_details(self) -> bool:
        return any(head.detail for head in self.heads)

    @property
    def overs(self) -> list[tuple[str, int]]:
        """What stands above the heads, and over how many columns; empty if nothing does."""
        spans: list[tuple[str, int]] = []
        for head in self.heads:
            if spans and spans[-1][0] == head.over:
                spans[-1] = (head.over, spans[-1][1] + 1)
            else:
                spans.append((head.over, 1))
        return spans if any(over for over, _ in spans) else []


@dataclass(frozen=True)
class _Column:
    head: Head
    get: Callable[[Row], Value]
    digits: int = 3

    def cell(self, row: Row) -> Cell:
        return _cell(self.get(row), self.digits)


def figures_table(group: Group) -> Table:
    """Every figure of a group's rows; columns without any are left out."""
    columns = [*_columns(group), *_gemm_columns(group), *_cell_columns(group)]
    used = [column for column in columns if any(column.get(row) not in (None, "") for row in group.rows)]
    rows = [[Cell(row.unit, row.unit), *(column.cell(row) for column in used)] for row in group.rows]
    return Table(_caption(group), [UNIT, *(column.head for column in used)], rows)


def _caption(group: Group) -> str:
    """What kind of figures they are."""
    said = f"{group.title}. Cells as mapped, before layout"
    if _is_placed(group):
        return f"{said}; Fmax after place and route"
    return f"{said}; Fmax by static timing, without wires" if any(row.fmax_mhz for row in group.rows) else said


def _is_placed(group: Group) -> bool:
    return any(row.fmax_mhz and row.fmax_mhz.seeds for row in group.rows)


def accuracy_table(bench: Bench) -> Table | None:
    """What each scheme does to the numbers, whatever the target; ``None`` if nothing was measured."""
    kinds: dict[object, Row] = {}
    for row in bench.rows:
        if row.error is not None or row.perplexity is not None:
            kinds.setdefault((row.unit, row.scheme, row.error, row.perplexity), row)
    if not kinds:
        return None
    rows = [[Cell(row.unit, row.unit), *(column.cell(row) for column in _ACCURACY)] for row in kinds.values()]
    return Table("Accuracy of the schemes", [UNIT, *(column.head for column in _ACCURACY)], rows)


UNIT = Head("unit", numeric=False)


def _cell(value: Value, digits: int = 3) -> Cell:
    return Cell(value, value or None) if isinstance(value, str) else Cell(figure(value, digits), value)


def _columns(group: Group) -> list[_Column]:
    area, placed = group.area_unit, _is_placed(group)
    return [
        _column("MACs", "per cycle", lambda row: row.macs_per_cycle),
        _column("area", area, lambda row: row.area),
        _column("DSP", "blocks", lambda row: _count(row, "dsps") or None),
        _column("block RAM", "blocks", lambda row: _count(row, "brams") or None),
        _column("area per throughput", f"{area} per MAC/cycle", lambda row: row.area_per_throughput),
        _column("Fmax", "MHz, median" if placed else "MHz", lambda row: row.fmax_mhz.median if row.fmax_mhz else None),
        _column("throughput", "GMAC/s", lambda row: row.throughput),
        _column("throughput per area", f"MMAC/s per {area}", _throughput_per_area),
        _column("energy", "fJ/MAC", lambda row: row.fj_per_mac),
        _column("RMS error", "relative", lambda row: row.error.relative_rms if row.error else None),
        _PERPLEXITY,
        *_DETAILS,
    ]


def _column(title: str, unit: str, get: Callable[[Row], Value], detail: bool = False, numeric: bool = True) -> _Column:
    return _Column(Head(title, unit, detail=detail, numeric=numeric), get)


def _detail(title: str, unit: str, get: Callable[[Row], Value], numeric: bool = True) -> _Column:
    return _column(title, unit, get, detail=True, numeric=numeric)


def _count(row: Row, kind: str) -> int | None:
    return (row.counts or {}).get(kind)


def _throughput_per_area(row: Row) -> float | None:
    cost = row.area_per_throughput
    return row.fmax_mhz.median / cost if cost and row.fmax_mhz else None


def _energy(title: str, unit: str, get: Callable[[Energy], float | None]) -> _Column:
    return _detail(title, unit, lambda row: get(row.energy) if row.energy else None)


def _placed(title: str, unit: str, get: Callable[[Fmax], float]) -> _Column:
    return _detail(title, unit, lambda row: get(row.fmax_mhz) if row.fmax_mhz and row.fmax_mhz.seeds else None)


def _part(name: str) -> _Column:
    return _energy(name, "fJ/MAC", lambda energy: energy.breakdown.get(name))


_PERPLEXITY = _Column(Head("perplexity"), lambda row: row.perplexity, digits=4)

_ACCURACY = (
    _column("scheme", "", lambda row: row.scheme, numeric=False),
    _column("RMS error", "relative", lambda row: row.error.relative_rms if row.error else None),
    _column("worst error", "of the RMS output", lambda row: row.error.worst if row.error else None),
    _column("outputs", "compared", lambda row: row.error.outputs if row.error else None),
    _PERPLEXITY,
)

_DETAILS = (
    _detail("scheme", "", lambda row: row.scheme, numeric=False),
    _detail("options", "", lambda row: " ".join(f"{key}={value}" for key, value in row.options.items()), numeric=False),
    _detail("array", "rows × columns", lambda row: f"{row.rows} × {row.cols}", numeric=False),
    _detail("latency", "cycles", lambda row: row.latency_cycles),
    _detail("critical path", "ns", lambda row: row.critical_path_ns),
    _placed("Fmax", "MHz, lower quartile", lambda fmax: fmax.q1),
    _placed("Fmax", "MHz, upper quartile", lambda fmax: fmax.q3),
    _placed("seeds", "placed", lambda fmax: len(fmax.seeds)),
    _detail("LUT", "cells", lambda row: _count(row, "luts")),
    _detail("LUT memory", "LUTs", lambda row: _count(row, "lutram_luts")),
    _detail("carry", "cells", lambda row: _count(row, "carries")),
    _detail("FF", "cells", lambda row: _count(row, "ffs")),
    _detail("mux", "cells", lambda row: _count(row, "muxes")),
    _energy("without glitches", "fJ/MAC", lambda energy: energy.fj_per_mac),
    _part("switching"), _part("internal"), _part("clock"), _part("leakage"),
    _energy("cycles", "simulated", lambda energy: energy.cycles),
    _energy("streams", "of operands", lambda energy: energy.lanes),
    _energy("outputs", "checked", lambda energy: energy.outputs_checked),
    _energy("clock for leakage", "MHz", lambda energy: energy.frequency_mhz),
)


def _gemm_columns(group: Group) -> list[_Column]:
    shapes = dict.fromkeys(shape for row in group.rows for shape in row.gemm_cycles)
    return [_column(shape, "cycles", _entry("gemm_cycles", shape)) for shape in shapes]


def _cell_columns(group: Group) -> list[_Column]:
    names = sorted({name for row in group.rows for name in row.cells})
    if len(names) > 24:  # an ASIC's library: a column each would bury the rest
        def listed(row: Row) -> str:
            return ", ".join(f"{count} {name}" for name, count in sorted(row.cells.items(), key=lambda item: -item[1]))

        return [_detail("cells", "", listed, numeric=False)]
    return [_detail(name, "cells", _entry("cells", name)) for name in names]


def _entry(field: str, key: str) -> Callable[[Row], float | None]:
    return lambda row: getattr(row, field).get(key)
