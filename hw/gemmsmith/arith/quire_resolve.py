"""A quire in redundant form, word by word, to its leading bits."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.lane_quire import quire_word
from gemmsmith.arith.lane_window import WORD, WORDS
from gemmsmith.arith.sum import delay
from gemmsmith.arith.tech import leaf


class QuireResolve(wiring.Component):
    """The exact sum of a quire's segments: its leading word, some bits below it, and whether there are more.

    The words of a quire come least significant first, in consecutive cycles; the first word of the next one may follow
    at once. They are a number of 128 bits, or ``two`` of 64, or ``four`` of 32, in two's complement. The sum of those
    must fit as many bits as each has. Carries out of them are dropped.

    Words on top that only repeat the sign bit of the one below are left out. With those that are left the sum is
    (o + r) · 2^(32 · index − kept), 0 ≤ r < 1, and ``more`` says whether r > 0. The first bit that differs from the
    sign is among the highest 33, or none does.

    Latency: 3 cycles from the last word.

    Parameters
    ----------
    kept: bits of the word below the leading one, 1 to 31.
    units: carries that come with a word.

    Members
    -------
    valid: In(1). word: In(2): which one ``i`` is. i: In(quire_word(units)).
    two, four: In(1): segments, if not one; not both. They must not change until the sum is out.
    o_valid: Out(1): what follows is there, for one cycle.
    o: Out(signed(32 + kept)). more: Out(1). index: Out(2). zero: Out(1): the sum is 0. nar: Out(1): a lane met a NaR.

    Raises
    ------
    ValueError: if ``kept`` is out of its range.
    """

    def __init__(self, *, kept: int, units: int = 1):
        if kept not in range(1, WORD):
            raise ValueError(f"kept must be 1..{WORD - 1}, not {kept!r}")
        self._kept, self._units = kept, units
        super().__init__({
            "valid": In(1), "word": In(2), "i": In(quire_word(units)), "two": In(1), "four": In(1), "o_valid": Out(1),
            "o": Out(signed(WORD + kept)), "more": Out(1), "index": Out(2), "zero": Out(1), "nar": Out(1),
        })

    latency = 3
    """Cycles from the last word to the sum."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        word = delay(m, self.word, 1, name="word", reset_less=True)
        joined = Signal()  # to the sum's word before; else what is there is of no more use
        m.d.comb += joined.eq(Mux(self.two, word == WORDS - 1, word.any()) & ~self.four)
        i, total = self._total(m, word, joined)
        word, joined, nar = (delay(m, value, 1, name=name, reset_less=True)
                             for name, value in (("place", word), ("follows", joined), ("nar", i.nar)))
        self._keep(m, total, word, joined)
        m.d.sync += self.nar.eq(nar | (self.nar & word.any()))
        m.d.comb += self.o_valid.eq(delay(m, self.valid & (self.word == WORDS - 1), self.latency, name="o_valid"))
        return m

    def _total(self, m: Module, word: Value, joined: Value) -> tuple[data.View[Any], Signal]:
        """The input a cycle later, and another one later the words of the sum: of two segments the last two, of four
        the last; what comes before is on the way to them."""
        i = Signal(quire_word(self._units), reset_less=True)
        total = Signal(WORD, reset_less=True)
        before = Signal(WORD, reset_less=True)  # the first segment of two; else 0
        carried = Signal(reset_less=True)  # from the sum's last word
        left = Signal(range(self._units + 1), reset_less=True)  # carries of the quire's last word
        m.d.sync += [i.eq(self.i), left.eq(sum(i.carries)), before.eq(Mux(self.two & (word[0] ^ word[1]), total, 0))]
        # A word takes carries, or a word of another segment. Of two segments the first one's upper word takes those of
        # both: the ones that the second one's lower word has left are at the input by then.
        taken = Signal(range(2 * self._units + 1))
        m.d.comb += taken.eq(Mux(self.two, Mux(word == 1, left + sum(self.i.carries), 0), Mux(joined, left, 0)))
        carry = carried & joined
        other = Cat(before[:len(taken)] | taken, before[len(taken):])
        added = leaf("accumulate_chosen")(m, Cat(carry, i.sum, Const(0, 1)), Cat(carry, other, Const(0, 1)),
                                          Cat(carry, total, Const(0, 1)), self.four & word.any())
        m.d.sync += [total.eq(added[1:]), carried.eq(added[-1])]
        return i, total

    def _keep(self, m: Module, total: Value, word: Value, joined: Value) -> None:
        """Keeps a word if it does not repeat the sign of the one below, and of that one the high part."""
        kept = self._kept
        top, below = Signal(WORD, reset_less=True), Signal(kept, reset_less=True)
        sign = top[-1]
        repeated = Signal(reset_less=True)  # what was above the top word has been left out: copies of its sign
        ones = Signal(reset_less=True)  # the word below is such a copy, of ones
        # Whether there are ones in the two parts of the top word, in what is kept of the one below, and under that.
        low, high, some, rest = (Signal(name=name, reset_less=True) for name in ("low", "high", "some", "rest"))
        total_low, total_high, same = Signal(), Signal(), Signal()
        m.d.comb += [
            total_low.eq(total[:-kept].any()), total_high.eq(total[-kept:].any()),
            same.eq(joined & Mux(sign, total.all(), ~(total_low | total_high))),
        ]
        m.d.sync += repeated.eq(same)
        with m.If(~same):
            m.d.sync += [
                top.eq(total), low.eq(total_low), high.eq(total_high),
                below.eq(Mux(joined & ~repeated, top[-kept:], 0)),
                ones.eq(joined & repeated & sign),
                some.eq(joined & Mux(repeated, sign, high)),
                rest.eq(joined & (rest | some | low | (repeated & high))),
                self.index.eq(Mux(joined, Cat(word[0], word[1] & ~self.two), 0)),
            ]
        m.d.comb += [
            self.o.eq(Cat(below | ones.replicate(kept), top)), self.more.eq(rest), self.zero.eq(~(low | high | some)),
        ]
