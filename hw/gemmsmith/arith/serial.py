"""Bit-serial arithmetic, least significant bit first: the serial negator and the shift-right accumulator."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.sum import check_tree, delay, levels
from gemmsmith.arith.tech import leaf


class SerialNegator(wiring.Component):
    """Sign–magnitude bit planes → digits of the two's-complement words, for many lanes at once.

    A word is a sign plane followed by M ≥ 1 magnitude planes, least significant first. Its M + 1 digits are those of
    the two's-complement word of M + 1 bits: digit i weighs 2^i, the last one −2^M. Negation copies the bits up to and
    including the lowest one that is set and inverts the rest; the last digit is sign ∧ (magnitude ≠ 0), so a negative
    zero is a zero.

    A digit leaves one cycle after its plane, the last digit two cycles after the last plane, one cycle after the sign
    plane of a word that follows at once: words of M + 1 planes in a row are never held up. Cycles without ``valid``
    may come anywhere.

    Parameters
    ----------
    lanes: words side by side, at least 1.

    Members
    -------
    valid: In(1). first, last: In(1), with ``valid``: this plane is the sign plane, the most significant plane.
    plane: In(lanes).
    o_valid, o_first, o_last: Out(1): a digit stands at ``o_n``, the least significant, the one that weighs −2^M.
    o_n: Out(lanes): one digit of each lane, complemented: low where the digit is 1. That is how carry-chain cells and
        NOR gates like to take them, and costs nothing in front of the register.

    Raises
    ------
    ValueError if ``lanes`` is below 1.
    """

    latency = 2
    """Cycles from ``last`` to ``o_last``."""

    def __init__(self, *, lanes: int):
        if lanes < 1:
            raise ValueError(f"lanes must be at least 1, not {lanes!r}")
        super().__init__({"valid": In(1), "first": In(1), "last": In(1), "plane": In(lanes),
                          "o_valid": Out(1), "o_first": Out(1), "o_last": Out(1), "o_n": Out(lanes)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        lanes = len(self.plane)
        sign = Signal(lanes, reset_less=True)
        seen = Signal(lanes, reset_less=True)  # a lower bit of the magnitude was set
        lowest = Signal(reset_less=True)       # the next magnitude plane is the least significant
        ended = Signal()                       # the last plane came in the cycle before: its last digit is due
        sign_plane = self.valid & self.first
        magnitude_plane = self.valid & ~self.first

        m.d.sync += ended.eq(magnitude_plane & self.last)
        with m.If(sign_plane):
            m.d.sync += [sign.eq(self.plane), seen.eq(0), lowest.eq(1)]
        with m.Elif(magnitude_plane):
            m.d.sync += [seen.eq(seen | self.plane), lowest.eq(0)]
        # The last digit takes sign and ``seen`` of its own word, which the next sign plane replaces only afterwards.
        m.d.sync += [
            self.o_valid.eq(magnitude_plane | ended),
            self.o_first.eq(magnitude_plane & lowest),
            self.o_last.eq(ended),
            self.o_n.eq(~((self.plane & (~ended).replicate(lanes)) ^ (sign & seen))),
        ]
        return m


class SerialAccumulator(wiring.Component):
    """Σ 2^i · digit_i − 2^M · digit_M, least significant digit first; a digit is a sum of words whose gate is set.

    The running sum shifts right under the digits, so that it stays narrow; what it loses goes into ``shift_out`` bits
    below, which start from zero. The result thus stands left-aligned, ``o`` = 2^(shift_out − M) · sum for a word of
    M + 1 digits, and nothing here needs to know M.

    A digit at the input with ``valid`` is in ``o`` ``latency`` cycles later; ``o`` holds until the next valid digit.

    Parameters
    ----------
    count: words, at least 1. width: bits of a word, at least 1.
    shift_out: largest M, at least 1.
    cuts: levels of the adder tree that are registered (default: all), see ``GatedSum``.

    Members
    -------
    valid: In(1). first, last: In(1), with ``valid``.
    words: In(ArrayLayout(signed(width), count)). gates: In(count).
    o: Out(signed(width + levels(count) + 1 + shift_out)), exact.

    Raises
    ------
    ValueError if an argument is out of its range.
    """

    def __init__(self, *, count: int, width: int, shift_out: int, cuts: Collection[int] | None = None):
        if shift_out < 1:
            raise ValueError(f"shift_out must be at least 1, not {shift_out!r}")
        self.cuts = check_tree(count, width, cuts)
        self.count = count
        self.digit_width = width + levels(count)
        self.shift_out = shift_out
        super().__init__({"valid": In(1), "first": In(1), "last": In(1), "gates": In(count),
                          "words": In(data.ArrayLayout(signed(width), count)),
                          "o": Out(signed(self.digit_width + 1 + shift_out))})

    @property
    def latency(self) -> int:
        return len(self.cuts) + 1

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        # Digits take effect in their order, and the first one clears: not even ``valid`` needs a reset.
        valid, first, last = (
            delay(m, bit, len(self.cuts), name=name, reset_less=True)
            for name, bit in (("valid", self.valid), ("first", self.first), ("last", self.last)))
        # With digits from −h to h − 1: halved, rounded down, a digit added or taken away, −2h … 2h − 2 maps to itself.
        total = Signal(signed(self.digit_width + 1), reset_less=True)
        low = Signal(self.shift_out, reset_less=True)
        words = [self.words[i] for i in range(self.count)]
        halved = Cat(total[1:], total[-1]).as_signed()
        following = leaf("gated_accumulate")(m, words, list(self.gates), self.cuts, halved, first, last)
        with m.If(valid):
            m.d.sync += [total.eq(following), low.eq(Cat(low[1:], total[0]))]
            with m.If(first):
                m.d.sync += low.eq(0)
        m.d.comb += self.o.eq(Cat(low, total))
        return m
