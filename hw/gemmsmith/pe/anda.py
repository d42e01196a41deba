"""Anda bit-serial unit: shared-exponent activations in bit planes × INT4 weights."""

from __future__ import annotations

from typing import Any, NamedTuple

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib.memory import Memory

from gemmsmith.arith.float_add import FloatAdd
from gemmsmith.arith.float_convert import FloatToHalf
from gemmsmith.arith.float_scale import ScaleInteger
from gemmsmith.arith.round import FP16, FP32
from gemmsmith.arith.serial import SerialAccumulator, SerialNegator, check_planes
from gemmsmith.arith.sum import cuts, delay, levels
from gemmsmith.pe.base import Core, Edge, ProcessingElement, Tail
from gemmsmith.schemes import Anda, Axis, Cadence, Operand, Part

LANES = Anda.group
WEIGHT = 4
"""Bits of a weight code."""
DIGIT_SUM = WEIGHT + levels(LANES)
"""Bits of Σ digit · weight over the lanes: −512 … 448."""
HALF_STAGES = 1
PAIRS = {1: "", 2: "; two by two, where m is even with a plane of zeros behind the sign plane"}


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


class AndaElement(ProcessingElement):
    """64 lanes, one bit plane a cycle: a group of 64 products takes M + 1 cycles, M chosen at run time; or two planes
    and half the cycles, rounded up.

    The row edge turns sign–magnitude planes into two's-complement digits, least significant first, so that the core
    is no more than 64 gated weights, an adder tree and a shift-right accumulator; its result is S · 2^(m_max − M).

    Parameters
    ----------
    m_max: largest mantissa length, 1..16; the run-time mode is the mantissa length.
    stages: pipeline registers of the core's adder tree, 0..6, the accumulator's not counted: fewer save flip-flops,
        more are faster.
    tail_loop: cycles from a result of a core to its next one, 2, 3, 4 or 8: groups of M ≥ 3 or of M ≥ 7 never wait for
        a loop of 4 or 8; meanwhile the tail takes a result of another core every cycle. Longer loops allow a higher
        clock, the two short ones are for standard cells, where registers cost most.
    planes: bit planes per cycle, 1 or 2: with two, a group takes ⌈(M + 1) / 2⌉ cycles.

    Raises
    ------
    ValueError if a parameter is out of its range, or ``scheme.m`` exceeds ``m_max``.
    """

    family = "anda"
    scheme: Anda
    planes: int
    options = {"m_max": "largest mantissa length that can be chosen at run time, 1..16",
               "tail_loop": "least cycles between results of a core: 2, 3 or 4, or 8 for a higher clock",
               "planes": "bit planes per cycle, 1 or 2",
               "stages": f"pipeline registers of the core's adder tree, 0..{levels(LANES)}"}

    def __init__(self, *, scheme: Anda, m_max: int = 16, stages: int = levels(LANES), tail_loop: int = 4,
                 planes: int = 1):
        if m_max not in range(1, 17):
            raise ValueError(f"m_max must be 1..16, not {m_max!r}")
        if scheme.m > m_max:
            raise ValueError(f"m_max must be at least the scheme's m = {scheme.m}, not {m_max!r}")
        if stages not in range(levels(LANES) + 1):
            raise ValueError(f"stages must be 0..{levels(LANES)}, not {stages!r}")
        if tail_loop not in TAIL_STAGES:
            raise ValueError(f"tail_loop must be one of {', '.join(map(str, TAIL_STAGES))}, not {tail_loop!r}")
        check_planes(planes)
        self.scheme = scheme
        self.m_max = m_max
        self.planes = planes
        self.stages = stages
        self.operands = (
            Operand(name="a_plane", axis=Axis.ROW, width=planes * LANES, cadence=Cadence.BEAT,
                    doc=f"per group: the sign plane, then the mantissa planes, least significant first{PAIRS[planes]}"),
            Operand(name="a_exponent", axis=Axis.ROW, width=5, cadence=Cadence.GROUP, part=Part.TAIL,
                    doc="shared biased FP16 exponent of the group"),
            Operand(name="w_codes", axis=Axis.COLUMN, width=LANES * WEIGHT, cadence=Cadence.GROUP,
                    doc="INT4 codes, two's complement, element 0 lowest"),
            Operand(name="w_scale", axis=Axis.COLUMN, width=16, cadence=Cadence.GROUP, part=Part.TAIL,
                    every=scheme.weight_group // LANES, doc="FP16 scale of the weight group"),
        )
        self.group = LANES
        self.result = Cadence.GROUP
        self.result_width = DIGIT_SUM + m_max
        self.row_payload = planes * LANES
        self.column_payload = LANES * WEIGHT
        self.modes = range(1, m_max + 1)
        self.edge_latency = SerialNegator.latency
        self.core_latency = stages + 1 + (planes == 2 and stages > 0)
        self.tail_loop = tail_loop
        self.tail_latency = TAIL_STAGES[tail_loop].latency
        if scheme.out == "fp16":
            self.tail_latency += HALF_STAGES + TAIL_STAGES[tail_loop].stored

    @property
    def mode(self) -> int:
        return self.scheme.m

    def beats(self, mode: int) -> int:
        return -(-(mode + 1) // self.planes)

    def beats_signal(self, mode: Any) -> Any:
        return mode + 1 if self.planes == 1 else (mode + 2) >> 1

    def row_edge(self) -> Edge:
        return AndaRowEdge(self, Axis.ROW)

    def column_edge(self) -> Edge:
        return AndaColumnEdge(self, Axis.COLUMN)

    def core(self) -> Core:
        return AndaCore(self)

    def tail(self, share: int) -> Tail:
        return AndaTail(self, share)


class AndaRowEdge(Edge):
    """Planes → complements of digits. The last digit leaves two cycles after the last plane."""

    pe: AndaElement

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.negator = negator = SerialNegator(lanes=LANES, planes=self.pe.planes)
        m.d.comb += [
            negator.valid.eq(self.ctl.valid),
            negator.first.eq(self.ctl.first),
            negator.last.eq(self.ctl.last),
            negator.plane.eq(self.a_plane),
            self.ctl_o.valid.eq(negator.o_valid),
            self.ctl_o.first.eq(negator.o_first),
            self.ctl_o.last.eq(negator.o_last),
            self.o.eq(negator.o_n),
        ]
        return m


class AndaColumnEdge(Edge):
    """Holds the group's weights, in offset binary (sign bits inverted): one register for all cores of the column."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        weights = Signal.like(self.o, reset_less=True)
        # Not at the sign plane: one cycle later the cores still take the previous group's last digit. If it is the
        # last plane, too, no group ended in the cycle before: results keep their distance.
        with m.If(self.ctl.valid & (~self.ctl.first | self.ctl.last)):
            m.d.sync += weights.eq(invert_signs(self.w_codes))
        m.d.comb += self.o.eq(weights)
        return m


def invert_signs(words: Value) -> Value:
    """Weights side by side, from two's complement to offset binary or back."""
    return words ^ Const(1 << WEIGHT - 1, WEIGHT).replicate(LANES)


class AndaCore(Core):
    """Sum of the weights whose digit is set, then serial accumulation; ``last`` marks the digit of negative weight.

    The edges hand over complements of digits and of sign bits, as the leaves of some technologies want them.
    """

    pe: AndaElement

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.serial = serial = SerialAccumulator(
            count=LANES, width=WEIGHT, shift_out=self.pe.m_max, cuts=cuts(levels(LANES), self.pe.stages),
            planes=self.pe.planes)
        m.d.comb += [
            serial.valid.eq(self.ctl.valid),
            serial.first.eq(self.ctl.first),
            serial.last.eq(self.ctl.last),
            serial.words.eq(invert_signs(self.w)),
            serial.gates.eq(~self.a),
            self.o.eq(serial.o[:-1]),  # not −2^(result_width − 1)
        ]
        return m


class AndaTail(Tail):
    """acc ← acc + (float(S) · scale), each step rounded to FP32; one accumulator for each of the ``share`` cores.

    A scale with exponent 31 counts as the largest finite FP16.
    """

    pe: AndaElement

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
            # A core's result is S · 2^(m_max − M), a mantissa's last bit weighs 2^(E − 15 − (M − 1)): M cancels.
            scale.i.eq(self.i),
            scale.exponent.eq(self.a_exponent - (FP16.bias - 1 + pe.m_max)),
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
