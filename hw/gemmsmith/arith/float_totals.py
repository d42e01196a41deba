"""FP32 running totals: what a tail adds up, group by group, for each of the cores it serves."""

from __future__ import annotations

from typing import Any, NamedTuple

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.float_add import FloatAdd
from gemmsmith.arith.round import FP32
from gemmsmith.arith.sum import delay


class LoopStages(NamedTuple):
    """Pipeline registers: ``read`` in front of the adder, ``add`` in it. If sums are ``stored`` where they leave it,
    the totals are its last register."""

    read: int
    add: int
    stored: bool = False

    @property
    def latency(self) -> int:
        """Cycles from a summand to its sum."""
        return self.read + self.add - self.stored


LOOPS = {2: LoopStages(0, 2, stored=True), 3: LoopStages(0, 3, stored=True), 4: LoopStages(0, 4), 8: LoopStages(1, 7)}
"""By the length of the loop, ``read + add``: the least cycles between two summands of one total."""
TAIL_LOOP = "least cycles between results of a core: 2, 3, 4, or 8; longer allows a higher clock"
"""What the build option of tails with totals does."""


class FloatTotals(wiring.Component):
    """total[index] ← (0 if first else total[index]) + i, rounded to FP32 as by ``FloatAdd``; a summand every cycle.

    What a summand says of itself comes a cycle ahead of it. ``latency`` cycles after the summand, its sum is in ``o``.
    Summands of the same total are at least ``loop`` cycles apart.

    Parameters
    ----------
    count: totals, at least 1.
    loop: 2, 3, 4 or 8; longer allows a higher clock.

    Members
    -------
    valid, first: In(1), index: In(range(count)); last: In(1): the total is due. A cycle ahead of
    i: In(32).
    o: Out(32); o_valid: Out(1): the total that was due.

    Raises
    ------
    ValueError if there is no such loop.
    """

    def __init__(self, *, count: int, loop: int):
        check_loop(loop)
        self.count = count
        self.stages = LOOPS[loop]
        super().__init__({"valid": In(1), "first": In(1), "last": In(1), "index": In(range(count)),
                          "i": In(FP32.width), "o": Out(FP32.width), "o_valid": Out(1)})

    @property
    def latency(self) -> int:
        return self.stages.latency

    def told(self, tag: Any) -> list[Any]:
        """Assignments: what a view with these fields says of the summand that comes a cycle later."""
        return [getattr(self, name).eq(tag[name]) for name in ("valid", "first", "last", "index")]

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        cuts = self.stages
        m.submodules.add = add = FloatAdd(stages=cuts.add, stored=cuts.stored)
        m.submodules.kept = kept = Memory(shape=FP32.width, depth=self.count, init=[])
        read, write = kept.read_port(domain="comb"), kept.write_port()
        tags = [Signal(data.StructLayout({"valid": 1, "first": 1, "last": 1, "index": range(self.count)}), name="tag")]
        m.d.comb += [tags[0][name].eq(getattr(self, name)) for name in ("valid", "first", "last", "index")]
        for i in range(1 + self.latency):
            tags.append(Signal.like(tags[0], name=f"tag_{i}"))
            m.d.sync += tags[-1].eq(tags[-2])

        base = read.data
        if not cuts.stored:
            # A total's next summand may come in the cycle in which its sum leaves the adder, too late for the memory.
            forward = Signal()
            m.d.sync += forward.eq(tags[-2].valid & (tags[-2].index == tags[0].index))
            base = Mux(forward, add.o, base)
        base = Mux(tags[1].first, 0, base)
        m.d.comb += [
            read.addr.eq(tags[1].index),
            add.a.eq(delay(m, base, cuts.read, name="base", reset_less=True)),
            add.b.eq(delay(m, self.i, cuts.read, name="summand", reset_less=True)),
            write.addr.eq(tags[-1].index),
            write.data.eq(add.o),
            write.en.eq(tags[-1].valid),
            self.o.eq(add.o),
            self.o_valid.eq(tags[-1].valid & tags[-1].last),
        ]
        return m


def check_loop(loop: int) -> None:
    """Raise ``ValueError`` if there is no such loop."""
    if loop not in LOOPS:
        raise ValueError(f"tail_loop must be one of {', '.join(map(str, LOOPS))}, not {loop!r}")
