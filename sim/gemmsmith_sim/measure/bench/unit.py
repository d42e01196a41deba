"""What is measured: a build, and how its rows are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from gemmsmith.emit.config import BuildConfig, Level
from gemmsmith.schemes import FAMILIES

__all__ = ["Unit", "default_units"]

_TOP = "unit"
"""One name for every top: equal hardware gives equal text, and is measured once."""


@dataclass(frozen=True)
class Unit:
    """A build to be measured.

    Parameters
    ----------
    text: ``SCHEME[,key=value…]``, as typed; the unit's name.
    level: what of it is built.

    Raises
    ------
    ValueError
        From ``check``, if there is no such scheme or choice.
    """

    text: str
    level: Level

    @cached_property
    def config(self) -> BuildConfig:
        """The resolved build."""
        scheme, *pairs = self.text.split(",")
        choices: dict[str, str] = {}
        for pair in pairs:
            key, equals, value = pair.partition("=")
            if not (key and equals and value):
                raise ValueError(f"units are written SCHEME,key=value,…, not {self.text!r}")
            if key in ("level", "name"):
                raise ValueError(f"{self.text!r}: {key} is not a choice of a unit")
            if key in choices:
                raise ValueError(f"{self.text!r}: {key} is chosen twice")
            choices[key] = value
        return BuildConfig.resolve(scheme, {**choices, "level": self.level, "name": _TOP})

    @property
    def title(self) -> str:
        """Name and level."""
        return f"{self.text} ({self.level})"

    @property
    def emission(self) -> str:
        """Name of the job that writes its Verilog."""
        return f"emit {self.title}"

    def check(self) -> None:
        """Raises ``ValueError`` if there is no such unit."""
        _ = self.config

    @property
    def macs_per_cycle(self) -> float:
        """Peak multiply-accumulates per cycle of the whole unit."""
        pe = self.config.element()
        return pe.macs_per_cycle(pe.mode) * self.config.rows * self.config.cols

    @property
    def latency(self) -> int:
        """Cycles from the first beat of a block of one group until its output stands in the result buffer; of a core
        or engine, until its result."""
        pe = self.config.element()
        if self.level in ("engine", "core"):
            return pe.beats(pe.mode) - 1 + pe.core_latency + (pe.edge_latency if self.level == "engine" else 0)
        schedule = pe.schedule(groups=1, mode=pe.mode, share=self.config.tail_share)
        return schedule.beats - 1 + schedule.flush


def default_units(level: Level) -> Sequence[Unit]:
    """What is compared where nothing is named: of each family, the schemes it names for that."""
    return [Unit(scheme.short, level) for family in FAMILIES for scheme in family.compared()]
