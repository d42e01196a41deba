"""What static timing finds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["KINDS", "TimingPath", "TimingResult", "TimingStep"]

KINDS = ("reg-to-reg", "in-to-reg", "reg-to-out", "in-to-out")
"""Where paths begin and end; "reg" is a flip-flop (or, as an end, a clock gate), "in" and "out" are ports."""


@dataclass(frozen=True)
class TimingStep:
    """One stage of a path: from a transition at the input ``pin`` of an instance to that of the net it drives.

    The last step of a path to a flip-flop is its setup time; ``edge`` is then that of its data.
    """

    kind: str
    """``"clk-to-q"``, ``"logic"`` or ``"setup"``."""
    instance: str
    cell: str
    """Name of the library cell."""
    pin: str
    """Input of the instance through which the path comes."""
    net: str
    """What the instance drives, hierarchical: the register or signal in the source as far as its name survived."""
    edge: str
    """Of that net: ``"rise"`` or ``"fall"``."""
    arrival_ps: float
    """Since the clock edge, with this step."""
    delay_ps: float

    def to_dict(self) -> dict[str, Any]:
        """As in the benchmark file: ``cell``, ``name`` (the net), ``delay_ns`` and ``kind``."""
        return {"cell": self.cell, "name": self.net, "delay_ns": self.delay_ps / 1000, "kind": self.kind}


@dataclass(frozen=True)
class TimingPath:
    """The longest path of one kind."""

    kind: str
    """Of `KINDS`."""
    delay_ns: float
    """With setup time (and clock uncertainty) where it ends at a flip-flop."""
    steps: tuple[TimingStep, ...]


@dataclass(frozen=True, kw_only=True)
class TimingResult:
    """Longest paths of a netlist; see `static_timing` for what is and is not in them."""

    paths: Mapping[str, TimingPath]
    """Kind → longest path; kinds that do not occur are missing."""
    clock: str | None
    """Port that clocks all flip-flops; ``None`` if there is none."""
    input_slew_ps: float
    """Transition time at inputs and clock pins."""
    output_load_ff: float

    @property
    def critical(self) -> TimingPath:
        """The path between flip-flops; in a unit without any, the longest of the other kinds."""
        if "reg-to-reg" in self.paths:
            return self.paths["reg-to-reg"]
        return max(self.paths.values(), key=lambda path: path.delay_ns)

    @property
    def critical_path_ns(self) -> float:
        """Least clock period: clock to output, logic and setup of ``critical``."""
        return self.critical.delay_ns

    @property
    def fmax_mhz(self) -> float:
        """Clock frequency at that period."""
        return 1000 / self.critical_path_ns

    @property
    def path(self) -> tuple[TimingStep, ...]:
        """Steps of ``critical``."""
        return self.critical.steps
