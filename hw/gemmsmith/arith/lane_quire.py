"""The quire: exact sums of products, one of 128 bits, two of 64 or four of 32."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.lane_product import PART
from gemmsmith.arith.lane_window import WORD, WORDS, Addends
from gemmsmith.arith.posit_lanes import Chosen
from gemmsmith.arith.sum import delay
from gemmsmith.arith.tech import leaf
from gemmsmith.arith.tech.portable import stage

Words = data.ArrayLayout(WORD, WORDS)


def quire_word(units: int) -> data.StructLayout:
    """A word; what is still to be added to the next one of the same segment: the carries of the last beat, one for each
    adder; and whether a lane met a NaR."""
    return data.StructLayout({"sum": WORD, "carries": units, "nar": 1})


class LaneQuire(wiring.Component):
    """Adds what ``units`` words of products give to its segments, modulo their size. A beat a cycle; ``latency``: from
    four units on they are added to each other in a stage of their own.

    Parameters
    ----------
    units: a power of two.

    Members
    -------
    formats: In(Chosen), held while words are under way. valid: In(1). first: In(1), with ``valid``: the
        sums start from this beat.
    i: In(ArrayLayout(Addends, units)). nar: In(4), with ``i``: stays until the next ``first``.
    o: Out(ArrayLayout(quire_word(units), 4)), the least significant word first.
    """

    def __init__(self, *, units: int = 1) -> None:
        self.units = units
        super().__init__({"formats": In(Chosen), "valid": In(1), "first": In(1),
                          "i": In(data.ArrayLayout(Addends, units)), "nar": In(WORDS),
                          "o": Out(data.ArrayLayout(quire_word(units), WORDS))})

    @staticmethod
    def latency(units: int) -> int:
        """Cycles from a beat to the words with its products."""
        return 1 + int(units > 2)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        later = self.latency(self.units) - 1
        valid = delay(m, self.valid, later, name="valid")
        first = delay(m, self.first, later, name="first", reset_less=True)
        adders: list[SegmentAdder] = []

        def add(kept: Value, x: Value, **controls: Value) -> SegmentAdder:
            adder = SegmentAdder()
            m.submodules[f"adder_{len(adders)}"] = adder
            m.d.comb += [adder.formats.eq(self.formats), adder.kept.eq(kept), adder.x.eq(x),
                         *(getattr(adder, name).eq(value) for name, value in controls.items())]
            adders.append(adder)
            return adder

        sums = [unit.words for unit in self.i]
        while len(sums) > 1:
            sums = [add(x, y, signs=self.i[len(adders)].signs, valid=self.valid, first=self.first).o
                    for x, y in zip(sums[::2], sums[1::2], strict=True)]
        total = stage(m, Value.cast(sums[0]), registered=bool(later), name="units_sum")
        signs = delay(m, self.i[-1].signs, later, name="signs", reset_less=True)
        nar = delay(m, self.nar, later, name="nar", reset_less=True)
        held, met = Signal(Words, name="held", reset_less=True), Signal(WORDS, name="met", reset_less=True)
        quire = add(held, total, signs=signs, valid=valid, first=first, clear=first)
        carries = [adder.carries for adder in adders[:-1]]
        with m.If(valid):
            for k in range(WORDS):
                m.d.sync += held[k][:PART].eq(quire.o[k][:PART])
                with m.If(quire.changes[k]):
                    m.d.sync += held[k][PART:].eq(quire.o[k][PART:])
            with m.If(first | self.formats.posit):
                m.d.sync += met.eq(nar | met & ~first.replicate(WORDS))
            if later:
                carries = [stage(m, value, registered=True, name=f"left_{n}") for n, value in enumerate(carries)]
        for k in range(WORDS):
            m.d.comb += self.o[k].eq(Cat(held[k], (value[k] for value in (*carries, quire.carries)), met[k]))
        return m


class SegmentAdder(wiring.Component):
    """Adds to words of a quire, combinational, modulo the size of segments.

    Carries from one word to the next take effect a beat later, so that no chain is longer than a word; a segment's end
    takes none.

    Members
    -------
    formats: In(Chosen). valid: In(1). first: In(1): no carries are due. clear: In(1): ``kept`` counts as 0.
    kept, x: In(ArrayLayout(32, 4)). signs: In(4), as in ``Addends``. o: Out(ArrayLayout(32, 4)).
    changes: Out(4): the upper half of a word may be another than that of ``kept``.
    carries: Out(4): of the words in the last valid beat.
    """

    def __init__(self) -> None:
        super().__init__({"formats": In(Chosen), "valid": In(1), "first": In(1), "clear": In(1), "kept": In(Words),
                          "x": In(Words), "signs": In(WORDS), "o": Out(Words), "changes": Out(WORDS),
                          "carries": Out(WORDS)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        small, wide = self.formats.small, self.formats.posit16
        carries = Signal(WORDS, reset_less=True)
        m.d.comb += self.carries.eq(carries)
        for k, goes_on in enumerate((Const(0, 1), ~small, wide, ~small)):
            carry = Mux(goes_on, carries[k - 1] & ~self.first, self.signs[k])
            total = leaf("accumulate_segment")(m, self.kept[k], self.clear, self.x[k], carry,
                                               small & ~self.formats.posit)
            m.d.comb += [self.o[k].eq(total[:WORD]), self.changes[k].eq(total[WORD + 1])]
            with m.If(self.valid & (self.first | ~small)):
                m.d.sync += carries[k].eq(total[WORD])
        return m
