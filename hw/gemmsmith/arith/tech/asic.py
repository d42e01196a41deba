"""Standard cells: multi-operand sums as a tree of explicit full adders.

Synthesis never uses a library's full-adder cell by itself, and takes adders apart that it would better leave alone.
Each full adder here is therefore a module of its own, ``<build>_mirror_adder``: a flow may map it to a cell of the
library, or flatten it into gates.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.tech import portable
from gemmsmith.arith.tech.registry import variant
from gemmsmith.hierarchy import place

SUM_DELAY, CARRY_DELAY, INVERTER_DELAY = 5, 4, 1
"""Of a full adder and an inverter, relative; they only order the bits of a column."""

KEPT_TIME = 2 * SUM_DELAY
"""When the accumulator arrives, after its clear and complement; far too early to matter."""
PLANE_TIME = 8 * SUM_DELAY
"""When a plane that was added up by itself arrives."""


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


_serials: WeakKeyDictionary[Module, dict[str, Iterator[int]]] = WeakKeyDictionary()
"""Names of a module's adders go on where those of another sum in it ended."""


class _Columns:
    """Bits to be added, by weight. ``name`` begins the adders' names."""

    def __init__(self, m: Module, width: int, name: str = "adder"):
        self._m = m
        self._name = name
        self._columns: list[list[_Bit]] = [[] for _ in range(width)]
        self._serial = _serials.setdefault(m, {}).setdefault(name, itertools.count())

    def add(self, weight: int, value: Value, *, time: int = 0, inverted: bool = False) -> None:
        """Bits beyond the last column are dropped."""
        if weight < len(self._columns):
            bisect.insort(self._columns[weight], _Bit(time, next(self._serial), inverted, value))

    def add_kept(self, value: Value) -> None:
        """Adds what was kept, modulo 2 to the number of columns."""
        row = Signal(len(self._columns), name="kept_row")
        self._m.d.comb += row.eq(value)
        for weight, bit in enumerate(row):
            self.add(weight, bit, time=KEPT_TIME)

    def two_rows(self) -> tuple[Value, Value]:
        """Two numbers of the same sum, modulo 2 to the number of columns."""
        # Not a column at a time: its carries would ripple through the next ones. Heights as by Dadda (1965).
        for height in (19, 13, 9, 6, 4, 3, 2):
            for weight, column in enumerate(self._columns):
                self._reduce(weight, column, height)
        bits = [[_true(bit) for bit in column] + [Const(0, 1)] * (2 - len(column)) for column in self._columns]
        low, high = (Cat(column[k] for column in bits) for k in (0, 1))
        return low, high

    def _reduce(self, weight: int, column: list[_Bit], height: int) -> None:
        """Adds up bits of a column, those that arrive first, until ``height`` are left."""
        while len(column) > height:
            # One too many: two are added, so as not to wait for a carry that comes in.
            taken, time = _earliest(column, 2 if len(column) == height + 1 > 2 else 3)
            self._add(weight, taken, time)
            for bit in taken:
                column.remove(bit)

    def total(self) -> Value:
        """The sum, modulo 2 to the number of columns: three bits of a column at a time, those that arrive first, until
        one is left. The carries of the last ones ripple."""
        for weight, column in enumerate(self._columns):
            self._reduce(weight, column, 1)
        return Cat(_true(column[0]) if column else Const(0, 1) for column in self._columns)

    def _add(self, weight: int, bits: Sequence[_Bit], time: int) -> None:
        """Two or three bits."""
        inverted = sum(bit.inverted for bit in bits) > 1
        if len(bits) == 2:
            low, high = Signal(name="half_sum"), Signal(name="half_carry")
            self._m.d.comb += [low.eq(_true(bits[0]) ^ _true(bits[1])), high.eq(_true(bits[0]) & _true(bits[1]))]
            inverted = True
        else:
            adder = MirrorAdder()
            inputs = {port: ~bit.value if bit.inverted != inverted else bit.value
                      for port, bit in zip("abc", bits, strict=True)}
            place(self._m, f"{self._name}_{next(self._serial)}", adder, clocked=False, **inputs)
            low, high = adder.sum_n, adder.carry_n
        self.add(weight, low, time=time + SUM_DELAY, inverted=not inverted)
        self.add(weight + 1, high, time=time + CARRY_DELAY, inverted=not inverted)


def _earliest(column: Sequence[_Bit], count: int) -> tuple[Sequence[_Bit], int]:
    """``count`` bits that can be added first, or two if there are no more, and when; bits of one kind need no
    inverter."""
    first = column[:count]
    choices = [(first, first[-1].time + INVERTER_DELAY)]
    for inverted in (False, True):
        alike = [bit for bit in column if bit.inverted is inverted][:len(first)]
        if len(alike) == len(first):
            choices.append((alike, alike[-1].time))
    return min(choices, key=lambda choice: choice[1])


def _true(bit: _Bit) -> Value:
    return ~bit.value if bit.inverted else bit.value


@variant("gated_accumulate", "asic")
def gated_accumulate(m: Module, words: Sequence[Value], gates: Sequence[Sequence[Value]], cuts: Collection[int],
                     kept: Value, clear: Value, subtract: Value) -> Value:
    """Without registers inside, the accumulator is one more row of the tree."""
    if cuts:
        return portable.gated_accumulate(m, words, gates, cuts, kept, clear, subtract)
    if len(gates) == 2:
        return _accumulate_two(m, words, gates, kept, clear, subtract)
    width = len(kept)
    columns = _Columns(m, width)
    _add_gated(columns, words, gates[0])
    # kept − x = ~(~kept + x).
    base = (kept.as_unsigned() & (~clear).replicate(width)) ^ subtract.replicate(width)
    columns.add_kept(base - _excess(words))
    return (columns.total() ^ subtract.replicate(width)).as_signed()


def _accumulate_two(m: Module, words: Sequence[Value], gates: Sequence[Sequence[Value]], kept: Value, clear: Value,
                    subtract: Value) -> Value:
    """The plane that may be subtracted is first added up to two rows by itself: −x = ~row + ~row + 2."""
    width = len(kept)
    columns, plane = _Columns(m, width), _Columns(m, width - 1, "plane_adder")
    _add_gated(columns, words, gates[0])
    _add_gated(plane, words, gates[1])
    excess = _excess(words)
    base = (kept.as_unsigned() & (~clear).replicate(width)) - Mux(subtract, -excess - 4, 3 * excess)
    columns.add_kept(base)
    for k, bits in enumerate(plane.two_rows()):
        row = Signal(width - 1, name=f"plane_{k}")
        m.d.comb += row.eq(bits ^ subtract.replicate(width - 1))
        for weight, bit in enumerate(row):
            columns.add(weight + 1, bit, time=PLANE_TIME)
    return columns.total().as_signed()


def _add_gated(columns: _Columns, words: Sequence[Value], gates: Sequence[Value]) -> None:
    """Adds the gated words and their ``_excess``."""
    for word, gate in zip(words, gates, strict=True):
        _add_row(columns, 0, [bit & gate for bit in word])


def _excess(words: Sequence[Value]) -> int:
    return len(words) << len(words[0]) - 1


def _add_row(columns: _Columns, place_: int, bits: Sequence[Value]) -> int:
    """Adds a signed row and, as −2^top · bit = 2^top · ~bit − 2^top, what it returns: 2^top."""
    top = place_ + len(bits) - 1
    for weight, bit in enumerate(bits, start=place_):
        columns.add(weight, bit, inverted=weight == top)
    return 1 << top


@variant("rows_accumulate", "asic")
def rows_accumulate(m: Module, rows: Sequence[portable.Row], kept: Value, clear: Value) -> Value:
    """The accumulator is one more row of the tree."""
    width = len(kept)
    columns = _Columns(m, width)
    excess = sum(_add_row(columns, place_, list(value)) for place_, value in rows)
    columns.add_kept((kept.as_unsigned() & (~clear).replicate(width)) - excess)
    return columns.total().as_signed()


@variant("sum_rows", "asic")
def sum_rows(m: Module, rows: Sequence[portable.Row], width: int) -> Value:
    """Three rows become two until two are left; what adds those is left to synthesis."""
    if len(rows) < 3:
        return portable.sum_rows(m, rows, width)
    columns = _Columns(m, width)
    excess = sum(_add_row(columns, place_, list(value)) for place_, value in rows)
    for weight in range(width):
        if -excess >> weight & 1:
            columns.add(weight, Const(1, 1))
    low, high = columns.two_rows()
    return (low + high)[:width]


@variant("accumulate_segment", "asic")
def accumulate_segment(m: Module, kept: Value, clear: Value, x: Value, carry: Value,
                       narrow: Value = portable.NEVER) -> Value:
    """If ``narrow`` the upper half adds nothing, instead of −1 and a carry that make 0: its gates rest."""
    half = len(kept) // 2
    low = portable.accumulate_segment(m, kept[:half], clear, x[:half], carry)
    settled = portable.stage(m, narrow & (low[half] == x[-1]), registered=False, name="settled")
    high = portable.accumulate_segment(m, kept[half:], clear, x[half:] & (~settled).replicate(len(x) - half),
                                       low[half] & ~settled)
    return Cat(low[:half], high[:-1], clear | ~settled)


@variant("fused_sum", "asic")
def fused_sum(m: Module, low: Value, high: Value, fused: Value, shift: int, width: int) -> Value:
    chosen = Mux(fused, portable.fitted((shift, high), width), portable.fitted((0, high), width))
    columns = _Columns(m, width)
    for name, row in (("low", portable.fitted((0, low), width)), ("chosen", chosen)):
        bits = Signal(width, name=name)
        m.d.comb += bits.eq(row)
        for weight, bit in enumerate(bits):
            columns.add(weight, bit)
    return columns.total().as_signed()
