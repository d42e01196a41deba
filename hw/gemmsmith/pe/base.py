"""The contract of a processing element: edge → core → tail.

The price of a processing element lies in what it does *not* repeat. Every family is therefore split the same
way:

============= ===================== =======================================================================
part          stands                does
============= ===================== =======================================================================
row edge      once per array row    turns activation words into the cores' operand; drives the cores' control
column edge   once per array column the same for weights; holds them
core          rows × columns        multiplies and accumulates; one result per group or per block
tail          once per N cores      finishes: scale, FP32 accumulation over groups, rounds, encodes
============= ===================== =======================================================================

No part has a handshake inside. A beat carries ``valid``; a cycle without it is a no-op that leaves results
unchanged, so there is no clock enable that fans out over the array. All latencies are data that the tile
uses; nothing in the tile, the co-processor, the driver or the reports knows a processing element by name.

Vocabulary. A *block* is one pass over K for rows × columns outputs. It consists of *groups* of ``group``
consecutive k; a group takes ``beats(mode)`` beats. A core delivers one *result* per group or per block
(``result``).

What a cycle looks like at an edge:

- ``ctl.load``: a word of the warm-up. Block operands of edges arrive one word a cycle before the block's
  first beat.
- ``ctl.valid``: a beat. Beat operands hold this beat's word. Group operands hold the group's word from its
  first to its last beat (stable, stalls included). ``ctl.first`` and ``ctl.last`` mark the first and the last
  beat of a *result*.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from amaranth.hdl import Array, Const, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.schemes import Axis, Cadence, Operand, Part, Scheme

Control = data.StructLayout({"valid": 1, "first": 1, "last": 1, "load": 1})
"""What a beat says of itself. ``first`` and ``last`` are meaningful only with ``valid``; ``load`` excludes
``valid``."""


@dataclass(frozen=True)
class Schedule:
    """Cycles of a block in one mode, operands permitting.

    Parameters
    ----------
    warmup: cycles before the first beat of a block.
    beats: beats of a group.
    groups: groups of the block.
    interval: least cycles from the last beat of a result to the last beat of the next.
    flush: cycles from the last beat of a block until its last output stands in the result buffer.
    per_group: whether a result comes per group (else per block).
    """

    warmup: int
    beats: int
    groups: int
    interval: int
    flush: int
    per_group: bool

    @property
    def block(self) -> int:
        """Cycles between two blocks in a row: the throughput of the array."""
        if self.per_group:
            return self.warmup + self.groups * max(self.beats, self.interval)
        return max(self.warmup + self.groups * self.beats, self.interval)


class Edge(wiring.Component):
    """Base of row and column edges; made by a processing element, one per array row or column.

    Members
    -------
    ctl: In(Control); mode: In(mode_width).
    <operand name>: In(width), for each operand of this axis and of the edge.
    ctl_o: Out(Control), row edges only: the cores' control, aligned with ``o``.
    o: Out(payload): the cores' operand. Row and column payload of the same beat leave in the same cycle.
    side: Out(side_width), if the processing element says so: a word for the tail, valid in the cycle in which
        the core's result is.
    flag: Out(1): high one cycle after a beat (or a word of the warm-up) in which an operand had to be saturated.
    """

    def __init__(self, pe: ProcessingElement, axis: Axis):
        self.pe = pe
        self.axis = axis
        row = axis is Axis.ROW
        members: dict[str, Any] = {"ctl": In(Control), "mode": In(pe.mode_width), "flag": Out(1),
                                   "o": Out(pe.row_payload if row else pe.column_payload)}
        if row:
            members["ctl_o"] = Out(Control)
        if side := pe.row_side if row else pe.column_side:
            members["side"] = Out(side)
        for operand in pe.select(axis, Part.EDGE):
            members[operand.name] = In(operand.width)
        super().__init__(members)

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.pe.key, self.axis)


class HeldEdge(Edge):
    """An edge that is one register for all cores behind it: of a beat's word, a cycle later. Subclasses make the word.
    """

    def word(self, m: Module) -> Value:
        """The cores' operand, of this cycle's operands."""
        raise NotImplementedError

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        word = self.word(m)
        held = Signal.like(self.o, reset_less=True)
        with m.If(self.ctl.valid):
            m.d.sync += held.eq(word)
        m.d.comb += self.o.eq(held)
        if self.axis is Axis.ROW:
            m.d.sync += self.ctl_o.eq(self.ctl)
        return m


class Core(wiring.Component):
    """Base of cores.

    Members
    -------
    ctl: In(Control), from the row edge. mode: In(mode_width). a, w: In(row_payload), In(column_payload).
    o: Out(result_width): the result, valid exactly ``pe.core_latency`` cycles after the beat with ``last``
    (at least 1) and for that one cycle; the tile captures it.
    """

    def __init__(self, pe: ProcessingElement):
        self.pe = pe
        super().__init__({"ctl": In(Control), "mode": In(pe.mode_width), "a": In(pe.row_payload),
                          "w": In(pe.column_payload), "o": Out(pe.result_width * pe.result_words)})

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.pe.key,)


class Engine(wiring.Component):
    """All that one output needs but its tail: a row edge, a column edge and a core. For measurement: in an array, cores
    share their edges.

    Members
    -------
    ctl: In(Control). mode: In(mode_width). <operand name>: In(width), for each operand of the edges.
    o: Out(result_width): the core's result.
    """

    _MustUse__silence = True  # also made only to be read: by a build's check

    def __init__(self, pe: ProcessingElement):
        self.pe = pe
        super().__init__({"ctl": In(Control), "mode": In(pe.mode_width),
                          **{operand.name: In(operand.width) for operand in pe.select(None, Part.EDGE)},
                          "o": Out(pe.result_width * pe.result_words)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.row_edge, m.submodules.column_edge = edges = self.pe.row_edge(), self.pe.column_edge()
        m.submodules.core = core = self.pe.core()
        for edge in edges:
            m.d.comb += [edge.ctl.eq(self.ctl), edge.mode.eq(self.mode)]
            for operand in self.pe.select(edge.axis, Part.EDGE):
                m.d.comb += getattr(edge, operand.name).eq(getattr(self, operand.name))
        row, column = edges
        m.d.comb += [core.ctl.eq(row.ctl_o), core.mode.eq(self.mode), core.a.eq(row.o), core.w.eq(column.o),
                     self.o.eq(core.o)]
        return m


class TailControl(data.StructLayout):
    """What a result word says of itself at the tail's input: ``valid``; ``index`` of the core (0 … share−1);
    ``word`` of the result; ``first`` and ``last`` result of the block (an output is due with the last)."""

    def __init__(self, share: int, words: int):
        super().__init__({"valid": 1, "first": 1, "last": 1,
                          "index": max(1, (share - 1).bit_length()), "word": max(1, (words - 1).bit_length())})


class Tail(wiring.Component):
    """Base of tails; serves ``share`` cores of one array row, in the order of their columns.

    Members
    -------
    ctl: In(TailControl). mode: In(mode_width). i: In(result_width): one word of a core's result, least
        significant first.
    <operand name>: In(width), for each operand of the tail, of either axis: that of the core at
        ``ctl.index``.
    row_side, column_side: In, what the edges sent, if they do.
    o_valid: Out(1), o: Out(out_width): ``pe.tail_latency`` cycles after the last word of a block's last
    result.

    Words arrive at ``tail_interval`` cycles per core (the words of one core in consecutive cycles); two
    results of the same core are at least ``pe.result_interval(share)`` cycles apart.
    """

    def __init__(self, pe: ProcessingElement, share: int):
        self.pe = pe
        self.share = share
        members: dict[str, Any] = {"ctl": In(TailControl(share, pe.result_words)), "mode": In(pe.mode_width),
                                   "i": In(pe.result_width), "o_valid": Out(1), "o": Out(pe.scheme.out_width)}
        for operand in pe.select(None, Part.TAIL):
            members[operand.name] = In(operand.width)
        if pe.row_side:
            members["row_side"] = In(pe.row_side)
        if pe.column_side:
            members["column_side"] = In(pe.column_side)
        super().__init__(members)

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.pe.key, self.share)


class ProcessingElement(ABC):
    """Describes a processing element and makes its parts. Subclasses live one to a file, named as their
    scheme's family.

    Subclasses set in ``__init__`` (keyword-only build options with defaults; ``options`` lists them):

    - every build option as an attribute of its name,
    - ``operands``: what is read from memory (see ``Operand``), ``group``: k per group,
    - ``result``: ``Cadence.GROUP`` or ``Cadence.BLOCK``; ``result_width`` bits × ``result_words`` words of a
      core's result,
    - ``row_payload``, ``column_payload``: shapes handed from edge to core, ``row_side``, ``column_side``:
      bits from edge to tail,
    - ``core_latency``: cycles from a beat at the core's input to the result; ``edge_latency``: cycles from
      the result's last beat at the edges to that beat (``ctl_o.last``) at the core,
    - ``tail_latency``: from the last word's cycle to the output's; ``tail_interval``: cycles per core;
      ``tail_loop``: least cycles between two results of one core.
    """

    family: ClassVar[str]
    options: ClassVar[dict[str, str]] = {}
    """Build options: name → what it does."""

    scheme: Scheme
    operands: tuple[Operand, ...]
    group: int
    result: Cadence
    result_width: int
    result_words: int = 1
    row_payload: Any
    column_payload: Any
    row_side: int = 0
    column_side: int = 0
    modes: range = range(1)
    edge_latency: int
    core_latency: int
    tail_latency: int
    tail_interval: int = 1
    tail_loop: int = 1

    _registry: ClassVar[dict[str, type[ProcessingElement]]] = {}

    def __init_subclass__(cls) -> None:
        if "family" in cls.__dict__:
            ProcessingElement._registry[cls.family] = cls

    @property
    def mode_width(self) -> int:
        """Bits of the run-time mode."""
        return max(1, (self.modes.stop - 1).bit_length())

    @property
    def mode(self) -> int:
        """The mode that computes ``scheme``."""
        return self.modes.start

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal keys mean equal hardware."""
        return (type(self), self.scheme.name, *(getattr(self, option) for option in self.options))

    @abstractmethod
    def beats(self, mode: int) -> int:
        """Beats of a group in ``mode``."""

    def beats_signal(self, mode: Value) -> Value:
        """``beats`` as an Amaranth expression of the mode signal."""
        beats = [self.beats(max(n, self.modes.start)) for n in range(self.modes.stop)]
        return Const(beats[0]) if len(set(beats)) == 1 else Array(Const(n) for n in beats)[mode]

    @property
    def max_beats(self) -> int:
        """Most beats a group takes in any mode."""
        return max(self.beats(mode) for mode in (self.modes[0], self.modes[-1]))

    def macs_per_cycle(self, mode: int) -> float:
        """Multiply-accumulates of a core per cycle."""
        return self.group / self.beats(mode)

    @property
    def warmup(self) -> int:
        """Cycles of loading before a block's first beat."""
        return max((o.words for o in self.operands if (o.cadence, o.part) == (Cadence.BLOCK, Part.EDGE)), default=0)

    def result_interval(self, share: int) -> int:
        """Least cycles between two results of the same core behind a tail shared by ``share``."""
        return max(share * self.tail_interval, self.tail_loop)

    def schedule(self, *, groups: int, mode: int, share: int = 1) -> Schedule:
        """Cycles of a block of ``groups`` groups."""
        flush = self.edge_latency + self.core_latency + share * self.tail_interval + self.tail_latency + 1
        return Schedule(warmup=self.warmup, beats=self.beats(mode), groups=groups, flush=flush,
                        interval=self.result_interval(share), per_group=self.result is Cadence.GROUP)

    def groups(self, k: int) -> int:
        """Groups that hold ``k`` elements."""
        return -(-k // self.group)

    def select(self, axis: Axis | None, part: Part | None) -> tuple[Operand, ...]:
        """Operands of an axis (None: both) and a part (None: both)."""
        return tuple(o for o in self.operands if axis in (None, o.axis) and part in (None, o.part))

    @abstractmethod
    def row_edge(self) -> Edge: ...

    @abstractmethod
    def column_edge(self) -> Edge: ...

    @abstractmethod
    def core(self) -> Core: ...

    @abstractmethod
    def tail(self, share: int) -> Tail: ...
