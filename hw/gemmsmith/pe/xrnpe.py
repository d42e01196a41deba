"""XR-NPE: dot products of posits of 16, 8 or 4 bits, or of FP4, chosen at run time, in an exact quire."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data

from gemmsmith.arith.lane_product import CUTS, LaneMultiplier
from gemmsmith.arith.lane_quire import LaneQuire, quire_word
from gemmsmith.arith.lane_window import WORDS, LaneWindow
from gemmsmith.arith.posit_lanes import LANES, WORD, Chosen, Decoded, LaneDecoder
from gemmsmith.arith.sum import delay, used_above, used_stage
from gemmsmith.pe.base import Core, Edge, ProcessingElement, Tail
from gemmsmith.pe.xrnpe_readout import ReadOut
from gemmsmith.schemes import Axis, Cadence, Operand, Part, XrNpe
from gemmsmith.schemes.base import OUTPUTS
from gemmsmith.schemes.xrnpe import BITS, FORMATS

ALL = (1 << len(FORMATS)) - 1
UNITS = (1, 2, 4)


class XrNpeElement(ProcessingElement):
    """For each of ``units``, one product of Posit(16, 1), two of Posit(8, 0) or four of 4 bits a cycle, added exactly.

    With several units, a core is a dot product of as many words a cycle in one quire. Edges decode, once per row and
    column. Cores multiply, shift and add; sums are rounded in the tail alone.

    Parameters
    ----------
    formats: of operands, that the build computes: 1 FP4, 2 Posit(4, 1), 4 Posit(8, 0), 8 Posit(16, 1), or the sum of
        some of these. The scheme's is one of them. Hardware for the others is left out, for comparison.
    sums: of the multiplier's rows between its two stages, 2 or 4: 4 for a faster clock and 27 registers more.
    units: operand words of a beat, 1, 2 or 4.

    Raises
    ------
    ValueError if a parameter is out of its range, or ``formats`` lacks the scheme's.
    """

    family = "xrnpe"
    scheme: XrNpe
    options = {"formats": "operands' formats: sum of 1 (fp4), 2 (posit4), 4 (posit8) and 8 (posit16)",
               "sums": "of rows between the multiplier's stages: 2, or 4 for a faster clock",
               "units": "operand words of a beat, whose products one quire adds: 1, 2 or 4"}

    def __init__(self, *, scheme: XrNpe, formats: int = ALL, sums: int = 2, units: int = 1):
        if formats not in range(1, ALL + 1):
            raise ValueError(f"formats must be 1..{ALL}, not {formats!r}")
        self.present = tuple(name for n, name in enumerate(FORMATS) if formats >> n & 1)
        if scheme.format not in self.present:
            raise ValueError(f"formats must have {1 << FORMATS.index(scheme.format)}, that of {scheme.short}, "
                             f"not be {formats}")
        if sums not in CUTS:
            raise ValueError(f"sums must be one of {', '.join(map(str, CUTS))}, not {sums!r}")
        if units not in UNITS:
            raise ValueError(f"units must be one of {', '.join(map(str, UNITS))}, not {units!r}")
        self.scheme = scheme
        self.sums = sums
        self.units = units
        self.formats = formats
        width = WORD * units
        doc = "codes of 16, 8 or 4 bits, element 0 lowest"
        exponent = "signed exponent of the power of two that scales the row of"
        self.operands = (
            Operand(name="a_codes", axis=Axis.ROW, width=width, cadence=Cadence.BEAT, doc=doc),
            Operand(name="w_codes", axis=Axis.COLUMN, width=width, cadence=Cadence.BEAT, doc=doc),
            Operand(name="a_exponent", axis=Axis.ROW, width=8, cadence=Cadence.BLOCK, part=Part.TAIL,
                    doc=f"{exponent} A"),
            Operand(name="w_exponent", axis=Axis.COLUMN, width=8, cadence=Cadence.BLOCK, part=Part.TAIL,
                    doc=f"{exponent} W"),
        )
        self.group = LANES * units
        self.result = Cadence.BLOCK
        self.result_width, self.result_words = quire_word(units).size, WORDS
        self.row_payload = self.column_payload = data.ArrayLayout(Decoded, units)
        self.edge_latency = LaneDecoder.latency + 1
        self.core_latency = LaneMultiplier.latency + LaneWindow.latency + LaneQuire.latency(units)
        self.tail_latency = ReadOut.latency(scheme)
        self.tail_interval = WORDS
        self.modes = range(len(FORMATS) ** (1 if scheme.out in OUTPUTS else 2))

    @property
    def mode(self) -> int:
        """Of the operands' format; if outputs are codes, theirs, times four, is added."""
        out = 0 if self.scheme.out in OUTPUTS else FORMATS.index(self.scheme.out)
        return FORMATS.index(self.scheme.format) + len(FORMATS) * out

    def beats(self, mode: int) -> int:
        return BITS[FORMATS[mode % len(FORMATS)]] // BITS["fp4"]

    def chosen(self, mode: Value) -> Value:
        """The operands' format in ``mode``, as ``Chosen``; constants where only one is present."""
        def one_of(*names: str) -> Value:
            meant = [name for name in self.present if name in names]
            if not meant or meant == list(self.present):
                return Const(bool(meant), 1)
            return Cat(mode[:2] == FORMATS.index(name) for name in meant).any()

        return Cat(one_of("posit16"), one_of("posit8"), one_of("fp4", "posit4"), one_of("posit4", "posit8", "posit16"))

    def row_edge(self) -> Edge:
        return XrNpeEdge(self, Axis.ROW)

    def column_edge(self) -> Edge:
        return XrNpeEdge(self, Axis.COLUMN)

    def core(self) -> Core:
        return XrNpeCore(self)

    def tail(self, share: int) -> Tail:
        return ReadOut(self, share, units=self.units)


class XrNpeEdge(Edge):
    """Decodes a beat for all cores behind it, which keep their operands between beats. The flag says NaR."""

    pe: XrNpeElement

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        row = self.axis is Axis.ROW
        codes = self.a_codes if row else self.w_codes
        formats = Signal(Chosen)
        m.d.comb += formats.eq(self.pe.chosen(self.mode))
        ctl = delay(m, self.ctl, LaneDecoder.latency, name="ctl")
        nar = []
        for n in range(self.pe.units):
            m.submodules[f"decoder_{n}"] = decoder = LaneDecoder()
            m.d.comb += [decoder.i.eq(codes.word_select(n, WORD)), decoder.formats.eq(formats),
                         decoder.enable.eq(self.ctl.valid)]
            nar.append(decoder.o.lanes.nar.any())
            with m.If(ctl.valid):
                held = used_stage(m, _parts(decoder.o, formats, row), first=ctl.first, name=f"held_{n}")
            m.d.comb += self.o[n].eq(held)
        m.d.sync += self.flag.eq(ctl.valid & Cat(nar).any())
        if row:
            m.d.sync += self.ctl_o.eq(ctl)
        return m


def _parts(word: Any, formats: Any, row: bool) -> list[tuple[Value | None, Value]]:
    """A decoded word for ``used_stage``, in the order of ``Decoded``. Columns hold significands' complements, as gates
    are best with those in registers."""
    lanes = word.lanes
    return [(~formats.small, word.significand if row else ~word.significand), (formats.small, lanes.small),
            *(part for four in lanes.exponent for part in used_above(2, four, formats.posit)),
            (~formats.small, lanes.plus), (None, lanes.sign), (formats.posit, lanes.nar)]


class XrNpeCore(Core):
    """Multiplies and adds to the quire; a lane that has met a NaR says so."""

    pe: XrNpeElement

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.quire = quire = LaneQuire(units=self.pe.units)
        # As single bits, conditions fit the datapath's tables.
        formats = Signal(Chosen)
        m.d.sync += formats.eq(self.pe.chosen(self.mode))
        multiplied = delay(m, self.ctl.first, LaneMultiplier.latency, name="multiplied", reset_less=True)
        for n in range(self.pe.units):
            m.submodules[f"multiplier_{n}"] = multiplier = LaneMultiplier(sums=self.pe.sums)
            m.submodules[f"window_{n}"] = window = LaneWindow()
            m.d.comb += [multiplier.formats.eq(formats), multiplier.first.eq(self.ctl.first),
                         multiplier.a.eq(self.a[n]), multiplier.w.eq(self.w[n]),
                         multiplier.w.significand.eq(~self.w[n].significand),
                         window.formats.eq(formats), window.first.eq(multiplied), window.i.eq(multiplier.o),
                         quire.i[n].eq(window.o)]
        on_the_way = LaneMultiplier.latency + LaneWindow.latency
        words = [word.lanes for side in (self.a, self.w) for word in side]
        nar = Cat(Cat(lanes.nar[k] for lanes in words).any() for k in range(LANES))
        m.d.comb += [quire.formats.eq(formats), self.o.eq(quire.o),
                     quire.valid.eq(delay(m, self.ctl.valid, on_the_way, name="valid")),
                     quire.first.eq(delay(m, multiplied, LaneWindow.latency, name="first", reset_less=True)),
                     quire.nar.eq(delay(m, nar, on_the_way, name="nar", reset_less=True))]
        return m
