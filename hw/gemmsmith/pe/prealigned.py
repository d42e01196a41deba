"""What processing elements of pre-aligned activations have in common: a result per group, and the tail that scales."""

from __future__ import annotations

from typing import Any, NamedTuple

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib.memory import Memory

from gemmsmith.arith.float_add import FloatAdd
from gemmsmith.arith.float_convert import FloatToHalf
from gemmsmith.arith.float_scale import ScaleInteger
from gemmsmith.arith.round import FP16, FP32
from gemmsmith.arith.sum import delay
from gemmsmith.pe.base import ProcessingElement, Tail
from gemmsmith.schemes import Axis, Cadence, Operand, Part, Prealigned

LANES = Prealigned.group
WEIGHT = 4
"""Bits of a weight code."""
HALF_STAGES = 1


class TailStages(NamedTuple):
    """Pipeline registers of the tail's parts; ``read`` in front of the adder. If sums are ``stored`` where they leave
    it, the accumulators are its last register."""

    scale: int
    read: int
    add: int
    stored: bool = False

    @property
    def latency(self) -> int:
        return self.scale + self.read + self.add - self.stored


TAIL_STAGES = {2: TailStages(2, 0, 2, stored=True), 3: TailStages(3, 0, 3, stored=True), 4: TailStages(6, 0, 4),
               8: TailStages(9, 1, 7)}
"""By the length of the accumulator's loop, ``read + add``: a core may have a result every so many cycles."""
TAIL_LOOP = "least cycles between results of a core: 2, 3, 4, or 8; longer allows a higher clock"


class PrealignedElement(ProcessingElement):
    """Base of processing elements of ``Prealigned`` schemes. Subclasses call ``_scaled`` with their own operands, and
    set what is left.
    """

    scheme: Prealigned
    point: int
    """A core's result is S · 2^(point − m): its last bit weighs 2^(E − 15 − (point − 1)), whatever m is."""

    def _scaled(self, scheme: Prealigned, a_codes: Operand, w_codes: Operand, *, point: int, tail_loop: int) -> None:
        """What the scheme and the tail decide. Raises ``ValueError`` if there is no such tail."""
        if tail_loop not in TAIL_STAGES:
            raise ValueError(f"tail_loop must be one of {', '.join(map(str, TAIL_STAGES))}, not {tail_loop!r}")
        self.scheme = scheme
        self.point = point
        self.operands = (
            a_codes,
            Operand(name="a_exponent", axis=Axis.ROW, width=5, cadence=Cadence.GROUP, part=Part.TAIL,
                    dense=True, doc="shared biased FP16 exponent of the group"),
            w_codes,
            Operand(name="w_scale", axis=Axis.COLUMN, width=16, cadence=Cadence.GROUP, part=Part.TAIL,
                    every=scheme.weight_group // LANES, doc="FP16 scale of the weight group"),
        )
        self.group = LANES
        self.result = Cadence.GROUP
        self.tail_loop = tail_loop
        self.tail_latency = TAIL_STAGES[tail_loop].latency
        if scheme.out == "fp16":
            self.tail_latency += HALF_STAGES + TAIL_STAGES[tail_loop].stored

    def tail(self, share: int) -> Tail:
        return ScaledTail(self, share)


class ScaledTail(Tail):
    """acc ← acc + (float(S) · scale), each step rounded to FP32; one accumulator for each of the ``share`` cores.

    A scale with exponent 31 counts as the largest finite FP16.
    """

    pe: PrealignedElement

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pe, half = self.pe, self.pe.scheme.out == "fp16"
        cuts = TAIL_STAGES[pe.tail_loop]
        m.submodules.scale = scale = ScaleInteger(width=pe.result_width, exponent_width=6, stages=cuts.scale)
        m.submodules.add = add = FloatAdd(stages=cuts.add, stored=cuts.stored)
        m.submodules.accumulators = accumulators = Memory(shape=FP32.width, depth=self.share, init=[])
        read, write = accumulators.read_port(domain="comb"), accumulators.write_port()

        reading = scale.latency
        added = reading + cuts.read + add.latency
        tags = [self.ctl]
        for i in range(added):
            tags.append(Signal.like(self.ctl, name=f"tag_{i + 1}"))
            m.d.sync += tags[-1].eq(tags[-2])
        base = read.data
        if not cuts.stored:
            # A core's next result may come in the cycle in which its sum leaves the adder, too late for the memory.
            forward = Signal()
            m.d.sync += forward.eq(tags[added - 1].valid & (tags[added - 1].index == tags[reading - 1].index))
            base = Mux(forward, add.o, base)
        base = Mux(tags[reading].first, 0, base)

        m.d.comb += [
            scale.i.eq(self.i),
            scale.exponent.eq(self.a_exponent - (FP16.bias - 1 + pe.point)),
            scale.scale.eq(self.w_scale),
            read.addr.eq(tags[reading].index),
            add.a.eq(delay(m, base, cuts.read, name="base", reset_less=True)),
            add.b.eq(delay(m, scale.o, cuts.read, name="scaled", reset_less=True)),
            write.addr.eq(tags[added].index),
            write.data.eq(add.o),
            write.en.eq(tags[added].valid),
        ]
        done, output = tags[added].valid & tags[added].last, add.o
        if half:
            m.submodules.half = to_half = FloatToHalf(stages=HALF_STAGES)
            m.d.comb += to_half.i.eq(delay(m, output, int(cuts.stored), name="sum", reset_less=True))
            done, output = delay(m, done, HALF_STAGES + cuts.stored, name="done"), to_half.o
        m.d.comb += [self.o.eq(output), self.o_valid.eq(done)]
        return m
