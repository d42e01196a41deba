"""ANT: 4-bit codes whose type is chosen at run time, decoded at the array's edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Signal, Value, signed

from gemmsmith.arith.sum import invert_signs
from gemmsmith.arith.terms import Term, accumulated, count_ones, ones_width, term_bits, terms_of
from gemmsmith.pe.base import Core, Edge, HeldEdge
from gemmsmith.pe.integer import STRUCTURES, IntegerDot, IntegerElement, StagedCore
from gemmsmith.pe.rowscaled import SUM, RowScaledElement
from gemmsmith.schemes import Ant, Axis, Cadence, Operand
from gemmsmith.schemes.ant import NUMBERS, type_bits

CODE = 4
"""Bits of a code."""
TYPES = tuple(NUMBERS)
BITS = {4: 1, 6: 3, 8: 4}
"""Bits of a decoded number → how many of ``TYPES``, from the first, fit."""


class AntElement(IntegerElement, RowScaledElement):
    """``lanes`` products a cycle of numbers that edges decode, summed by bit planes into a 32-bit accumulator.

    The run-time mode is the type of the activations plus that of the weights times the number of types that the build
    knows; types are int, float, flint, pot, from 0.

    Parameters
    ----------
    lanes: products per cycle and core, a power of two from 1 to 64.
    bits: bits of a decoded number: 4 (int alone), 6 (float and flint, too), 8 (powers of two, too), or 0 for as many
        as the scheme needs.
    pipelined: 1: carry chains with a register behind every level, for FPGAs; 0: weights as few terms
        ±2^n, summed in a single stage, for standard cells.

    Raises
    ------
    ValueError if a parameter is out of its range, or the scheme's types do not fit ``bits``.
    """

    family = "ant"
    scheme: Ant
    options = {"lanes": STRUCTURES["lanes"],
               "bits": "bits of a decoded number: 4 (int), 6 (also float, flint), 8 (also pot); 0: as the scheme needs",
               "pipelined": STRUCTURES["pipelined"]}

    def __init__(self, *, scheme: Ant, lanes: int = 16, bits: int = 0, pipelined: int = 1):
        needed = max(type_bits(scheme.a), type_bits(scheme.w))
        if bits not in (0, *BITS) or 0 < bits < needed:
            raise ValueError(f"bits must be 0, or {', '.join(str(b) for b in BITS if b >= needed)} for a={scheme.a} "
                             f"w={scheme.w}, not {bits!r}")
        self.bits = bits or needed
        self._integer(IntegerDot(lanes=lanes, pipelined=pipelined, a_width=self.bits, w_width=self.bits,
                                 result_width=SUM))
        self.types = TYPES[:BITS[self.bits]]
        doc = "4-bit codes, lane 0 lowest"
        self._scaled(scheme,
                     Operand(name="a_codes", axis=Axis.ROW, width=CODE * lanes, cadence=Cadence.BEAT, doc=doc),
                     Operand(name="w_codes", axis=Axis.COLUMN, width=CODE * lanes, cadence=Cadence.BEAT, doc=doc))
        self.group = lanes
        self.terms = 3 if self.bits == 8 else 2
        if not pipelined:
            self.column_payload = Term.size * self.terms * lanes + ones_width(lanes, self.terms)
        self.modes = range(len(self.types) ** 2)

    @property
    def mode(self) -> int:
        return self.types.index(self.scheme.a) + len(self.types) * self.types.index(self.scheme.w)

    def row_edge(self) -> Edge:
        return AntEdge(self, Axis.ROW)

    def column_edge(self) -> Edge:
        return AntEdge(self, Axis.COLUMN)

    def core(self) -> Core:
        return StagedCore(self) if self.pipelined else AntTermCore(self)


class AntEdge(HeldEdge):
    """Row or column edge: decodes a word's codes; one register for all cores behind it.

    It holds activations in offset binary, and the complements of weights, as the leaves of some technologies want them,
    or the weights' terms and the ones that their complements lack.
    """

    pe: AntElement

    def word(self, m: Module) -> Value:
        pe, row = self.pe, self.axis is Axis.ROW
        known = len(pe.types)
        kind = Signal(range(max(2, known)))
        m.d.comb += kind.eq(Array(mode % known if row else mode // known for mode in pe.modes)[self.mode])
        if row:
            return invert_signs(self._decoded(self.a_codes, kind, pe.bits, int), pe.bits)
        if pe.pipelined:
            return ~self._decoded(self.w_codes, kind, pe.bits, int)
        width = pe.terms * Term.size
        weights = self._decoded(self.w_codes, kind, width, lambda number: term_bits(terms_of(number, pe.terms)))
        ones = count_ones([weights.word_select(lane, width) for lane in range(pe.lanes)], pe.terms)
        return Cat(weights, ones[:ones_width(pe.lanes, pe.terms)])

    def _decoded(self, codes: Value, kind: Value, width: int, bits_of: Callable[[int], int]) -> Value:
        """Each code as ``width`` bits, those of its number."""
        table = [Const(bits_of(number) % (1 << width), width) for name in self.pe.types for number in NUMBERS[name]]
        index = (len(table) - 1).bit_length()
        return Cat(Array(table)[Cat(codes.word_select(lane, CODE), kind)[:index]] for lane in range(self.pe.lanes))


class AntTermCore(Core):
    """Dot product of a beat by the terms of the weights, together with the accumulator."""

    pe: AntElement

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pe, width = self.pe, self.pe.terms * Term.size
        total = Signal(signed(SUM), reset_less=True)
        numbers = invert_signs(self.a, pe.bits)
        following = accumulated(
            m, [numbers.word_select(lane, pe.bits).as_signed() for lane in range(pe.lanes)],
            [self.w.word_select(lane, width) for lane in range(pe.lanes)], self.w[width * pe.lanes:], total,
            self.ctl.first)
        with m.If(self.ctl.valid):
            m.d.sync += total.eq(following)
        m.d.comb += self.o.eq(total)
        return m
