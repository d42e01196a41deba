"""From the groups of a Liberty file to cells, in our units."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from .expression import unateness
from .model import Cell, ClockGate, FlipFlop, Floats, Latch, Library, Pin, Power, Table, Timing
from .parser import Group, unquote

__all__ = ["build_library"]

_SI = {"a": -18, "f": -15, "p": -12, "n": -9, "u": -6, "m": -3, "": 0}
_FIRST = {"input_net_transition", "input_transition_time", "constrained_pin_transition"}
_SECOND = {"total_output_net_capacitance", "related_pin_transition"}
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def build_library(library: Group, file: str, sha256: str) -> Library:
    """The library that one file describes.

    Raises
    ------
    ValueError
        If units are missing, or tables have variables or sizes that do not fit; with ``file``.
    """
    attributes = library.attributes
    voltage_unit = _unit(attributes, "voltage_unit", "", file)
    capacitance = _capacitance_unit(attributes, file)
    builder = _Builder(
        file=file,
        time=_unit(attributes, "time_unit", "p", file),
        capacitance=capacitance,
        leakage=_unit(attributes, "leakage_power_unit", "n", file),
        energy=capacitance * voltage_unit**2,
        default_capacitance=float(attributes.get("default_input_pin_cap", 0)),
        templates={name: group for group in library.groups if "template" in group.kind for name in group.names},
    )
    transition = attributes.get("default_max_transition")
    return Library(
        name=library.names[0],
        cells={cell.name: cell for cell in map(builder.cell, library.all("cell"))},
        voltage=float(attributes["nom_voltage"]) * voltage_unit,
        max_transition_ps=float(transition) * builder.time if transition else None,
        sha256=sha256,
        files=(file,),
    )


@dataclass
class _Builder:
    """One file's units and templates, and what is made with them."""

    file: str
    time: float
    """ps in the file's unit; likewise ``capacitance`` (fF), ``leakage`` (nW) and ``energy`` (fJ)."""
    capacitance: float
    leakage: float
    energy: float
    default_capacitance: float
    templates: Mapping[str, Group]
    axes: dict[tuple[str, float], Floats] = field(default_factory=dict)
    """Index arrays by text and unit: a library repeats a handful of them thousands of times."""

    def cell(self, group: Group) -> Cell:
        ground = {
            name
            for pin in group.all("pg_pin")
            if "ground" in pin.attributes.get("pg_type", "")
            for name in pin.names
        }
        states = next(group.all("ff", "latch"), Group("", ""))
        clock = states.attributes.get("clocked_on", states.attributes.get("enable", ""))
        pins = {
            name: self.pin(name, pin, ground, clock)
            for pin in group.all("pin")
            for name in pin.names
            if pin.attributes.get("direction") != "internal"
        }
        clear, preset = states.attributes.get("clear"), states.attributes.get("preset")
        outputs = _state_outputs(states, pins)
        ff = latch = None
        if states.kind == "ff":
            ff = FlipFlop(clock, states.attributes["next_state"], clear, preset, outputs)
        elif states.kind == "latch":
            latch = Latch(clock, states.attributes["data_in"], clear, preset, outputs)
        return Cell(
            name=group.names[0],
            area=float(group.attributes.get("area", 0)),
            leakage_nw=self.leakage * _leakage(group, ground),
            pins=pins,
            ff=ff,
            latch=latch,
            dont_use=group.attributes.get("dont_use") == "true",
            clock_gate=_clock_gate(group, pins),
        )

    def pin(self, name: str, group: Group, ground: set[str], clock: str) -> Pin:
        attributes = group.attributes
        direction = attributes.get("direction", "input")
        function = None if "three_state" in attributes else attributes.get("function")
        capacitance = float(attributes.get("capacitance", self.default_capacitance if direction == "input" else 0))
        rise, fall = (float(attributes.get(f"{edge}_capacitance", capacitance)) for edge in ("rise", "fall"))
        limit = attributes.get("max_capacitance")
        return Pin(
            name=name,
            direction=direction,
            capacitance_ff=capacitance * self.capacitance,
            capacitance_rise_ff=rise * self.capacitance,
            capacitance_fall_ff=fall * self.capacitance,
            function=function,
            clock=attributes.get("clock") == "true" or clock.strip("!'() ") == name,
            max_capacitance_ff=float(limit) * self.capacitance if limit else None,
            timings=tuple(timing for inner in group.all("timing") for timing in self.timings(inner, function)),
            powers=tuple(
                power
                for inner in group.all("internal_power")
                if unquote(inner.attributes.get("related_pg_pin", "")) not in ground
                for power in self.powers(inner)
            ),
        )

    def timings(self, group: Group, function: str | None) -> Iterator[Timing]:
        kind = group.attributes.get("timing_type", "combinational")
        tables = {
            name: self.optional_table(group, name, self.time)
            for edge in ("rise", "fall")
            for name in (f"cell_{edge}", f"{edge}_transition", f"{edge}_constraint")
        }
        for related in group.attributes.get("related_pin", "").split():
            sense = group.attributes.get("timing_sense", "non_unate")
            if "timing_sense" not in group.attributes and function and kind.startswith("combinational"):
                sense = unateness(function, related)
            yield Timing(related, kind, sense, group.attributes.get("when"), **tables)

    def powers(self, group: Group) -> Iterator[Power]:
        rise, fall = (
            self.optional_table(group, f"{edge}_power", self.energy) or self.optional_table(group, "power", self.energy)
            for edge in ("rise", "fall")
        )
        for related in group.attributes.get("related_pin", "").split() or [""]:
            yield Power(related or None, group.attributes.get("when"), rise, fall)

    def optional_table(self, parent: Group, kind: str, unit: float) -> Table | None:
        return next((self.table(group, unit) for group in parent.all(kind)), None)

    def table(self, group: Group, unit: float) -> Table:
        """A lookup table, its axes in the order of `Table`; ``unit`` is that of its values."""
        template = self.templates.get(unquote(group.arguments), Group("", ""))
        texts = {**template.attributes, **group.attributes}
        first = second = self.axis("0", 1)
        names = [texts[name] for name in ("variable_1", "variable_2") if name in texts]
        order = [self.axis_of(group, name) for name in names] or [0, 1]  # of the file's axes among those of `Table`
        for axis, index in zip(order, ("index_1", "index_2"), strict=False):
            constraint = group.kind.endswith("_constraint")
            points = self.axis(texts.get(index, "0"), self.capacitance if axis and not constraint else self.time)
            first, second = (first, points) if axis else (points, second)
        values = _numbers(texts.get("values", "")) * unit
        if values.size != first.size * second.size:
            raise ValueError(
                f"{self.file}: {group.kind} ({group.arguments}) must have {first.size} x {second.size} values, "
                f"not {values.size}"
            )
        shape = (first.size, second.size)
        return Table(first, second, values.reshape(shape[::-1]).T if order == [1, 0] else values.reshape(shape))

    def axis_of(self, group: Group, variable: str) -> int:
        if variable not in _FIRST | _SECOND:
            known = ", ".join(sorted(_FIRST | _SECOND))
            raise ValueError(f"{self.file}: variables of {group.arguments} must be of {known}, not {variable!r}")
        return int(variable in _SECOND)

    def axis(self, text: str, unit: float) -> Floats:
        key = (text, unit)
        if key not in self.axes:
            self.axes[key] = _numbers(text) * unit
        return self.axes[key]


def _numbers(text: str) -> Floats:
    return np.array(_NUMBER.findall(text), np.float64)


def _state_outputs(states: Group, pins: Mapping[str, Pin]) -> dict[str, str]:
    """Output pin → ``"IQ"`` or ``"IQN"``, for pins that are just the state or its complement."""
    names = dict(zip(states.names, ("IQ", "IQN"), strict=False))
    functions = {pin.name: (pin.function or "").strip("() ") for pin in pins.values()}
    return {name: names[function] for name, function in functions.items() if function in names}


def _leakage(group: Group, ground: set[str]) -> float:
    """In the file's unit: the cell's figure, or that without a condition, or the mean over the states."""
    if "cell_leakage_power" in group.attributes:
        return float(group.attributes["cell_leakage_power"])
    states = [
        state.attributes
        for state in group.all("leakage_power")
        if unquote(state.attributes.get("related_pg_pin", "")) not in ground
    ]
    values = [float(state["value"]) for state in states if "when" not in state]
    values = values or [float(state["value"]) for state in states]
    return sum(values) / len(values) if values else 0.0


def _clock_gate(cell: Group, pins: Mapping[str, Pin]) -> ClockGate | None:
    """What the attributes of a cell and its pins say; a pin that none marks is the only one that is left for it."""
    kind = cell.attributes.get("clock_gating_integrated_cell")
    if kind is None:
        return None
    marked = {role: name for pin in cell.all("pin") for name in pin.names
              for role in ("clock", "enable", "test", "out") if pin.attributes.get(f"clock_gate_{role}_pin") == "true"}
    left = {name: pin for name, pin in pins.items() if name not in marked.values()}
    kinds = {"clock": [name for name, pin in left.items() if pin.clock],
             "enable": [name for name, pin in left.items() if pin.direction == "input" and not pin.clock],
             "out": [name for name, pin in left.items() if pin.direction == "output"]}
    for role, names in kinds.items():
        if role not in marked and len(names) == 1:
            marked[role] = names[0]
    if not kinds.keys() <= marked.keys():
        return None
    return ClockGate(kind, marked["clock"], marked["enable"], marked.get("test"), marked["out"])


def _unit(attributes: Mapping[str, str], name: str, ours: str, file: str) -> float:
    """In the unit with our prefix: ``time_unit : "10ns"`` is 1e4 with ``"p"``."""
    match = re.fullmatch(r"([\d.]+)\s*([afpnum]?)[sSvVwW]", attributes.get(name, ""))
    if match is None:
        raise ValueError(f"{file}: {name} must be a number and a unit, such as 1ps, not {attributes.get(name)!r}")
    return float(match[1]) * 10.0 ** (_SI[match[2]] - _SI[ours])


def _capacitance_unit(attributes: Mapping[str, str], file: str) -> float:
    """In fF: ``capacitive_load_unit (1, pf)`` is 1000."""
    text = attributes.get("capacitive_load_unit", "").replace('"', "")
    match = re.fullmatch(r"\s*([\d.]+)\s*,\s*([fpnuFPNU])[fF]\s*", text)
    if match is None:
        raise ValueError(f"{file}: capacitive_load_unit must be a number and a unit, such as (1, ff), not {text!r}")
    return float(match[1]) * 10.0 ** (_SI[match[2].lower()] - _SI["f"])
