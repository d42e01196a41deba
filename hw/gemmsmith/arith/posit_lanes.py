"""Lanes of posits and of FP4 in 16-bit words: what a word may hold, and its decoder."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.tech import leaf

WORD, NIBBLE = 16, 4
LANES = WORD // NIBBLE
SIGNIFICAND = 13
"""Bits of the significand of a Posit(16, 1)."""
UPPER = 7
"""Where the upper one of two Posit(8, 0) begins, both of six bits."""

Lanes = data.StructLayout({
    "small": data.ArrayLayout(2, LANES), "exponent": data.ArrayLayout(NIBBLE, LANES), "plus": 1, "sign": LANES,
    "nar": LANES})
"""What lanes have but the significands of posits of 16 and 8 bits. A number is ± significand · 2^(exponent − offset),
the significand an integer: the exponent is the weight of its last bit, 0 that of the format's least number.

- ``small``: significands of codes of 4 bits; 0 in other modes, so that what they drive rests.
- ``exponent``: of a Posit(16, 1), six bits of lanes 0 and 1, offset 28; of a Posit(8, 0), lane 0 or 2, offset 6; of a
  Posit(4, 1), offset 4; of FP4, offset 1. ``plus`` is to be added to that of a Posit(16, 1), and is 0 for others.
- ``sign``, ``nar``: in the lane of the number's leading nibble (of a Posit(16, 1): 3; of a Posit(8, 0): 1 and 3). Other
  lanes have no NaR, and their signs mean nothing.
"""
Decoded = data.StructLayout({"significand": SIGNIFICAND, "lanes": Lanes})
"""A decoded word. ``significand``: of a Posit(16, 1) all bits; of two Posit(8, 0) the lower and the upper six; 0 in
other modes."""

Chosen = data.StructLayout({"posit16": 1, "posit8": 1, "small": 1, "posit": 1})
"""The format of codes as conditions. ``small``: they have 4 bits. ``posit``: they are not FP4."""


class LaneDecoder(wiring.Component):
    """Decodes the lanes of a word. Latency 1: signs are taken off in front of the register, regimes behind it.

    Members
    -------
    i: In(16): four, two codes or one. formats: In(Chosen), held while words are under way.
    enable: In(1): takes ``i``; else what was decoded stays.
    o: Out(Decoded), of the word taken last.
    """

    latency = 1

    def __init__(self) -> None:
        super().__init__({"i": In(WORD), "formats": In(Chosen), "enable": In(1), "o": Out(Decoded)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        formats = self.formats
        sign, word = Signal(LANES, reset_less=True), Signal(WORD, reset_less=True)
        with m.If(self.enable):
            m.d.sync += [sign.eq(self.i[NIBBLE - 1::NIBBLE]), word.eq(_magnitudes(m, self.i, formats))]
        small, exponents = _small(word, formats)
        significand, large, plus = _large(m, word, formats)
        # A magnitude's leading bit is clear, but for NaR, its own opposite.
        nar = word[NIBBLE - 1::NIBBLE] & Cat(formats.small, ~formats.posit16, formats.small, Const(1, 1))
        lanes = self.o.lanes
        m.d.comb += [lanes.sign.eq(sign), lanes.nar.eq(nar), lanes.small.eq(small), lanes.plus.eq(plus)]
        for lane in range(LANES):
            m.d.comb += lanes.exponent[lane].eq(exponents[lane] | large[lane])
        m.d.comb += self.o.significand.eq(significand)
        return m


def _magnitudes(m: Module, word: Value, formats: Any) -> Value:
    """Each lane's magnitude. A sign of FP4 is just dropped."""
    top = word[NIBBLE - 1::NIBBLE]
    high = Mux(formats.small, top[2], top[3])
    low = Mux(formats.posit16, top[3], top[1])
    minus = Cat(Mux(formats.small, top[0], low), low, high, top[3])
    joined = Cat(Const(0, 1), ~formats.small, formats.posit16, ~formats.small)
    magnitudes = leaf("negate_lanes")(m, word, minus & formats.posit.replicate(LANES), joined)
    kept = Cat(formats.posit | Const(k % NIBBLE < NIBBLE - 1) for k in range(WORD))
    return magnitudes & kept


def _small(word: Value, formats: Any) -> tuple[Value, list[Value]]:
    """Significands and exponents of codes of 4 bits; 0 if there are none."""
    significands, exponents = [], []
    for lane in range(LANES):
        low, middle, high = word[NIBBLE * lane:NIBBLE * lane + 3]
        some, small, posit = high | middle | low, formats.small, formats.posit
        significands.append(Cat(small & Mux(posit, some, low), small & ~posit & (high | middle)))
        # Posit(4, 1): 1/16, 1/4, 1/2, 1, 2, 4, 16. FP4: 0, 0.5, 1, 1.5, 2, 3, 4, 6.
        most = high & middle & low
        bits = (Mux(posit, low & (high ^ middle), high & ~middle), Mux(posit, middle & ~most, high & middle),
                posit & high & ~most, posit & most)
        exponents.append(Cat(small & bit for bit in bits))
    return Cat(significands), exponents


def _large(m: Module, word: Value, formats: Any) -> tuple[Value, list[Value], Value]:
    """Significand, exponents (a nibble per lane) and what is to be added, of posits of 16 and 8 bits; 0 if there are
    none."""
    wide, halves = formats.posit16, formats.posit8
    upper = word[14]
    lower = Mux(wide, upper, word[6])
    # after[i]: the regime has ended at bit i or above it.
    after = Signal(15)
    for i in reversed(range(14)):
        above = after[i + 1] if i != 5 else after[6] & wide
        m.d.comb += after[i].eq(above | (word[i] ^ (upper if i > 5 else lower)))
    zero = Const(0, 1)
    bits = []
    for i in range(SIGNIFICAND):
        # The hidden one is where the exponent bit was, one place below the regime's end; without an exponent, there.
        sixteen = after[i + 1] & (word[i] | ~after[i + 2])
        if i >= UPPER:
            eight = after[i + 1] & (word[i + 1] | ~after[i + 2])
        elif i < UPPER - 1:
            eight = after[i] & (word[i] | ~after[i + 1] if i < UPPER - 2 else Const(1, 1))
        else:
            eight = zero
        # A regime down to the last bit leaves no place for it.
        if i == 0:
            sixteen, eight = (Mux(ended, bit, some) for ended, bit, some in (
                (after[1], sixteen, upper | after[0]), (after[0], eight, lower)))
        elif i == UPPER:
            eight = Mux(after[8], eight, upper)
        bits.append((sixteen & wide) | (eight & halves))
    six, plus = _exponent16(word, after)
    exponents = [(six[:4] & wide.replicate(4)) | (_exponent8(after[:6], lower) & halves.replicate(4)),
                 six[4:] & wide.replicate(2), _exponent8(after[8:14], upper) & halves.replicate(4), Const(0, 4)]
    return Cat(bits), exponents, plus & wide


def _exponent8(after: Value, up: Value) -> Value:
    """0, 0, …, 0 (−6 … −1), 1, 3, 5, 7, 9, 11, 12 (0 … 6): of the regime in brackets."""
    one, two, three, four, five, six = after  # as many as there are bits behind the regime, its end among them
    return Cat(one, (one & ~two) | (three & ~four) | (five & ~six), ~one | (three & ~five), ~three) & up.replicate(4)


def _exponent16(word: Value, after: Value) -> tuple[Value, Value]:
    """With n bits behind the regime, its end among them: n if the regime is negative, else 58 − 3n; and the exponent
    bit. Without a place for that (n < 2): 0, or 54 and 56."""
    ends = [~after[0], *(after[i] & ~after[i + 1] for i in range(14))]
    down = [0, 0, *range(2, 15)]
    up = [56, 54, *(58 - 3 * n for n in range(2, 15))]
    bits = [Mux(word[14], _any_of(ends, up, b), _any_of(ends, down, b)) for b in range(6)]
    return Cat(bits), Cat(ends[n] & word[n - 2] for n in range(2, 15)).any()


def _any_of(ends: list[Value], numbers: list[int], bit: int) -> Value:
    """Whether the number of the place that is set has that bit."""
    return Cat(end for end, number in zip(ends, numbers, strict=True) if number >> bit & 1).any()
