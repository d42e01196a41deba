"""Write what technology mapping needs of a library as one small Liberty file."""

from collections.abc import Iterable, Iterator

from .model import Cell, Library, Pin, Table, Timing

__all__ = ["mapping_liberty"]

_TABLES = ("cell_rise", "cell_fall", "rise_transition", "fall_transition")


def mapping_liberty(library: Library) -> str:
    """A Liberty file in ps and fF with the cells that may be used, their functions, pins and delays.

    Left out are cells that must not be used, latches, larger flip-flops of a kind, cells with an output that has no
    function, and what mapping does not look at: energy, leakage, constraints. So a library of many files and 46 MB is
    one file that is read in a second, and alike by Yosys and ABC, which differ in what they tolerate.
    """
    lines = [
        f'library ("{library.name}") {{',
        "delay_model : table_lookup;",
        'time_unit : "1ps";',
        'voltage_unit : "1V";',
        'leakage_power_unit : "1nW";',
        "capacitive_load_unit (1, ff);",
        f"nom_voltage : {library.voltage:g};",
    ]
    if library.max_transition_ps:
        lines.append(f"default_max_transition : {library.max_transition_ps:g};")
    small = _smallest_flip_flops(library)
    for cell in library.cells.values():
        if is_mappable(cell) and (cell.ff is None or cell.name in small):
            lines += _cell(cell)
    return "\n".join([*lines, "}", ""])


def _smallest_flip_flops(library: Library) -> set[str]:
    """For each kind of flip-flop its smallest cell, inverting or not, for Yosys does not size flip-flops.

    Left to itself it prefers an output that does not invert, whatever that costs.
    """
    best: dict[tuple[bool, bool, bool, int], Cell] = {}
    for cell in library.cells.values():
        if cell.ff and is_mappable(cell):
            kind = ("!" in cell.ff.clocked_on, bool(cell.ff.clear), bool(cell.ff.preset), len(cell.inputs))
            best[kind] = min(best.get(kind, cell), cell, key=lambda c: (c.area, c.name))
    return {cell.name for cell in best.values()}


def is_mappable(cell: Cell) -> bool:
    """Whether synthesis may use the cell for logic: a gate or a flip-flop whose outputs all have functions."""
    usable = not cell.dont_use and cell.latch is None and cell.clock_gate is None and bool(cell.outputs)
    return usable and all(pin.function for pin in cell.outputs)


def _cell(cell: Cell) -> Iterator[str]:
    yield f'cell ("{cell.name}") {{ area : {cell.area:g};'
    if cell.ff:
        yield f'ff (IQ, IQN) {{ clocked_on : "{cell.ff.clocked_on}"; next_state : "{cell.ff.next_state}";'
        yield from (f'{name} : "{value}";' for name in ("clear", "preset") if (value := getattr(cell.ff, name)))
        yield "}"
    for pin in cell.pins.values():
        yield from _pin(pin, cell)
    yield "}"


def _pin(pin: Pin, cell: Cell) -> Iterator[str]:
    yield f'pin ("{pin.name}") {{ direction : {pin.direction};'
    if pin.direction == "input":
        yield f"capacitance : {pin.capacitance_ff:g};"
        yield f"rise_capacitance : {pin.capacitance_rise_ff:g}; fall_capacitance : {pin.capacitance_fall_ff:g};"
    if pin.clock:
        yield "clock : true;"
    if pin.max_capacitance_ff:
        yield f"max_capacitance : {pin.max_capacitance_ff:g};"
    if pin.function:
        function = cell.ff.outputs.get(pin.name, pin.function) if cell.ff else pin.function
        yield f'function : "{function}";'
    for timing in pin.timings:
        if timing.timing_type == "combinational" and cell.ff is None:
            yield from _timing(timing)
    yield "}"


def _timing(timing: Timing) -> Iterator[str]:
    yield f'timing () {{ related_pin : "{timing.related_pin}"; timing_sense : {timing.sense};'
    for name in _TABLES:
        table: Table | None = getattr(timing, name)
        if table is not None:
            rows = ", ".join(f'"{_join(row)}"' for row in table.values)
            yield f'{name} () {{ index_1 ("{_join(table.index_1)}"); index_2 ("{_join(table.index_2)}");'
            yield f"values ({rows}); }}"
    yield "}"


def _join(numbers: Iterable[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)
