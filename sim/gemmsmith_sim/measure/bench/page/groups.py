"""Rows that may be compared with each other, and which of them nothing else beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...targets import TARGETS
from ..record import Bench, Row

__all__ = ["Group", "front", "groups", "target_title"]

_VARIANTS = {
    "dsp": "DSP blocks allowed", "no-dsp": "no DSP blocks", "area": "mapped for area", "speed": "mapped for speed",
    "area-gated": "mapped for area, gated clocks", "speed-gated": "mapped for speed, gated clocks",
}
_LEVELS = {"pe": "processing element", "coprocessor": "co-processor"}


@dataclass(frozen=True)
class Group:
    """The rows of one target, variant and level: what ratios are taken within."""

    target: str
    variant: str
    level: str
    rows: tuple[Row, ...]

    @property
    def title(self) -> str:
        return f"{target_title(self.target)}, {_VARIANTS.get(self.variant, self.variant)}: {level_title(self.level)}"

    @property
    def short(self) -> str:
        """For the header of a column."""
        return f"{self.target.removeprefix('asic:')} {self.variant}"

    @property
    def area_unit(self) -> str:
        return self.rows[0].area_unit


def groups(bench: Bench) -> list[Group]:
    """All groups, and the rows of each, in the order of the record."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for row in bench.rows:
        found.setdefault((row.level, row.target, row.variant), []).append(row)
    return [Group(target, variant, level, tuple(rows)) for (level, target, variant), rows in found.items()]


def target_title(target: str) -> str:
    """A target's name in prose."""
    if target.startswith("asic:"):
        return f"ASIC, {target.removeprefix('asic:')}"
    return TARGETS[target].title if target in TARGETS else target


def level_title(level: str) -> str:
    """A level's name in prose."""
    return _LEVELS.get(level, level)


def front(points: Sequence[tuple[float, ...]]) -> list[int]:
    """Indices of the points that no other is at least as good as everywhere and better somewhere; less is better."""
    def beaten(point: tuple[float, ...]) -> bool:
        return any(other != point and all(o <= p for o, p in zip(other, point, strict=True)) for other in points)

    return [index for index, point in enumerate(points) if not beaten(point)]
