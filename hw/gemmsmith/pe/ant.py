"""ANT: 4-bit codes whose type is chosen at run time, decoded at the array's edges."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Signal, Value, signed

from gemmsmith.arith.dot import PlaneDot
from gemmsmith.arith.sum import delay, levels
from gemmsmith.arith.tech import leaf
from gemmsmith.pe.base import Core, Edge
from gemmsmith.pe.prealigned import invert_signs
from gemmsmith.pe.rowscaled import SUM, RowScaledElement
from gemmsmith.schemes import Ant, Axis, Cadence, Operand
from gemmsmith.schemes.ant import NUMBERS, type_bits

CODE = 4
"""Bits of a code."""
TYPES = tuple(NUMBERS)
BITS = {4: 1, 6: 3, 8: 4}
"""Bits of a decoded number → how many of ``TYPES``, from the first, fit."""


class AntElement(RowScaledElement):
    """``lanes`` products a cycle of numbers that edges decode, summed by bit planes into a 32-bit accumulator.

    The run-time mode is the type of the activations plus that of the weights times the number of types that the build
    knows; types are int, float, flint, pot, from 0.

    Parameters
    ----------
    lanes: products per cycle and core, a power of two from 1 to 64.
    bits: bits of a decoded number: 4 (int alone), 6 (float and flint, too), 8 (powers of two, too), or 0 for as many
        as the scheme needs.

    Raises
    ------
    ValueError if a parameter is out of its range, or the scheme's types do not fit ``bits``.
    """

    family = "ant"
    scheme: Ant
    options = {"lanes": "products per cycle and core: a power of two, 1..64",
               "bits": "bits of a decoded number: 4 (int), 6 (also float, flint), 8 (also pot); 0: as the scheme needs"}

    def __init__(self, *, scheme: Ant, lanes: int = 16, bits: int = 0):
        if lanes not in (1, 2, 4, 8, 16, 32, 64):
            raise ValueError(f"lanes must be a power of two from 1 to 64, not {lanes!r}")
        needed = max(type_bits(scheme.a), type_bits(scheme.w))
        if bits not in (0, *BITS) or 0 < bits < needed:
            raise ValueError(f"bits must be 0, or {', '.join(str(b) for b in BITS if b >= needed)} for a={scheme.a} "
                             f"w={scheme.w}, not {bits!r}")
        self.lanes = lanes
        self.bits = bits or needed
        self.types = TYPES[:BITS[self.bits]]
        doc = "4-bit codes, lane 0 lowest"
        self._scaled(scheme,
                     Operand(name="a_codes", axis=Axis.ROW, width=CODE * lanes, cadence=Cadence.BEAT, doc=doc),
                     Operand(name="w_codes", axis=Axis.COLUMN, width=CODE * lanes, cadence=Cadence.BEAT, doc=doc))
        self.group = lanes
        self.row_payload = self.column_payload = self.bits * lanes
        self.modes = range(len(self.types) ** 2)
        self.edge_latency = 1
        self.core_latency = levels(lanes) + levels(self.bits) + 1

    @property
    def mode(self) -> int:
        return self.types.index(self.scheme.a) + len(self.types) * self.types.index(self.scheme.w)

    def beats(self, mode: int) -> int:
        return 1

    def beats_signal(self, mode: Any) -> Any:
        return Const(1)

    def row_edge(self) -> Edge:
        return AntEdge(self, Axis.ROW)

    def column_edge(self) -> Edge:
        return AntEdge(self, Axis.COLUMN)

    def core(self) -> Core:
        return AntCore(self)


class AntEdge(Edge):
    """Row or column edge: decodes a word's codes; one register for all cores behind it.

    It holds activations in offset binary and the complements of weights, as the leaves of some technologies want them.
    """

    pe: AntElement

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        row = self.axis is Axis.ROW
        known = len(self.pe.types)
        kind = Signal(range(max(2, known)))
        m.d.comb += kind.eq(Array(mode % known if row else mode // known for mode in self.pe.modes)[self.mode])
        codes = self.a_codes if row else self.w_codes
        numbers = Cat(self._decoded(codes.word_select(lane, CODE), kind) for lane in range(self.pe.lanes))
        held = Signal.like(self.o, reset_less=True)
        with m.If(self.ctl.valid):
            m.d.sync += held.eq(invert_signs(numbers, self.pe.bits) if row else ~numbers)
        m.d.comb += self.o.eq(held)
        if row:
            m.d.sync += self.ctl_o.eq(self.ctl)
        return m

    def _decoded(self, code: Value, kind: Value) -> Value:
        """The number of a code, two's complement."""
        bits, types = self.pe.bits, self.pe.types
        if len(types) == 1:
            return code
        return Array(Const(number % (1 << bits), bits) for name in types for number in NUMBERS[name])[Cat(code, kind)]


class AntCore(Core):
    """Dot product of a beat, then accumulation over the block; beats that are not valid change nothing."""

    pe: AntElement

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pe = self.pe
        m.submodules.dot = dot = PlaneDot(lanes=pe.lanes, a_width=pe.bits, w_width=pe.bits)
        total = Signal(signed(SUM), reset_less=True)
        # Beats take effect in their order, and the first one clears: even ``valid`` needs no reset.
        valid = delay(m, self.ctl.valid, dot.latency, name="valid", reset_less=True)
        first = delay(m, self.ctl.first, dot.latency, name="first", reset_less=True)
        m.d.comb += [dot.a.eq(invert_signs(self.a, pe.bits)), dot.w.eq(~self.w), self.o.eq(total)]
        following = leaf("accumulate")(m, total, first, dot.o)
        with m.If(valid):
            m.d.sync += total.eq(following)
        return m
