"""FIGNA bit-parallel unit: pre-aligned activations × INT4 weights, several products a cycle."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, signed

from gemmsmith.arith.digits import DigitAccumulator, DigitRecoder, Digits, ones_width
from gemmsmith.arith.dot import PlaneDot
from gemmsmith.arith.sum import delay, levels
from gemmsmith.arith.tech import leaf
from gemmsmith.pe.base import Core, Edge
from gemmsmith.pe.prealigned import LANES, TAIL_LOOP, WEIGHT, PrealignedElement, invert_signs
from gemmsmith.schemes import Axis, Cadence, Figna, Operand


class FignaElement(PrealignedElement):
    """``lanes`` products a cycle: a group of 64 takes 64 / ``lanes`` cycles.

    Parameters
    ----------
    lanes: products per cycle and core, a power of two from 1 to 64.
    pipelined: 1: the core sums bit planes of the weights, registered behind every level of the tree, which FPGAs do
        best; 0: the column edge recodes weights into radix-4 digits, and the core sums their products and the
        accumulator at once, which takes least area in standard cells.
    tail_loop: cycles from a result of a core to its next one, 4 or 8: groups of that many beats or more never wait for
        the tail, which takes a result of another core every cycle. The longer loop allows a higher clock.

    Raises
    ------
    ValueError if a parameter is out of its range.
    """

    family = "figna"
    scheme: Figna
    options = {"lanes": "products per cycle and core: a power of two, 1..64",
               "tail_loop": TAIL_LOOP,
               "pipelined": "1: core in registered stages, for FPGAs; 0: in a single one, for standard cells"}

    def __init__(self, *, scheme: Figna, lanes: int = 16, tail_loop: int = 4, pipelined: int = 1):
        if lanes not in (1, 2, 4, 8, 16, 32, 64):
            raise ValueError(f"lanes must be a power of two from 1 to 64, not {lanes!r}")
        if pipelined not in (0, 1):
            raise ValueError(f"pipelined must be 0 or 1, not {pipelined!r}")
        self.lanes = lanes
        self.pipelined = pipelined
        self.code = scheme.m + 1
        activations = Operand(name="a_codes", axis=Axis.ROW, width=self.code * lanes, cadence=Cadence.BEAT,
                              doc=f"signed mantissas of {self.code} bits, two's complement, lane 0 lowest")
        weights = Operand(name="w_codes", axis=Axis.COLUMN, width=WEIGHT * lanes, cadence=Cadence.BEAT,
                          doc="INT4 codes, two's complement, lane 0 lowest")
        self._scaled(scheme, activations, weights, point=scheme.m, tail_loop=tail_loop)
        self.result_width = scheme.m + WEIGHT + levels(LANES)
        self.row_payload = self.code * lanes
        self.column_payload = WEIGHT * lanes if pipelined else Digits.size * lanes + ones_width(lanes)
        self.edge_latency = 1
        self.core_latency = levels(lanes) + levels(WEIGHT) + 1 if pipelined else DigitAccumulator.latency

    def beats(self, mode: int) -> int:
        return LANES // self.lanes

    def beats_signal(self, mode: Any) -> Any:
        return Const(self.beats(0))

    def row_edge(self) -> Edge:
        return FignaRowEdge(self, Axis.ROW)

    def column_edge(self) -> Edge:
        return FignaColumnEdge(self, Axis.COLUMN)

    def core(self) -> Core:
        return PlaneCore(self) if self.pipelined else DigitCore(self)


class FignaRowEdge(Edge):
    """One register for all cores of the row, in offset binary, as the leaves of some technologies want it."""

    pe: FignaElement

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        codes = Signal.like(self.o, reset_less=True)
        with m.If(self.ctl.valid):
            m.d.sync += codes.eq(invert_signs(self.a_codes, self.pe.code))
        m.d.sync += self.ctl_o.eq(self.ctl)
        m.d.comb += self.o.eq(codes)
        return m


class FignaColumnEdge(Edge):
    """One register for all cores of the column: the weights' complements, or their digits."""

    pe: FignaElement

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        following = ~self.w_codes
        if not self.pe.pipelined:
            m.submodules.recoder = recoder = DigitRecoder(lanes=self.pe.lanes)
            m.d.comb += recoder.w.eq(self.w_codes)
            following = Cat(recoder.digits, recoder.ones)
        payload = Signal.like(self.o, reset_less=True)
        with m.If(self.ctl.valid):
            m.d.sync += payload.eq(following)
        m.d.comb += self.o.eq(payload)
        return m


class PlaneCore(Core):
    """Dot product of a beat by bit planes of the weights, then accumulation over the group."""

    pe: FignaElement

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pe = self.pe
        m.submodules.dot = dot = PlaneDot(lanes=pe.lanes, a_width=pe.code, w_width=WEIGHT)
        total = Signal(signed(pe.result_width), reset_less=True)
        # Beats take effect in their order, and the first one clears: even ``valid`` needs no reset.
        valid = delay(m, self.ctl.valid, dot.latency, name="valid", reset_less=True)
        first = delay(m, self.ctl.first, dot.latency, name="first", reset_less=True)
        m.d.comb += [dot.a.eq(invert_signs(self.a, pe.code)), dot.w.eq(~self.w), self.o.eq(total)]
        following = leaf("accumulate")(m, total, first, dot.o)
        with m.If(valid):
            m.d.sync += total.eq(following)
        return m


class DigitCore(Core):
    """Dot product of a beat by digits of the weights, together with the accumulator."""

    pe: FignaElement

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pe = self.pe
        m.submodules.digits = digits = DigitAccumulator(lanes=pe.lanes, a_width=pe.code, width=pe.result_width)
        m.d.comb += [
            digits.valid.eq(self.ctl.valid),
            digits.first.eq(self.ctl.first),
            digits.a.eq(invert_signs(self.a, pe.code)),
            Cat(digits.digits, digits.ones).eq(self.w),
            self.o.eq(digits.o),
        ]
        return m
