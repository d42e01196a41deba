"""INT8 dot-product unit: the integer baseline."""

from __future__ import annotations

from gemmsmith.pe.integer import STRUCTURES, IntegerDot, IntegerElement
from gemmsmith.pe.rowscaled import SUM, RowScaledElement
from gemmsmith.schemes import Axis, Cadence, Int8, Operand

CODE = 8
"""Bits of a code."""


class Int8Element(IntegerElement, RowScaledElement):
    """``lanes`` INT8 × INT8 products a cycle, summed into a 32-bit accumulator; see ``IntegerDot`` for the options."""

    family = "int8"
    options = STRUCTURES

    def __init__(self, *, scheme: Int8, lanes: int = 16, pipelined: int = 1, multiplier: int = 0):
        self._integer(IntegerDot(lanes=lanes, pipelined=pipelined, multiplier=multiplier, a_width=CODE, w_width=CODE,
                                 result_width=SUM))
        codes = CODE * lanes
        self._scaled(scheme, Operand(name="a_codes", axis=Axis.ROW, width=codes, cadence=Cadence.BEAT,
                                     doc="INT8 codes, lane 0 lowest"),
                     Operand(name="w_codes", axis=Axis.COLUMN, width=codes, cadence=Cadence.BEAT,
                             doc="INT8 codes, lane 0 lowest"))
        self.group = lanes
