"""A quire in redundant form, word by word, to its leading bits."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.sum import delay
from gemmsmith.arith.tech import leaf

WORD, WORDS = 32, 4
"""Bits of a word, words of a quire."""

QuireWord = data.StructLayout({"value": WORD, "carry": 1, "nar": 1})
"""A word of a quire: 32 bits of its value, a carry of the next word's weight that is still to be added, and whether the
word's lane met a NaR."""


class QuireResolve(wiring.Component):
    """The exact sum of a quire's segments, as its leading word, some bits below it, and whether there are more.

    The words of a quire come least significant first, in consecutive cycles; the first word of the next one may follow
    at once. ``segments`` says how they belong together: one quire of 128 bits, two of 64 or four of 32, in two's
    complement. Their sum must fit a segment. Carries out of segments are dropped.

    Words on top that only repeat the sign bit of the one below are left out. What remains is (value + r) · 2^(32 ·
    index − kept), 0 ≤ r < 1, where ``more`` says whether r > 0. Its top bit is the sign; as no word can be left out,
    the bit that differs from it is among the top 33, or the value is 0 or −1.

    Latency: 3 cycles from the last word.

    Parameters
    ----------
    kept: bits of the word below the leading one, 1 to 31.

    Members
    -------
    valid: In(1). word: In(2), its place. i: In(QuireWord). two, four: In(1): segments, if not one; not both. They must
        not change within a quire.
    o_valid: Out(1): all that follows is there, for one cycle.
    o: Out(signed(32 + kept)). more: Out(1). index: Out(2): the leading word's place in the sum.
    zero: Out(1): the sum is. nar: Out(1): a lane met a NaR.

    Raises
    ------
    ValueError: if ``kept`` is out of its range.
    """

    def __init__(self, *, kept: int):
        if kept not in range(1, WORD):
            raise ValueError(f"kept must be 1..{WORD - 1}, not {kept!r}")
        self._kept = kept
        super().__init__({
            "valid": In(1), "word": In(2), "i": In(QuireWord), "two": In(1), "four": In(1), "o_valid": Out(1),
            "o": Out(signed(WORD + kept)), "more": Out(1), "index": Out(2), "zero": Out(1), "nar": Out(1),
        })

    latency = 3

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        word = delay(m, self.word, 1, name="word", reset_less=True)
        total = self._total(m, word)
        self._leading(m, total, delay(m, word, 1, name="total_word", reset_less=True))
        # NaRs of all words; aligned with the leading word.
        nar = delay(m, self.i.nar, 2, name="nar", reset_less=True)
        place = delay(m, word, 1, name="place", reset_less=True)
        m.d.sync += self.nar.eq(nar | (self.nar & (place != 0)))
        m.d.comb += self.o_valid.eq(delay(m, self.valid & (self.word == WORDS - 1), self.latency, name="o_valid"))
        return m

    def _total(self, m: Module, word: Signal) -> Signal:
        """Words of the sum, two cycles behind the input: of two segments the last two, of four the last."""
        i = Signal(QuireWord, reset_less=True)
        total = Signal(WORD, reset_less=True)
        before = Signal(WORD, reset_less=True)  # the first segment of two; else 0
        carried, kept_carry = Signal(reset_less=True), Signal(reset_less=True)
        m.d.sync += [i.eq(self.i), kept_carry.eq(i.carry), before.eq(Mux(self.two & (word[0] ^ word[1]), total, 0))]
        # A word takes two carries, that of the sum and that of the quire, and a word of another segment. The second
        # segment's upper word has no room left for its quire's carry: the first one's takes it, a cycle early.
        inner = word.any() & ~self.four & ~(self.two & word[1])
        early = self.two & (word == 1) & self.i.carry
        carry = (carried & word.any() & ~self.four & ~(self.two & ~word[0])) | early
        added = leaf("accumulate_chosen")(
            m, Cat(carry, i.value, Const(0, 1)),
            Cat(carry, before[0] | (inner & kept_carry), before[1:], Const(0, 1)),
            Cat(carry, total, Const(0, 1)), self.four & word.any())
        m.d.sync += [total.eq(added[1:]), carried.eq(added[-1])]
        return total

    def _leading(self, m: Module, total: Signal, word: Signal) -> None:
        """Follows the words of the sum and keeps the leading ones."""
        kept = self._kept
        top = Signal(WORD, reset_less=True)
        below = Signal(kept, reset_less=True)
        repeats = Signal(reset_less=True)  # words above the top one repeat its sign,
        below_repeats = Signal(reset_less=True)  # and those ones that are the word below it
        # Whether there are ones: in the low and high part of the top word, in what is kept of the one below, under it.
        low, high, below_any, more = (Signal(name=name, reset_less=True) for name in ("low", "high", "kept_any", "rest"))
        total_low, total_high, ones = (Signal(name=f"total_{name}") for name in ("low", "high", "ones"))
        first, same = Signal(), Signal()
        sign = top[-1]
        m.d.comb += [
            total_low.eq(total[:-kept].any()), total_high.eq(total[-kept:].any()), ones.eq(total.all()),
            first.eq(Mux(self.four, word == 3, Mux(self.two, word == 2, word == 0))),
            same.eq(~first & Mux(sign, ones, ~(total_low | total_high))),
        ]
        m.d.sync += repeats.eq(same)
        with m.If(~same):
            m.d.sync += [
                top.eq(total), low.eq(total_low), high.eq(total_high),
                below.eq(Mux(first | repeats, 0, top[-kept:])),
                below_repeats.eq(~first & repeats & sign),
                below_any.eq(~first & Mux(repeats, sign, high)),
                more.eq(~first & (more | below_any | low | (repeats & high))),
                self.index.eq(Mux(first, 0, Cat(word[0], word[1] & ~self.two))),
            ]
        m.d.comb += [
            self.o.eq(Cat(below | below_repeats.replicate(kept), top)),
            self.more.eq(more), self.zero.eq(~(low | high | below_any)),
        ]
