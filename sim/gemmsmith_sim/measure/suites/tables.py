"""The tables of a suite: units, parts, workloads. The command prints them, ``suite.md`` holds them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import exp, log

from ..bench.page.groups import target_title
from ..bench.page.markdown import table_lines
from ..bench.page.tables import Cell, Head, Table
from ..bench.page.text import NONE, figure
from ..bench.record import ASIC
from .record import EqualAreaRow, PeRow, SuiteRecord, SystemRow
from .suite import PaperUnit

__all__ = ["markdown", "tables"]

_EFFICIENCIES = (("area", "area"), ("power", "power"), ("ops per area", "area_efficiency"),
                 ("ops per energy", "energy_efficiency"))
_PARTS = (("core", "core"), ("tail", "tail"), ("row edge", "row_edge"), ("column edge", "column_edge"),
          ("results", "results"), ("array", "array"))
_SYSTEM = (("speed-up", "speedup", "prefill"), ("speed-up", "speedup_decode", "decode"),
           ("per area", "area", "array"), ("per area", "area_chip", "chip"),
           ("per energy", "energy", "array"), ("per energy", "energy_chip", "chip"),
           ("co-processor", "built_speedup", "prefill"), ("co-processor", "built_speedup_decode", "decode"),
           ("co-processor", "built_energy", "energy"))
"""What stands above, field, and title of a column."""
_EQUAL_AREA = (("time", "time", "equal clock"), ("time", "time_own_clock", "own clock"),
               ("time", "time_drained", "one output a cycle"), ("energy", "energy", "array"))


def tables(record: SuiteRecord) -> list[Table]:
    """Ratios of units, parts of units, means over models, models: for each target and script."""
    found = []
    for target, variant in dict.fromkeys((row.target, row.variant) for row in record.units):
        rows = [row for row in record.units if (row.target, row.variant) == (target, variant)]
        where = f"{target_title(target)}, {variant}"
        found += [_unit_table(rows, where), _part_table(rows, where)]
        system = [row for row in record.system if (row.target, row.variant) == (target, variant)]
        for baseline in dict.fromkeys(row.baseline for row in system):
            found += list(_system_tables([row for row in system if row.baseline == baseline], where))
        equal = [row for row in record.equal_area if (row.target, row.variant) == (target, variant)]
        if equal:
            found += [_equal_area_table(equal, where, record.units[0].name), _arrays_table(equal, where)]
    return found


def markdown(record: SuiteRecord) -> str:
    """All tables, what is missing, and how the figures were made. Equal records give equal text."""
    lines = [f"# {record.title}", ""]
    for table in tables(record):
        lines += [f"{table.caption}.", "", *table_lines(table), ""]
    lines += [f"- not measured: {failure}" for failure in record.failures]
    made = record.provenance
    versions = ", ".join(f"{tool} {version}" for tool, version in made.tools.items())
    lines += [*(f"- {note}" for note in made.notes), f"- gemmsmith {made.gemmsmith}; {versions}"]
    return "\n".join(lines) + "\n"


def _unit_table(rows: Sequence[PeRow], where: str) -> Table:
    """The paper's figures, and ours against each baseline."""
    bases = list(rows[0].relative)
    heads = [Head("unit", numeric=False), Head("MACs", "per cycle")]
    heads += [Head(title, over="paper") for title, _ in _EFFICIENCIES]
    heads += [Head(title, over=f"to {base}") for base in bases for title, _ in _EFFICIENCIES]
    lines = [[Cell(row.name), _cell(row.macs_per_cycle),
              *(_cell(value) for paper in [row.paper, *(row.relative[base] for base in bases)]
                for value in _efficiencies(paper))] for row in rows]
    return Table(f"{where}: units in the array, every part counted; multiples of {rows[0].name}", heads, lines)


def _efficiencies(paper: PaperUnit) -> list[float | None]:
    return [getattr(paper, field) for _, field in _EFFICIENCIES]


def _part_table(rows: Sequence[PeRow], where: str) -> Table:
    """What a core costs by part."""
    unit = "µm²" if rows[0].target.startswith(ASIC) else "eq"
    heads = [Head("unit", numeric=False), Head("cores", "per tail"), Head("clock", "MHz")]
    heads += [Head(title, over=f"{unit} per core") for title, _ in _PARTS]
    heads += [Head("sum", over=f"{unit} per core"), Head("per MAC", unit), Head("apart / flat", "%")]
    energy = any(row.energy for row in rows)
    if energy:
        heads += [Head(title, over="fJ per MAC") for title, _ in _PARTS] + [Head("sum", over="fJ per MAC")]
    lines = []
    for row in rows:
        line = [Cell(row.name), _cell(row.share), _cell(row.fmax_mhz and round(row.fmax_mhz))]
        line += [_cell(row.area[part]) for _, part in _PARTS] + [_cell(row.core_area), _cell(row.area_per_mac)]
        line.append(Cell(f"{100 * row.apart_to_flat - 100:+.1f}" if row.apart_to_flat else NONE))
        if energy:
            line += [_cell(row.energy.get(part)) for _, part in _PARTS] + [_cell(row.energy_per_mac)]
        lines.append(line)
    return Table(f"{where}: what a core of the array costs", heads, lines)


def _system_tables(rows: Sequence[SystemRow], where: str) -> Iterator[Table]:
    caption = f"{where}: models on arrays of equal peak throughput, multiples of {rows[0].baseline}'s"
    labels = list(dict.fromkeys(row.label for row in rows if row.paper))
    published = [[row for row in rows if row.label == label and row.paper] for label in labels]
    if published:
        heads = [Head("array", numeric=False), Head("models"),
                 *(Head(title, over="paper") for title in ("speed-up", "per area", "per energy")), *_system_heads()]
        yield Table(f"{caption}, geometric means", heads, [_mean_line(group) for group in published])
    varying = [row for row in rows if row.bit_operations]
    heads = [Head("model", numeric=False), Head("loss", numeric=False), Head("lengths", numeric=False),
             Head("bit operations"), *_system_heads()]
    if varying:
        yield Table(caption, heads, [
            [Cell(row.model), Cell(row.label), Cell(_lengths(row)), _cell(row.bit_operations), *_system_cells([row])]
            for row in varying])


def _equal_area_table(rows: Sequence[EqualAreaRow], where: str, base: str) -> Table:
    """Every model on every array, and the geometric means."""
    heads = [Head("model", numeric=False), Head("array", numeric=False), Head("time", over="paper"),
             Head("energy", over="paper"), *(Head(title, over=over) for over, _, title in _EQUAL_AREA)]
    lines = [[Cell(row.model), Cell(row.name), _cell(row.paper.time), _cell(row.paper.energy),
              *(_cell(getattr(row, field)) for _, field, _ in _EQUAL_AREA)] for row in rows]
    for name in dict.fromkeys(row.name for row in rows):
        own = [row for row in rows if row.name == name]
        lines.append([Cell("geometric mean"), Cell(name), _cell(None), _cell(None),
                      *(_cell(_mean([getattr(row, field) for row in own])) for _, field, _ in _EQUAL_AREA)])
    return Table(f"{where}: models on arrays of equal area, relative to {base}'s", heads, lines)


def _arrays_table(rows: Sequence[EqualAreaRow], where: str) -> Table:
    heads = [Head("array", numeric=False), Head("rows"), Head("columns"), Head("MACs", "per cycle"),
             Head("area", "of the baseline's")]
    first = [row for row in rows if row.model == rows[0].model]
    return Table(f"{where}: the arrays", heads, [
        [Cell(row.name), _cell(row.rows), _cell(row.cols), _cell(row.macs_per_cycle), _cell(row.area)]
        for row in first])


def _mean_line(rows: Sequence[SystemRow]) -> list[Cell]:
    row, paper = rows[0], rows[0].paper
    name = f"{next(iter(row.schemes.values())).partition('-')[0]}, {row.label}" if row.bit_operations else row.label
    published = [paper.speedup, paper.area, paper.energy] if paper else [None] * 3
    return [Cell(name), _cell(len(rows)), *(_cell(value) for value in published), *_system_cells(rows)]


def _system_heads() -> list[Head]:
    return [Head(title, over=over) for over, _, title in _SYSTEM]


def _system_cells(rows: Sequence[SystemRow]) -> list[Cell]:
    return [_cell(_mean([getattr(row, field) for row in rows])) for _, field, _ in _SYSTEM]


def _mean(values: Sequence[float | None]) -> float | None:
    """Geometric; ``None`` if one is missing."""
    known = [value for value in values if value is not None]
    return exp(sum(map(log, known)) / len(known)) if len(known) == len(values) else None


def _lengths(row: SystemRow) -> str:
    return ", ".join(scheme.rpartition("m")[2] for scheme in row.schemes.values())


def _cell(value: float | None) -> Cell:
    return Cell(figure(value), value)
