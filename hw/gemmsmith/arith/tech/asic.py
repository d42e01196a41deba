"""Standard cells: multi-operand sums as a tree of explicit full adders.

Synthesis never uses a library's full-adder cell by itself, and takes adders apart that it would better leave alone.
Each full adder here is therefore a module of its own, ``<build>_mirror_adder``: a flow may map it to a cell of the
library (``mirror_adder_asap7.v`` beside this file says how), or flatten it into gates.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.tech import portable
from gemmsmith.arith.tech.registry import variant
from gemmsmith.hierarchy import place

SUM_DELAY, CARRY_DELAY, INVERTER_DELAY = 5, 4, 1
"""Of a full adder and an inverter, relative; they only order the bits of a column."""

KEPT_TIME = 2 * SUM_DELAY
"""When the accumulator arrives, after its clear and complement; far too early to matter."""


class MirrorAdder(wiring.Component):
    """A full adder with inverted outputs, as its cell is in CMOS: sum + 2 · carry = a + b + c, combinational.

    Of inverted inputs it makes outputs that are not.
    """

    module_key: tuple[Any, ...] = ()

    def __init__(self) -> None:
        super().__init__({"a": In(1), "b": In(1), "c": In(1), "sum_n": Out(1), "carry_n": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.d.comb += [self.sum_n.eq(~(self.a ^ self.b ^ self.c)),
                     self.carry_n.eq(~((self.a & self.b) | (self.c & (self.a | self.b))))]
        return m


class _Bit(NamedTuple):
    """A bit to be added: when it arrives, a serial number to sort by, whether ``value`` is its complement."""

    time: int
    serial: int
    inverted: bool
    value: Value


class _Columns:
    """Bits to be added, by weight."""

    def __init__(self, m: Module, width: int):
        self._m = m
        self._columns: list[list[_Bit]] = [[] for _ in range(width)]
        self._serial = itertools.count()

    def add(self, weight: int, value: Value, *, time: int = 0, inverted: bool = False) -> None:
        """Bits beyond the last column are dropped."""
        if weight < len(self._columns):
            bisect.insort(self._columns[weight], _Bit(time, next(self._serial), inverted, value))

    def total(self) -> Value:
        """The sum, modulo 2 to the number of columns: three bits of a column at a time, those that arrive first, until
        one is left. The carries of the last ones ripple."""
        for weight, column in enumerate(self._columns):
            while len(column) > 1:
                if len(column) == 2:
                    self._half_add(weight, *column)
                    del column[:2]
                else:
                    taken, time = _earliest(column)
                    self._full_add(weight, taken, time)
                    for bit in taken:
                        column.remove(bit)
        return Cat(_true(column[0]) if column else Const(0, 1) for column in self._columns)

    def _half_add(self, weight: int, a: _Bit, b: _Bit) -> None:
        low, high = Signal(name="half_sum"), Signal(name="half_carry")
        self._m.d.comb += [low.eq(_true(a) ^ _true(b)), high.eq(_true(a) & _true(b))]
        self.add(weight, low, time=b.time + SUM_DELAY)
        self.add(weight + 1, high, time=b.time + CARRY_DELAY)

    def _full_add(self, weight: int, bits: Sequence[_Bit], time: int) -> None:
        inverted = sum(bit.inverted for bit in bits) > 1
        adder = MirrorAdder()
        inputs = {port: ~bit.value if bit.inverted != inverted else bit.value
                  for port, bit in zip("abc", bits, strict=True)}
        place(self._m, f"adder_{next(self._serial)}", adder, clocked=False, **inputs)
        self.add(weight, adder.sum_n, time=time + SUM_DELAY, inverted=not inverted)
        self.add(weight + 1, adder.carry_n, time=time + CARRY_DELAY, inverted=not inverted)


def _earliest(column: Sequence[_Bit]) -> tuple[Sequence[_Bit], int]:
    """Three bits that can be added first, and when; bits of one kind need no inverter."""
    choices = [(column[:3], column[2].time + INVERTER_DELAY)]
    for inverted in (False, True):
        alike = [bit for bit in column if bit.inverted is inverted][:3]
        if len(alike) == 3:
            choices.append((alike, alike[2].time))
    return min(choices, key=lambda choice: choice[1])


def _true(bit: _Bit) -> Value:
    return ~bit.value if bit.inverted else bit.value


@variant("gated_accumulate", "asic")
def gated_accumulate(m: Module, words: Sequence[Value], gates: Sequence[Value], cuts: Collection[int], kept: Value,
                     clear: Value, subtract: Value) -> Value:
    """Without registers inside, the accumulator is one more row of the tree."""
    if cuts:
        return portable.gated_accumulate(m, words, gates, cuts, kept, clear, subtract)
    # kept − x = ~(~kept + x).
    base = (kept.as_unsigned() & (~clear).replicate(len(kept))) ^ subtract.replicate(len(kept))
    rows = [(0, [bit & gate for bit in word]) for word, gate in zip(words, gates, strict=True)]
    return (_total(m, rows, base) ^ subtract.replicate(len(kept))).as_signed()


@variant("rows_accumulate", "asic")
def rows_accumulate(m: Module, rows: Sequence[tuple[int, Value]], kept: Value, clear: Value) -> Value:
    """One tree, as above."""
    base = kept.as_unsigned() & (~clear).replicate(len(kept))
    return _total(m, [(shift, list(word)) for shift, word in rows], base).as_signed()


def _total(m: Module, rows: Sequence[tuple[int, Sequence[Value]]], base: Value) -> Value:
    """``base`` + Σ 2^shift · word, over (shift, bits of a signed word); as wide as ``base``."""
    width, constant = len(base), 0
    columns = _Columns(m, width)
    for shift, bits in rows:
        # −2^top · bit = 2^top · ~bit − 2^top: the constants of all words go to the accumulator.
        top = shift + len(bits) - 1
        for k, bit in enumerate(bits, start=shift):
            columns.add(k, bit, inverted=k == top)
        constant += 1 << top
    row = Signal(width, name="kept_row")
    m.d.comb += row.eq(base - constant)
    for k in range(width):
        columns.add(k, row[k], time=KEPT_TIME)
    return columns.total()
