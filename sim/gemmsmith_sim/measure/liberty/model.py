"""A cell library as values: what synthesis, static timing and energy need of Liberty files.

Everything is in one set of units, whatever the files use: ps, fF, fJ, nW, µm², V. Terms are those of the
Liberty Reference Manual (Synopsys, open standard).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

__all__ = ["Cell", "ClockGate", "FlipFlop", "Latch", "Library", "Pin", "Power", "Table", "Timing", "interpolate"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Table:
    """A function of two variables by its values on a grid; an axis of one point means "does not depend".

    The order of the axes does not depend on the file:

    - delays, transitions, energies: ``index_1`` is the transition time at the input (ps), ``index_2`` the
      capacitance at the output (fF);
    - setup and hold: ``index_1`` is the transition time of the data, ``index_2`` that of the clock (ps).
    """

    index_1: Floats
    index_2: Floats
    values: Floats
    """Shape ``(len(index_1), len(index_2))``; ps for timing, fJ for energy."""

    def lookup(self, first: npt.ArrayLike, second: npt.ArrayLike = 0.0) -> Floats:
        """Bilinear interpolation at points that broadcast; outside the grid its outermost cells continue."""
        return interpolate(self.index_1, self.index_2, self.values, np.asarray(first), np.asarray(second))


def interpolate(index_1: Floats, index_2: Floats, values: Floats, first: Floats, second: Floats) -> Floats:
    """`Table.lookup` in a stack of tables with one grid.

    ``values`` has shape ``(..., len(index_1), len(index_2))``; its leading axes broadcast with the points.
    """
    stack: tuple[npt.NDArray[np.intp], ...] = tuple(np.indices(values.shape[:-2], sparse=True))
    low_1, high_1, part_1 = _segment(index_1, first)
    low_2, high_2, part_2 = _segment(index_2, second)
    low = values[(*stack, low_1, low_2)] * (1 - part_2) + values[(*stack, low_1, high_2)] * part_2
    high = values[(*stack, high_1, low_2)] * (1 - part_2) + values[(*stack, high_1, high_2)] * part_2
    return np.asarray(low * (1 - part_1) + high * part_1)


def _segment(index: Floats, points: Floats) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Floats]:
    """Grid points below and above, and how far between them; negative or above 1 outside the grid."""
    if len(index) == 1:
        zero = np.zeros(points.shape, np.intp)
        return zero, zero, np.zeros(points.shape)
    low = np.clip(np.searchsorted(index, points, side="right") - 1, 0, len(index) - 2)
    return low, low + 1, np.asarray((points - index[low]) / (index[low + 1] - index[low]))


@dataclass(frozen=True)
class Timing:
    """One ``timing`` group of a pin: an arc from ``related_pin`` to the pin, or a constraint between them."""

    related_pin: str
    timing_type: str
    """``"combinational"``, ``"rising_edge"``, ``"setup_rising"`` ..., as in Liberty."""
    sense: str
    """``"positive_unate"``, ``"negative_unate"`` or ``"non_unate"``; from the function where not given."""
    when: str | None
    """The condition under which the arc holds; ``None``: always."""
    cell_rise: Table | None
    cell_fall: Table | None
    rise_transition: Table | None
    fall_transition: Table | None
    rise_constraint: Table | None
    fall_constraint: Table | None


@dataclass(frozen=True)
class Power:
    """One ``internal_power`` group: energy inside the cell per transition of its pin.

    Groups that name a ground pin are left out: they see the same current from the other rail.
    """

    related_pin: str | None
    """The input whose transition causes that of the output; ``None`` on an input: the pin's own."""
    when: str | None
    rise: Table | None
    fall: Table | None


@dataclass(frozen=True)
class Pin:
    """A signal pin of a cell."""

    name: str
    direction: str
    """``"input"``, ``"output"`` or ``"inout"``."""
    capacitance_ff: float
    capacitance_rise_ff: float
    capacitance_fall_ff: float
    function: str | None
    """Of an output, as written in the file (see `expression.parse`); ``None`` if there is none, and for
    three-state outputs."""
    clock: bool
    max_capacitance_ff: float | None
    timings: tuple[Timing, ...] = ()
    powers: tuple[Power, ...] = ()


@dataclass(frozen=True)
class FlipFlop:
    """The ``ff`` group of a cell. Expressions are of input pins, as written in the file."""

    clocked_on: str
    next_state: str
    clear: str | None
    preset: str | None
    outputs: Mapping[str, str]
    """Output pin → ``"IQ"`` (the state) or ``"IQN"`` (its complement), whatever the file calls them."""


@dataclass(frozen=True)
class Latch:
    """The ``latch`` group of a cell, like `FlipFlop`."""

    enable: str
    data_in: str
    clear: str | None
    preset: str | None
    outputs: Mapping[str, str]


@dataclass(frozen=True)
class ClockGate:
    """What makes a cell an integrated clock gate: ``output`` is ``clock`` in the periods that it lets pass."""

    kind: str
    """``clock_gating_integrated_cell`` of the file, such as ``"latch_posedge_precontrol"``."""
    clock: str
    """Name of a pin, as all that follows."""
    enable: str
    test: str | None
    """Lets the clock pass as ``enable`` does; ``None`` if there is none."""
    output: str

    @property
    def latched(self) -> bool:
        """Whether it is for the rising edge and has a latch, and no pin to observe: what synthesis uses."""
        return self.kind in ("latch_posedge", "latch_posedge_precontrol", "latch_posedge_postcontrol")

    @property
    def passes(self) -> str:
        """What must be 1 before a rising edge to let it pass, of a gate for the rising edge."""
        return self.enable if self.test is None else f"{self.enable} | {self.test}"


@dataclass(frozen=True)
class Cell:
    """One cell; ``ff``, ``latch`` and ``clock_gate`` are ``None`` in combinational cells."""

    name: str
    area: float
    """µm²."""
    leakage_nw: float
    """The file's figure for the whole cell, else the mean over the states that it lists."""
    pins: Mapping[str, Pin]
    ff: FlipFlop | None
    latch: Latch | None
    dont_use: bool
    """Synthesis must not choose it: by the file, or by our table of named libraries."""
    clock_gate: ClockGate | None = None

    @property
    def inputs(self) -> tuple[Pin, ...]:
        """Input pins in the file's order."""
        return tuple(pin for pin in self.pins.values() if pin.direction == "input")

    @property
    def outputs(self) -> tuple[Pin, ...]:
        """Output pins in the file's order."""
        return tuple(pin for pin in self.pins.values() if pin.direction == "output")


@dataclass(frozen=True)
class Library:
    """The cells of one or several Liberty files that belong together."""

    name: str
    cells: Mapping[str, Cell]
    voltage: float
    """V."""
    max_transition_ps: float | None
    sha256: str
    """Of the decompressed files, in any order."""
    files: tuple[str, ...] = field(default=(), compare=False)
    """Where it was read from."""

    def cell(self, name: str) -> Cell:
        """The cell of this name; raises ``ValueError`` if there is none."""
        if name not in self.cells:
            raise ValueError(f"library {self.name!r} has no cell {name!r}")
        return self.cells[name]
