"""XR-NPE: dot products of posits of 16, 8 or 4 bits, or of FP4, chosen at run time, in an exact quire."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value

from gemmsmith.arith.lane_product import CUTS, LaneMultiplier
from gemmsmith.arith.lane_quire import WORDS, LaneQuire
from gemmsmith.arith.posit_lanes import LANES, Chosen, Decoded, LaneDecoder
from gemmsmith.arith.quire_resolve import ResultWord
from gemmsmith.arith.sum import delay
from gemmsmith.pe.base import Core, Edge, ProcessingElement, Tail
from gemmsmith.pe.xrnpe_readout import ReadOut
from gemmsmith.schemes import Axis, Cadence, Operand, Part, XrNpe
from gemmsmith.schemes.base import OUTPUTS
from gemmsmith.schemes.xrnpe import BITS, FORMATS

ALL = (1 << len(FORMATS)) - 1


class XrNpeElement(ProcessingElement):
    """One product of Posit(16, 1), two of Posit(8, 0) or four of 4 bits a cycle, added exactly.

    Edges decode, once per row and column. Cores multiply, shift and add; sums are rounded in the tail alone.

    Parameters
    ----------
    formats: of operands, that the build computes: 1 FP4, 2 Posit(4, 1), 4 Posit(8, 0), 8 Posit(16, 1), or the sum of
        some of these. The scheme's is one of them. Hardware for the others is left out, for comparison.
    sums: of the multiplier's rows between its two stages, 2 or 4: 4 for a faster clock and 27 registers more.

    Raises
    ------
    ValueError if a parameter is out of its range, or ``formats`` lacks the scheme's.
    """

    family = "xrnpe"
    scheme: XrNpe
    options = {"formats": "operands' formats: sum of 1 (fp4), 2 (posit4), 4 (posit8) and 8 (posit16)",
               "sums": "of rows between the multiplier's stages: 2, or 4 for a faster clock"}

    def __init__(self, *, scheme: XrNpe, formats: int = ALL, sums: int = 2):
        if formats not in range(1, ALL + 1):
            raise ValueError(f"formats must be 1..{ALL}, not {formats!r}")
        self.present = tuple(name for n, name in enumerate(FORMATS) if formats >> n & 1)
        if scheme.format not in self.present:
            raise ValueError(f"formats must have {1 << FORMATS.index(scheme.format)}, that of {scheme.short}, "
                             f"not be {formats}")
        if sums not in CUTS:
            raise ValueError(f"sums must be one of {', '.join(map(str, CUTS))}, not {sums!r}")
        self.scheme = scheme
        self.sums = sums
        self.formats = formats
        width = LANES * BITS["fp4"]
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
        self.group = LANES
        self.result = Cadence.BLOCK
        self.result_width, self.result_words = ResultWord.size, WORDS
        self.row_payload = self.column_payload = Decoded
        self.edge_latency = LaneDecoder.latency + 1
        self.core_latency = LaneMultiplier.latency + LaneQuire.latency
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
        return ReadOut(self, share)


class XrNpeEdge(Edge):
    """Decodes a word for all cores behind it, which keep their operands between beats. The flag says NaR."""

    pe: XrNpeElement

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        row = self.axis is Axis.ROW
        m.submodules.decoder = decoder = LaneDecoder()
        ctl = delay(m, self.ctl, decoder.latency, name="ctl")
        formats = Signal(Chosen)
        word, held = Signal(Decoded), Signal(Decoded, reset_less=True)
        m.d.comb += word.eq(decoder.o)
        if not row:  # complements of gates are what leaves want, as they come from registers
            m.d.comb += word.significand.eq(~decoder.o.significand)
        with m.If(ctl.valid):
            m.d.sync += held.eq(word)
        m.d.sync += self.flag.eq(ctl.valid & decoder.o.lanes.nar.any())
        m.d.comb += [decoder.i.eq(self.a_codes if row else self.w_codes),
                     formats.eq(self.pe.chosen(self.mode)), decoder.formats.eq(formats),
                     decoder.enable.eq(self.ctl.valid), self.o.eq(held)]
        if row:
            m.d.sync += self.ctl_o.eq(ctl)
        return m


class XrNpeCore(Core):
    """Multiplies and adds to the quire; a lane that has met a NaR says so."""

    pe: XrNpeElement

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.multiplier = multiplier = LaneMultiplier(sums=self.pe.sums)
        m.submodules.quire = quire = LaneQuire()
        # As single bits, conditions fit the datapath's tables.
        formats = Signal(Chosen)
        m.d.sync += formats.eq(self.pe.chosen(self.mode))
        valid = delay(m, self.ctl.valid, multiplier.latency, name="valid")
        first = delay(m, self.ctl.first, multiplier.latency, name="first", reset_less=True)
        m.d.comb += [multiplier.formats.eq(formats), multiplier.a.eq(self.a),
                     multiplier.w.eq(self.w), multiplier.w.significand.eq(~self.w.significand),
                     quire.formats.eq(formats), quire.valid.eq(valid), quire.first.eq(first), quire.i.eq(multiplier.o)]
        nar = delay(m, self.a.lanes.nar | self.w.lanes.nar, multiplier.latency + quire.latency - 1, name="nar",
                    reset_less=True)
        met = Signal(LANES, reset_less=True)
        with m.If(quire.taken):
            m.d.sync += met.eq(nar | (met & ~quire.starts.replicate(LANES)))
        words = [Cat(quire.o[k].sum, quire.o[k].carry, met[k]) for k in range(WORDS)]
        m.d.comb += self.o.eq(Cat(words))
        return m
