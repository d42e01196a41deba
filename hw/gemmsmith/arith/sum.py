"""Sums of many words, pipelined."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.tech import leaf


def levels(count: int) -> int:
    """Levels of a binary tree over ``count`` terms: ⌈log₂ count⌉."""
    return (count - 1).bit_length()


def invert_signs(codes: Value, width: int) -> Value:
    """Codes side by side, from two's complement to offset binary or back."""
    return codes ^ Const(1 << width - 1, width).replicate(len(codes) // width)


def delay(m: Module, value: Any, cycles: int, *, name: str, reset_less: bool = False) -> Any:
    """``value`` ``cycles`` cycles later. Keep the reset for control, drop it (``reset_less``) for data."""
    for i in range(cycles):
        stage = Signal.like(value, name=f"{name}_{i + 1}", reset_less=reset_less)
        m.d.sync += stage.eq(value)
        value = stage
    return value


def used_stage(m: Module, parts: Sequence[tuple[Value | None, Value]], *, first: Value, name: str) -> Value:
    """Values side by side, the lowest first, a cycle later. Each comes with whether it is used (``None``: always): if
    not, it is taken with ``first`` only, so that its register's clock may stop."""
    signals = []
    for k, (used, value) in enumerate(parts):
        signal = Signal(len(Value.cast(value)), name=f"{name}_{k}", reset_less=True)
        with m.If(Const(1, 1) if used is None else first | used):
            m.d.sync += signal.eq(value)
        signals.append(signal)
    return Cat(signals)


def used_above(bits: int, value: Value, used: Value) -> tuple[tuple[Value | None, Value], ...]:
    """A value for ``used_stage``: the lowest ``bits`` always, what is above them if ``used``."""
    return (None, value[:bits]), (used, value[bits:])


def cuts(levels: int, stages: int) -> tuple[int, ...]:
    """The levels, counted from 1, behind which ``stages`` registers stand, the last one behind the last level.

    Neighbouring stages differ by a level at most; the longer ones come first, where words are shorter.

    Raises ``ValueError`` if there are fewer levels than stages.
    """
    if stages not in range(levels + 1):
        raise ValueError(f"stages must be 0..{levels}, not {stages!r}")
    return tuple(-(-levels * k // stages) for k in range(1, stages + 1))


def check_tree(count: int, width: int, cuts: Collection[int] | None) -> tuple[int, ...]:
    """``cuts`` of a tree over ``count`` words of ``width`` bits, all levels for None.

    Raises ``ValueError`` if there is no such tree.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, not {count!r}")
    if width < 1:
        raise ValueError(f"width must be at least 1, not {width!r}")
    every = range(1, levels(count) + 1)
    chosen = tuple(every if cuts is None else cuts)
    if len(set(chosen) & set(every)) != len(chosen):
        raise ValueError(f"cuts must be different levels from 1 to {levels(count)}, not {cuts!r}")
    return chosen


class GatedSum(wiring.Component):
    """Sum of those signed words whose gate is set: Σ gate_i · word_i. One sum a cycle.

    Parameters
    ----------
    count: number of words, at least 1.
    width: bits of a word, at least 1.
    cuts: levels of the tree, counted from 1, whose sums are registered (default: all). The latency is their number.

    Members
    -------
    words: In(ArrayLayout(signed(width), count)). gates: In(count).
    o: Out(signed(width + levels(count))).

    Raises
    ------
    ValueError if ``count`` or ``width`` is below 1, or ``cuts`` are not different levels.
    """

    def __init__(self, *, count: int, width: int, cuts: Collection[int] | None = None):
        self.cuts = check_tree(count, width, cuts)
        self.count = count
        self.width = width
        super().__init__({"words": In(data.ArrayLayout(signed(width), count)), "gates": In(count),
                          "o": Out(signed(width + levels(count)))})

    @property
    def latency(self) -> int:
        return len(self.cuts)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        words = [self.words[i] for i in range(self.count)]
        m.d.comb += self.o.eq(leaf("gated_sum")(m, words, list(self.gates), self.cuts))
        return m
