"""The compressor: FP16 in, Anda's bit planes and shared exponents out."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise
from operator import or_
from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2, exact_log2

from gemmsmith.hierarchy import place
from gemmsmith.stream import Register
from gemmsmith.units.align import (
    CODE_WIDTH,
    EXPONENT_WIDTH,
    Rounder,
    Shifter,
    aligned_layout,
    cut_layout,
    cut_masks,
    not_finite,
    saturated,
)
from gemmsmith.units.catcher import ExponentCatcher, codes_layout, follow, tree_registers
from gemmsmith.units.corner import GROUP, CornerTurn, batch_layout, slice_layout


class Compressor(wiring.Component):
    """Runtime bit-plane compressor: groups of 64 FP16 codes become ``AndaFormat`` bit planes.

    Per group: the largest effective exponent E; each significand shifted right by its distance to E and cut to ``m``
    bits, truncated or rounded to nearest even (at most 2^m − 1, E as it is); a mantissa of zero has sign 0; an
    all-zero group has E = 1. Infinities and NaNs become the largest finite FP16 of their sign.

    A batch is ``lanes`` groups. It comes in ``lanes`` · 64 / ``elements`` beats and leaves in ``m`` beats, which are
    not more: one input beat a cycle can be kept up for every ``m``. Planes of a batch leave while the next one comes
    in, and after the last beat of a row by themselves (see ``CornerTurn``).

    Source: Anda, HPCA 2025, arXiv 2411.15982, "runtime bit-plane compressor"; one aligner for each element of a
    beat and a corner turn stand in for the paper's serial aligner for each element of a batch.

    Parameters
    ----------
    elements: FP16 codes a beat: a power of two from 1 to 64.
    m_max: longest mantissa, 1..16.

    Members
    -------
    i: In(stream of {codes: 16 · elements, last}): element i in bits 16i+15..16i. ``last`` ends a row: the next beat
        begins a group. Missing beats of its last group count as zeros; missing elements of a beat must be given as
        zeros (0x0000), which never change a group's exponent.
    m: In(range(m_max + 1)), 1..m_max; nearest: In(1), else truncated. Both constant from a row's first beat until its
        last plane has left.
    o: Out(stream of batch_layout(lanes)).
    saturated: Out(1), set from the cycle after a beat that held a code which is not finite, until ``clear`` or reset.
    clear: In(1).

    Latency: the first plane of a batch follows its last beat by ``latency`` cycles: 6 for ``elements`` = 64. Where a
    group comes in several beats it is read again, which takes 64 / ``elements`` more.

    Raises
    ------
    ValueError if a parameter is not as said above.
    """

    _MustUse__silence = True  # also made only to be read

    def __init__(self, *, elements: int = 64, m_max: int = 16):
        if elements not in (1, 2, 4, 8, 16, 32, 64):
            raise ValueError(f"elements must be a power of two from 1 to 64, not {elements!r}")
        if not 1 <= m_max <= 16:
            raise ValueError(f"m_max must be 1..16, not {m_max!r}")
        self.elements, self.m_max = elements, m_max
        self._size = 1 << max(1, ceil_log2(m_max))
        super().__init__({
            "i": In(stream.Signature(codes_layout(elements))), "m": In(range(m_max + 1)), "nearest": In(1),
            "o": Out(stream.Signature(batch_layout(self.lanes))), "saturated": Out(1), "clear": In(1),
        })

    @property
    def lanes(self) -> int:
        """Groups of a batch, whose planes leave side by side."""
        return self._size * self._slice // GROUP

    @property
    def latency(self) -> int:
        """Cycles from the last beat of a batch to its first plane, if nothing stalls."""
        beats = GROUP // self.elements
        return tree_registers(self.elements) + 3 + (beats + 1 if beats > 1 else 0)

    @property
    def _slice(self) -> int:
        """Elements that enter the corner turn together: a batch is at least one group."""
        return max(self.elements, GROUP // self._size)

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.elements, self.m_max)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.catcher = catcher = ExponentCatcher(elements=self.elements)
        m.submodules.turn = turn = CornerTurn(size=self._size, width=self._slice, planes=self.m_max)
        self._saturate(m, catcher.i)
        gathered = self._gather(m, self._round(m, self._shift(m, catcher.o)))
        wiring.connect(m, gathered, turn.i)
        wiring.connect(m, turn.o, wiring.flipped(self.o))
        m.d.comb += turn.m.eq(self.m)
        return m

    def _codes(self, codes: Value) -> list[Value]:
        return [codes.word_select(k, CODE_WIDTH) for k in range(self.elements)]

    def _saturate(self, m: Module, sink: Any) -> None:
        """Only finite codes go on."""
        codes = self._codes(self.i.payload.codes)
        m.d.comb += [sink.valid.eq(self.i.valid), self.i.ready.eq(sink.ready),
                     sink.payload.codes.eq(Cat(map(saturated, codes))), sink.payload.last.eq(self.i.payload.last)]
        with m.If(self.i.valid & self.i.ready & Cat(map(not_finite, codes)).any()):
            m.d.sync += self.saturated.eq(1)
        with m.Elif(self.clear):
            m.d.sync += self.saturated.eq(0)

    def _shift(self, m: Module, source: Any) -> Any:
        """Significands at their places below the shared exponent, in a register."""
        words = []
        for k, code in enumerate(self._codes(source.payload.codes)):
            shifter = Shifter(planes=self.m_max)
            place(m, f"shifter{k}", shifter, clocked=False, code=code, shared=source.payload.exponent)
            words.append(Value.cast(shifter.o))
        layout = data.StructLayout({"words": data.ArrayLayout(aligned_layout(self.m_max), self.elements),
                                    "exponent": EXPONENT_WIDTH, "last": 1})
        return self._registered(m, "shifted", layout, source,
                                Cat(words, source.payload.exponent, source.payload.last))

    def _round(self, m: Module, source: Any) -> Any:
        """Mantissas, in a register, transposed: all last bits, ..., all first bits; signs also of zeros."""
        cut = Signal(cut_layout(self.m_max))
        m.d.sync += cut_masks(cut, self.m, self.nearest)
        mantissas = []
        words = [source.payload.words[k] for k in range(self.elements)]
        for k, word in enumerate(words):
            rounder = Rounder(planes=self.m_max)
            place(m, f"rounder{k}", rounder, clocked=False, i=Value.cast(word), cut=Value.cast(cut))
            mantissas.append(rounder.mantissa)
        planes = [mantissa[p] for p in range(self.m_max) for mantissa in mantissas]
        return self._registered(m, "rounded", slice_layout(self.elements, self.m_max), source, Cat(
            planes, (word.sign for word in words), source.payload.exponent, source.payload.last))

    def _gather(self, m: Module, source: Any) -> Any:
        """Zeros lose their sign; narrow slices come side by side, as many as the corner turn takes at once."""
        parts = self._slice // self.elements
        narrow = slice_layout(self.elements, self.m_max)
        wide = stream.Signature(slice_layout(self._slice, self.m_max)).create()
        position = Signal(exact_log2(parts))
        slices = [Signal(narrow, name=f"slice{k}") for k in range(parts)]
        mantissas = source.payload.planes
        nonzero = reduce(or_, (mantissas[bit] & (self.m > self.m_max - 1 - bit).replicate(self.elements)
                               for bit in range(self.m_max)))
        m.d.comb += [slices[-1].eq(source.payload), slices[-1].signs.eq(source.payload.signs & nonzero)]
        with m.If(source.valid & source.ready):
            m.d.sync += [position.eq(position + 1), *(older.eq(newer) for older, newer in pairwise(slices))]
        m.d.comb += [
            wide.valid.eq(source.valid & position.all()), source.ready.eq(wide.ready | ~position.all()),
            *(wide.payload.planes[p].eq(Cat(s.planes[p] for s in slices)) for p in range(self.m_max)),
            wide.payload.signs.eq(Cat(s.signs for s in slices)), wide.payload.exponent.eq(slices[-1].exponent),
            wide.payload.last.eq(slices[-1].last),
        ]
        return wide

    def _registered(self, m: Module, name: str, layout: Any, source: Any, payload: Value) -> Any:
        m.submodules[name] = register = Register(shape=layout)
        follow(m, source, register.i, payload)
        return register.o


__all__ = ["Compressor"]
