"""Anda bit-serial unit: shared-exponent activations in bit planes × INT4 weights."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal

from gemmsmith.arith.float_totals import TAIL_LOOP
from gemmsmith.arith.serial import SerialAccumulator, SerialNegator, check_planes
from gemmsmith.arith.sum import cuts, invert_signs, levels
from gemmsmith.pe.base import Core, Edge
from gemmsmith.pe.prealigned import LANES, WEIGHT, PrealignedElement
from gemmsmith.schemes import Anda, Axis, Cadence, Operand

DIGIT_SUM = WEIGHT + levels(LANES)
"""Bits of Σ digit · weight over the lanes: −512 … 448."""
ORDER = {1: "most significant first",
         2: "least significant first, two by two; if m is even, a plane of zeros stands behind the sign plane"}
"""In memory, by planes per cycle."""


class AndaElement(PrealignedElement):
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
               "tail_loop": TAIL_LOOP,
               "planes": "bit planes per cycle, 1 or 2",
               "stages": f"pipeline registers of the core's adder tree, 0..{levels(LANES)}"}

    def __init__(self, *, scheme: Anda, m_max: int = 16, stages: int = levels(LANES), tail_loop: int = 4,
                 planes: int = 1):
        if m_max not in range(1, 17):
            raise ValueError(f"m_max must be 1..16, not {m_max!r}")
        if scheme.m > m_max:
            raise ValueError(f"m_max must be at least the scheme's m = {scheme.m}, not {m_max!r}")
        self.cuts = cuts(levels(LANES), stages)
        check_planes(planes)
        codes = Operand(name="a_plane", axis=Axis.ROW, width=planes * LANES, cadence=Cadence.BEAT,
                        descending=planes == 1,
                        doc=f"per group: the sign plane, then the mantissa planes, {ORDER[planes]}")
        weights = Operand(name="w_codes", axis=Axis.COLUMN, width=LANES * WEIGHT, cadence=Cadence.GROUP,
                          doc="INT4 codes, two's complement, element 0 lowest")
        # A core's result is S · 2^(m_max − M).
        self._scaled(scheme, codes, weights, point=m_max, tail_loop=tail_loop)
        self.m_max = m_max
        self.planes = planes
        self.stages = stages
        self.result_width = DIGIT_SUM + m_max
        self.row_payload = planes * LANES
        self.column_payload = LANES * WEIGHT
        self.modes = range(1, m_max + 1)
        self.edge_latency = SerialNegator.latency
        self.core_latency = stages + 1 + (planes == 2 and stages > 0)

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
            m.d.sync += weights.eq(invert_signs(self.w_codes, WEIGHT))
        m.d.comb += self.o.eq(weights)
        return m


class AndaCore(Core):
    """Sum of the weights whose digit is set, then serial accumulation; ``last`` marks the digit of negative weight.

    The edges hand over complements of digits and of sign bits, as the leaves of some technologies want them.
    """

    pe: AndaElement

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.serial = serial = SerialAccumulator(
            count=LANES, width=WEIGHT, shift_out=self.pe.m_max, cuts=self.pe.cuts,
            planes=self.pe.planes)
        m.d.comb += [
            serial.valid.eq(self.ctl.valid),
            serial.first.eq(self.ctl.first),
            serial.last.eq(self.ctl.last),
            serial.words.eq(invert_signs(self.w, WEIGHT)),
            serial.gates.eq(~self.a),
            self.o.eq(serial.o[:-1]),  # not −2^(result_width − 1)
        ]
        return m
