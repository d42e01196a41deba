"""Standard-cell libraries in Liberty format: read them, find them by name, evaluate their functions.

For example::

    cells = library("asap7")                          # or load_liberty(Path("cells.lib.gz"))
    delay = cells.cells["NAND2x2_ASAP7_75t_R"].pins["Y"].timings[0].cell_rise.lookup(slew_ps, load_ff)
    word = parse("!(A & B)").evaluate({"A": a, "B": b})
"""

from .expression import Expression, parse, unateness
from .load import load_liberty
from .model import Cell, ClockGate, FlipFlop, Latch, Library, Pin, Power, Table, Timing
from .named import LIBRARIES, NamedLibrary, library

__all__ = [
    "LIBRARIES",
    "Cell",
    "ClockGate",
    "Expression",
    "FlipFlop",
    "Latch",
    "Library",
    "NamedLibrary",
    "Pin",
    "Power",
    "Table",
    "Timing",
    "library",
    "load_liberty",
    "parse",
    "unateness",
]
