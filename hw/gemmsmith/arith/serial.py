"""Bit-serial arithmetic, least significant bit first: the serial negator and the shift-right accumulator."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.sum import check_tree, delay, levels
from gemmsmith.arith.tech import leaf
from gemmsmith.arith.tech.portable import stage, weigh


class SerialNegator(wiring.Component):
    """Sign–magnitude bit planes → digits of the two's-complement words, for many lanes at once.

    A word is a sign plane followed by M ≥ 1 magnitude planes, least significant first. Its M + 1 digits are those of
    the two's-complement word of M + 1 bits: digit i weighs 2^i, the last one −2^M. Negation copies the bits up to and
    including the lowest one that is set and inverts the rest; the last digit is sign ∧ (magnitude ≠ 0), so a negative
    zero is a zero.

    Two planes may come at a time. The sign plane then comes with the least significant magnitude plane, the others
    follow in pairs, and so do the digits: M must be odd, or a plane of zeros be put below the least significant one.

    A digit leaves one cycle after its plane, the last digit two cycles after the last plane, one cycle after the sign
    plane of a word that follows at once: words of M + 1 planes in a row are never held up. Cycles without ``valid``
    may come anywhere.

    Parameters
    ----------
    lanes: words side by side, at least 1. planes: planes at a time, 1 or 2.

    Members
    -------
    valid: In(1). first, last: In(1), with ``valid``: this is (or begins with) the sign plane, the most significant one;
        with two planes at a time it may be both.
    plane: In(planes · lanes): the earlier plane lowest.
    o_valid, o_first, o_last: Out(1): digits stand at ``o_n``, the least significant, the one that weighs −2^M.
    o_n: Out(planes · lanes): digits of each lane, complemented: low where the digit is 1. That is how carry-chain cells
        and NOR gates like to take them, and costs nothing in front of the register.

    Raises
    ------
    ValueError if ``lanes`` is below 1, or ``planes`` neither 1 nor 2.
    """

    latency = 2
    """Cycles from ``last`` to ``o_last``."""

    def __init__(self, *, lanes: int, planes: int = 1):
        if lanes < 1:
            raise ValueError(f"lanes must be at least 1, not {lanes!r}")
        check_planes(planes)
        self.lanes, self.planes = lanes, planes
        super().__init__({"valid": In(1), "first": In(1), "last": In(1), "plane": In(planes * lanes),
                          "o_valid": Out(1), "o_first": Out(1), "o_last": Out(1), "o_n": Out(planes * lanes)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        lanes = self.lanes
        sign = Signal(lanes, reset_less=True)
        seen = Signal(lanes, reset_less=True)  # a lower bit of the magnitude was set
        lowest = Signal(reset_less=True)       # the next digits are the least significant
        ended = Signal()                       # the last plane came in the cycle before: its last digit is due
        begins = self.valid & self.first
        continues = self.valid & ~self.first
        low, high = self.plane[:lanes], self.plane[lanes:]
        due = [low & (~ended).replicate(lanes)]
        if self.planes == 2:
            pending = Signal(lanes, reset_less=True)  # came with the plane before its own
            due.insert(0, pending)
            with m.If(self.valid):
                m.d.sync += pending.eq(high)

        digits, below = [], seen
        for plane in due:
            digits.append(plane ^ (sign & below))
            below = below | plane
        m.d.sync += ended.eq(self.valid & self.last)
        with m.If(begins):
            m.d.sync += [sign.eq(low), seen.eq(0), lowest.eq(1)]
        with m.Elif(continues):
            m.d.sync += [seen.eq(below), lowest.eq(0)]
        # The last digit takes sign and ``seen`` of its own word, which the next sign plane replaces only afterwards.
        m.d.sync += [
            self.o_valid.eq(continues | ended),
            self.o_first.eq((continues | ended) & lowest),
            self.o_last.eq(ended),
            self.o_n.eq(~Cat(digits)),
        ]
        return m


def check_planes(planes: int) -> None:
    """Raise ``ValueError`` unless there are one or two planes at a time."""
    if planes not in (1, 2):
        raise ValueError(f"planes must be 1 or 2, not {planes!r}")


class SerialAccumulator(wiring.Component):
    """Σ 2^i · digit_i − 2^M · digit_M, least significant digit first; a digit is a sum of words whose gate is set.

    The running sum shifts right under the digits, so that it stays narrow; what it loses goes into ``shift_out`` bits
    below, which start from zero. The result thus stands left-aligned, ``o`` = 2^(shift_out − M) · sum for a word of
    M + 1 digits, and nothing here needs to know M.

    A digit at the input with ``valid`` is in ``o`` ``latency`` cycles later; ``o`` holds until the next valid digit.

    Two digits may come at a time, for which see ``SerialNegator``; below an even M there is one more, a zero.

    Parameters
    ----------
    count: words, at least 1. width: bits of a word, at least 1.
    shift_out: largest M, at least 1.
    planes: digits at a time, 1 or 2.
    cuts: levels of the adder tree that are registered (default: all), see ``GatedSum``.

    Members
    -------
    valid: In(1). first, last: In(1), with ``valid``.
    words: In(ArrayLayout(signed(width), count)). gates: In(planes · count), those of the lower digit first.
    o: Out(signed(width + levels(count) + 1 + shift_out)), exact.

    Raises
    ------
    ValueError if an argument is out of its range.
    """

    def __init__(self, *, count: int, width: int, shift_out: int, cuts: Collection[int] | None = None,
                 planes: int = 1):
        if shift_out < 1:
            raise ValueError(f"shift_out must be at least 1, not {shift_out!r}")
        check_planes(planes)
        self.cuts = check_tree(count, width, cuts)
        self.count = count
        self.planes = planes
        self.digit_width = width + levels(count)
        self.shift_out = shift_out
        super().__init__({"valid": In(1), "first": In(1), "last": In(1), "gates": In(planes * count),
                          "words": In(data.ArrayLayout(signed(width), count)),
                          "o": Out(signed(self.digit_width + 1 + shift_out))})

    @property
    def latency(self) -> int:
        return len(self.cuts) + 1 + self._weighed

    @property
    def _weighed(self) -> bool:
        """Whether the sums of two planes are added in a stage of their own."""
        return self.planes == 2 and bool(self.cuts)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        # Digits take effect in their order, and the first one clears: not even ``valid`` needs a reset.
        valid, first, last = (
            delay(m, bit, len(self.cuts), name=name, reset_less=True)
            for name, bit in (("valid", self.valid), ("first", self.first), ("last", self.last)))
        # With digits from −h to h − 1: halved, rounded down, a digit added or taken away, −2h … 2h − 2 maps to itself.
        # With two, quartered, and digits from −3h to 3h − 3 or −2h + 1 to 2h − 1, so does −4h … 4h − 4.
        step = self.planes
        total = Signal(signed(self.digit_width + step), reset_less=True)
        low = Signal(-(-(self.shift_out + 1) // step) * step - step, reset_less=True)
        shifted = Cat(total[step:], total[-1].replicate(step)).as_signed()
        words = [self.words[i] for i in range(self.count)]
        gates = [list(self.gates[k * self.count : (k + 1) * self.count]) for k in range(step)]
        if self._weighed:
            low_sum, high_sum = (leaf("gated_sum")(m, words, plane, self.cuts) for plane in gates)
            weighed = stage(m, weigh(m, low_sum, high_sum, last), registered=True, name="weighed")
            valid, first = (delay(m, bit, 1, name=name, reset_less=True) for bit, name in
                            ((valid, "weighed_valid"), (first, "weighed_first")))
            following = leaf("accumulate")(m, shifted, first, weighed)
        else:
            following = leaf("gated_accumulate")(m, words, gates, self.cuts, shifted, first, last)
        with m.If(valid):
            m.d.sync += [total.eq(following), low.eq(Cat(low, total)[step : step + len(low)])]
            with m.If(first):
                m.d.sync += low.eq(0)
        m.d.comb += self.o.eq(Cat(low, total)[len(low) + step - 1 - self.shift_out:].as_signed())
        return m
