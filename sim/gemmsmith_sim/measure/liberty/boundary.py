"""What stands around a unit that is measured alone, by its library: who drives its inputs, what loads its outputs."""

from collections.abc import Iterator
from dataclasses import dataclass

from .expression import parse
from .model import Cell, Library, Pin
from .write import is_mappable

__all__ = ["Boundary", "boundary", "constant_cell"]

_FANOUT = 4


@dataclass(frozen=True)
class Boundary:
    """Inputs and the clock come from ``driver``, outputs go to four inverters; the same rule for every library."""

    driver: str
    """The smallest buffer, an inverter where there is none."""
    output_load_ff: float
    """Four times the input of the smallest inverter."""
    input_slew_ps: float
    """Of the driver when it is loaded so and driven by its like."""


def boundary(library: Library) -> Boundary:
    """The boundary for a library; raises ``ValueError`` if it has no inverter that may be used."""
    inverters = sorted(_gates(library, "not"), key=_size)
    buffers = sorted(_gates(library, "pin"), key=_size)
    if not inverters:
        raise ValueError(f"library {library.name!r} must have an inverter that may be used")
    load = _FANOUT * inverters[0].inputs[0].capacitance_ff
    driver = (buffers or inverters)[0]
    slew = 0.0
    for _ in range(20):  # converges geometrically: a gate's output depends little on its input's transition
        slew = _output_slew(driver.outputs[0], slew, load)
    return Boundary(driver.name, load, slew)


def constant_cell(library: Library, value: int) -> tuple[str, str] | None:
    """Cell and pin that make a constant 0 or 1; ``None`` if the library has none."""
    found = [cell for cell in library.cells.values() if is_mappable(cell) and not cell.inputs and len(cell.outputs) == 1
             and parse(str(cell.outputs[0].function)) == parse(str(value))]  # fmt: skip
    return min(((cell.name, cell.outputs[0].name) for cell in found), default=None)


def _gates(library: Library, operator: str) -> Iterator[Cell]:
    """Usable cells of one input and one output whose function is ``A`` (``"pin"``) or ``!A`` (``"not"``)."""
    for cell in library.cells.values():
        if is_mappable(cell) and cell.ff is None and len(cell.inputs) == len(cell.outputs) == 1:
            function = parse(str(cell.outputs[0].function))
            if function.operator == operator and not any(inner.operands for inner in function.operands):
                yield cell


def _size(cell: Cell) -> tuple[float, float, str]:
    return cell.area, cell.inputs[0].capacitance_ff, cell.name


def _output_slew(pin: Pin, slew: float, load: float) -> float:
    tables = [table for timing in pin.timings for table in (timing.rise_transition, timing.fall_transition) if table]
    return max((float(table.lookup(slew, load)) for table in tables), default=0.0)
