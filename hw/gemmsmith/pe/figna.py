"""FIGNA bit-parallel unit: pre-aligned activations × INT4 weights, several products a cycle."""

from __future__ import annotations

from gemmsmith.arith.float_totals import TAIL_LOOP
from gemmsmith.arith.sum import levels
from gemmsmith.pe.integer import STRUCTURES, IntegerDot, IntegerElement
from gemmsmith.pe.prealigned import LANES, WEIGHT, PrealignedElement
from gemmsmith.schemes import Axis, Cadence, Figna, Operand


class FignaElement(IntegerElement, PrealignedElement):
    """``lanes`` products a cycle: a group of 64 takes 64 / ``lanes`` cycles; see ``IntegerDot`` for the core's options.

    Parameters
    ----------
    tail_loop: cycles from a result of a core to its next one, 4 or 8: groups of that many beats or more never wait for
        the tail, which takes a result of another core every cycle. The longer loop allows a higher clock.

    Raises
    ------
    ValueError if a parameter is out of its range.
    """

    family = "figna"
    scheme: Figna
    options = {**STRUCTURES, "tail_loop": TAIL_LOOP}

    def __init__(self, *, scheme: Figna, lanes: int = 16, pipelined: int = 1, multiplier: int = 0, tail_loop: int = 4):
        code = scheme.m + 1
        self._integer(IntegerDot(lanes=lanes, pipelined=pipelined, multiplier=multiplier, a_width=code, w_width=WEIGHT,
                                 result_width=scheme.m + WEIGHT + levels(LANES)))
        activations = Operand(name="a_codes", axis=Axis.ROW, width=code * lanes, cadence=Cadence.BEAT,
                              doc=f"signed mantissas of {code} bits, two's complement, lane 0 lowest")
        weights = Operand(name="w_codes", axis=Axis.COLUMN, width=WEIGHT * lanes, cadence=Cadence.BEAT,
                          doc="INT4 codes, two's complement, lane 0 lowest")
        self._scaled(scheme, activations, weights, point=scheme.m, tail_loop=tail_loop)
