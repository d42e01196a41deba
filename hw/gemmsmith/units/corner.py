"""The corner turn: mantissas side by side become bit planes one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from gemmsmith.schemes import Anda
from gemmsmith.units.align import EXPONENT_WIDTH

GROUP = Anda.group


def slice_layout(width: int, planes: int) -> data.StructLayout:
    """``width`` elements with all their planes, the first plane highest; ``last`` ends a row."""
    return data.StructLayout({"planes": data.ArrayLayout(width, planes), "signs": width, "exponent": EXPONENT_WIDTH,
                              "last": 1})


def batch_layout(lanes: int) -> data.StructLayout:
    """A plane of ``lanes`` groups, that of lane l in bits 64l+63..64l.

    ``signs``, ``exponents`` (of lane l in bits 5l+4..5l), ``count`` (groups that there are; the lanes behind them are
    undefined) and ``row_last`` (the batch ends a row) stay the same throughout the batch. ``first`` and ``last`` mark
    its first and its last plane.
    """
    return data.StructLayout({"plane": GROUP * lanes, "signs": GROUP * lanes, "exponents": EXPONENT_WIDTH * lanes,
                              "count": bits_for(lanes), "first": 1, "last": 1, "row_last": 1})


class State(enum.Enum):
    """What moves the corner turn: ``FLOW``: elements that come in. After the last of a row nothing may come for long:
    it steps by itself, first to ``FILL`` the batch, then to ``PUSH`` its planes out."""

    FLOW = 0
    FILL = 1
    PUSH = 2


class CornerTurn(wiring.Component):
    """Collects a batch, ``size`` slices of ``width`` elements, and hands it on by planes, the most significant first.

    A step takes a slice and gives a plane of the batch before. Transposing takes log2(``size``) exchanges, each of one
    bit of the plane's number with the same bit of the slice's: a word waits 2ᵏ steps in front of an exchange or
    behind it. That is ``size`` · (``size`` − 1) words of registers and ``size`` · log2(``size``) multiplexers of a
    word, where double-buffered shift registers would be 2 · ``size``² and ``size``².

    Source of the structure: the delay commutator of pipelined Fourier transforms.

    Parameters
    ----------
    size: slices of a batch, a power of two, at least 2.
    width: elements of a slice; ``size`` · ``width`` is a multiple of 64, 64 one of ``width``.
    planes: longest mantissa, 1..size.

    Members
    -------
    i: In(stream of slice_layout). m: In, planes wanted, 1..planes; constant while a batch is inside.
    o: Out(stream of batch_layout). ``o.ready`` enables all registers combinationally.

    One slice a cycle. The planes of a batch leave while the next one enters; after the last slice of a row they leave
    by themselves, at most ``size`` + m cycles later. If the next row begins at once, no cycle is lost but those in
    which the row's last batch was filled.
    """

    def __init__(self, *, size: int, width: int, planes: int):
        self._size, self._planes = size, planes
        self._parts = GROUP // width if width < GROUP else 1
        self._lanes = size * width // GROUP
        super().__init__({"i": In(stream.Signature(slice_layout(width, planes))), "m": In(range(planes + 1)),
                          "o": Out(stream.Signature(batch_layout(self._lanes)))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        free = Signal()
        take = Signal()
        step = Signal()
        phase = Signal(exact_log2(self._size))
        full = Signal()
        draining = Signal()
        final = Signal()
        state = Signal(State)
        begun = Signal()
        m.d.comb += [
            free.eq(~self.o.valid | self.o.ready),
            begun.eq((state == State.FLOW) | ((state == State.PUSH) & (phase == 0))),
            self.i.ready.eq(free & begun), take.eq(self.i.valid & self.i.ready),
            step.eq(free & (self.i.valid | (state != State.FLOW))),
            full.eq(phase == self._size - 1),
            final.eq(Mux(full, self.m == 1, draining & (phase + 2 == self.m))),
        ]
        planes = [self.i.payload.planes[p] for p in reversed(range(self._planes))]
        turned = self._turn(m, planes, phase, step)
        with m.If(free):
            m.d.sync += self.o.valid.eq(step & (full | draining))
        with m.If(step):
            m.d.sync += [phase.eq(phase + 1), self.o.payload.plane.eq(turned), self.o.payload.first.eq(full),
                         self.o.payload.last.eq(final)]
            with m.If(full | final):
                m.d.sync += draining.eq(~final)
        self._move(m, state, phase, take=take, step=step, full=full, final=final)
        self._describe(m, state, phase, take=take, step=step, full=full)
        return m

    def _turn(self, m: Module, planes: Sequence[Value], phase: Signal, step: Value) -> Value:
        """Plane phase + 1 (modulo ``size``) of the slices, once all of them have come: the words exchanged with time.

        An exchange subtracts its delay from the time; going from the highest bit to the lowest leaves the bits that
        are still to be looked at as they are, so one counter serves all.
        """
        width = len(planes[0])
        words: list[Value] = [*planes, *(Const(0, width) for _ in range(self._size - len(planes)))]
        for bit in reversed(range(len(phase))):
            exchanged = list(words)
            for low in (k for k in range(self._size) if not k >> bit & 1):
                high = low | 1 << bit
                waiting = _delayed(m, words[high], 1 << bit, step, f"early_{bit}_{high}")
                straight = Signal(width, name=f"straight_{bit}_{low}")
                m.d.comb += straight.eq(Mux(phase[bit], waiting, words[low]))
                exchanged[low] = _delayed(m, straight, 1 << bit, step, f"late_{bit}_{low}")
                exchanged[high] = Signal(width, name=f"crossed_{bit}_{low}")
                m.d.comb += exchanged[high].eq(Mux(phase[bit], words[low], waiting))
            words = exchanged
        return Cat(words)

    def _move(self, m: Module, state: Signal, phase: Signal, *, take: Value, step: Value, full: Value,
              final: Value) -> None:
        """Next state, and the phase after the last plane was pushed out."""
        filled = Mux(full, Mux(self.m == 1, State.FLOW, State.PUSH), State.FILL)
        with m.If(take):
            m.d.sync += state.eq(Mux(self.i.payload.last, filled, State.FLOW))
        with m.Elif(step & (state == State.FILL)):
            m.d.sync += state.eq(filled)
        with m.Elif(step & (state == State.PUSH) & final):
            m.d.sync += [state.eq(State.FLOW), phase.eq(0)]

    def _describe(self, m: Module, state: Signal, phase: Signal, *, take: Value, step: Value, full: Value) -> None:
        """Signs, exponents and number of the groups, collected as they come."""
        i, o = self.i.payload, self.o.payload
        complete = phase[:exact_log2(self._parts)].all()  # with this slice, a group
        signs = Cat(_shifted(m, i.signs, self._size - 1, step, "signs"), i.signs)
        exponents = Cat(_shifted(m, i.exponent, self._lanes - 1, step & complete, "exponents"), i.exponent)
        count = Signal(range(self._lanes + 1))
        counted = Signal(range(self._lanes + 1))
        m.d.comb += counted.eq(count + (take & complete))
        with m.If(step):
            m.d.sync += count.eq(Mux(full, 0, counted))
        with m.If(step & full):
            m.d.sync += [o.signs.eq(signs), o.exponents.eq(exponents), o.count.eq(counted),
                         o.row_last.eq((state == State.FILL) | i.last)]


def _delayed(m: Module, word: Value, steps: int, step: Value, name: str) -> Value:
    """``word`` of ``steps`` steps ago."""
    return _shifted(m, word, steps, step, name)[:len(word)]


def _shifted(m: Module, word: Value, steps: int, step: Value, name: str) -> Value:
    """The words of the last ``steps`` steps, the oldest in the lowest bits."""
    kept = Signal(len(word) * steps, name=name, reset_less=True)
    with m.If(step):
        m.d.sync += kept.eq(Cat(kept, word)[len(word):])
    return kept
