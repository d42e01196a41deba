"""Sums of many words, pipelined with a register per level."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.tech import leaf


def levels(count: int) -> int:
    """Levels of a binary tree over ``count`` terms: ⌈log₂ count⌉."""
    return (count - 1).bit_length()


def delay(m: Module, value: Any, cycles: int, *, name: str, reset_less: bool = False) -> Any:
    """``value`` ``cycles`` cycles later. Keep the reset for control, drop it (``reset_less``) for data."""
    for i in range(cycles):
        stage = Signal.like(value, name=f"{name}_{i + 1}", reset_less=reset_less)
        m.d.sync += stage.eq(value)
        value = stage
    return value


class GatedSum(wiring.Component):
    """Sum of those signed words whose gate is set: Σ gate_i · word_i.

    Latency ``levels(count)`` cycles, one sum a cycle; a single word is combinational.

    Parameters
    ----------
    count: number of words, at least 1.
    width: bits of a word, at least 1.

    Members
    -------
    words: In(ArrayLayout(signed(width), count)). gates: In(count).
    o: Out(signed(width + levels(count))).

    Raises
    ------
    ValueError if ``count`` or ``width`` is below 1.
    """

    def __init__(self, *, count: int, width: int):
        if count < 1:
            raise ValueError(f"count must be at least 1, not {count!r}")
        if width < 1:
            raise ValueError(f"width must be at least 1, not {width!r}")
        self.count = count
        self.width = width
        super().__init__({"words": In(data.ArrayLayout(signed(width), count)), "gates": In(count),
                          "o": Out(signed(width + levels(count)))})

    @property
    def latency(self) -> int:
        return levels(self.count)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        add = leaf("gated_add")
        words = [self.words[i] for i in range(self.count)]
        pairs: list[Value] = []
        # Gates and first level of adders are one structure: carry-chain cells absorb the gates of both rows.
        for i in range(0, self.count - 1, 2):
            pair = Signal(signed(self.width + 1), name=f"pair_{i}", reset_less=True)
            m.d.sync += pair.eq(add(m, words[i], self.gates[i], words[i + 1], self.gates[i + 1]))
            pairs.append(pair)
        if self.count % 2:
            last = (words[-1].as_unsigned() & self.gates[-1].replicate(self.width)).as_signed()
            pairs.append(delay(m, last, min(self.count - 1, 1), name="odd", reset_less=True))
        m.d.comb += self.o.eq(leaf("tree_sum")(m, pairs))
        return m
