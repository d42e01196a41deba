"""iFPU unit: pre-aligned activations × INT4 weights, a bit plane of the weights after the other."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, Value

from gemmsmith.arith.float_totals import TAIL_LOOP
from gemmsmith.arith.serial import SerialAccumulator
from gemmsmith.arith.sum import cuts, invert_signs, levels
from gemmsmith.pe.base import Core, Edge, HeldEdge
from gemmsmith.pe.prealigned import LANES, WEIGHT, PrealignedElement
from gemmsmith.schemes import Axis, Cadence, Ifpu, Operand


class IfpuElement(PrealignedElement):
    """64 lanes, one bit plane of the weights a cycle: a group of 64 products takes 4 cycles.

    The core is that of Anda with the operands' parts exchanged: 64 gated activations, an adder tree and a shift-right
    accumulator.

    Parameters
    ----------
    stages: pipeline registers of the core's adder tree, 0..6, the accumulator's not counted: fewer save flip-flops,
        more are faster.
    tail_loop: cycles from a result of a core to its next one, 4 or 8. With 4 groups never wait for the tail, which
        takes a result of another core every cycle; with 8, which allows a higher clock, they take 8 cycles.

    Raises
    ------
    ValueError if a parameter is out of its range.
    """

    family = "ifpu"
    scheme: Ifpu
    options = {"tail_loop": TAIL_LOOP, "stages": f"pipeline registers of the core's adder tree, 0..{levels(LANES)}"}

    def __init__(self, *, scheme: Ifpu, stages: int = levels(LANES), tail_loop: int = 4):
        self.cuts = cuts(levels(LANES), stages)
        self.stages = stages
        self.code = scheme.m + 1
        activations = Operand(name="a_codes", axis=Axis.ROW, width=self.code * LANES, cadence=Cadence.GROUP,
                              doc=f"signed mantissas of {self.code} bits, two's complement, element 0 lowest")
        planes = Operand(name="w_plane", axis=Axis.COLUMN, width=LANES, cadence=Cadence.BEAT,
                         doc="per group: the bit planes of INT4 codes, two's complement, least significant first")
        self._scaled(scheme, activations, planes, point=scheme.m, tail_loop=tail_loop)
        self.result_width = scheme.m + WEIGHT + levels(LANES)
        self.row_payload = self.code * LANES
        self.column_payload = LANES
        self.edge_latency = 1
        self.core_latency = stages + 1

    def beats(self, mode: int) -> int:
        return WEIGHT

    def row_edge(self) -> Edge:
        return IfpuRowEdge(self, Axis.ROW)

    def column_edge(self) -> Edge:
        return IfpuColumnEdge(self, Axis.COLUMN)

    def core(self) -> Core:
        return IfpuCore(self)


class IfpuRowEdge(Edge):
    """Holds the group's activations, in offset binary: one register for all cores of the row."""

    pe: IfpuElement

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        codes = Signal.like(self.o, reset_less=True)
        with m.If(self.ctl.valid & self.ctl.first):
            m.d.sync += codes.eq(invert_signs(self.a_codes, self.pe.code))
        m.d.sync += self.ctl_o.eq(self.ctl)
        m.d.comb += self.o.eq(codes)
        return m


class IfpuColumnEdge(HeldEdge):
    """Complements of a plane, as the leaves of some technologies want them."""

    def word(self, m: Module) -> Value:
        return ~self.w_plane


class IfpuCore(Core):
    """Sum of the activations whose weight's bit is set, then serial accumulation; ``last`` marks the sign plane."""

    pe: IfpuElement

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pe = self.pe
        m.submodules.serial = serial = SerialAccumulator(
            count=LANES, width=pe.code, shift_out=WEIGHT - 1, cuts=pe.cuts)
        m.d.comb += [
            serial.valid.eq(self.ctl.valid),
            serial.first.eq(self.ctl.first),
            serial.last.eq(self.ctl.last),
            serial.words.eq(invert_signs(self.a, pe.code)),
            serial.gates.eq(~self.w),
            self.o.eq(serial.o),
        ]
        return m
