"""INT8 dot-product unit: the integer baseline."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Signal, Value, signed

from gemmsmith.arith.dot import PlaneDot
from gemmsmith.arith.sum import delay, levels
from gemmsmith.arith.tech import leaf
from gemmsmith.pe.base import Core, Edge
from gemmsmith.pe.rowscaled import SUM, RowScaledElement
from gemmsmith.schemes import Axis, Cadence, Int8, Operand

CODE = 8
"""Bits of a code."""


class Int8Element(RowScaledElement):
    """``lanes`` INT8 × INT8 products a cycle, summed by bit planes into a 32-bit accumulator.

    Parameters
    ----------
    lanes: products per cycle and core, a power of two from 1 to 64.
    """

    family = "int8"
    options = {"lanes": "products per cycle and core: a power of two, 1..64"}

    def __init__(self, *, scheme: Int8, lanes: int = 16):
        if lanes not in (1, 2, 4, 8, 16, 32, 64):
            raise ValueError(f"lanes must be a power of two from 1 to 64, not {lanes!r}")
        self.lanes = lanes
        codes = CODE * lanes
        self._scaled(scheme, Operand(name="a_codes", axis=Axis.ROW, width=codes, cadence=Cadence.BEAT,
                                     doc="INT8 codes, lane 0 lowest"),
                     Operand(name="w_codes", axis=Axis.COLUMN, width=codes, cadence=Cadence.BEAT,
                             doc="INT8 codes, lane 0 lowest"))
        self.group = lanes
        self.row_payload = self.column_payload = codes
        self.edge_latency = 1
        self.core_latency = levels(lanes) + levels(CODE) + 1

    def beats(self, mode: int) -> int:
        return 1

    def beats_signal(self, mode: Any) -> Any:
        return Const(1)

    def row_edge(self) -> Edge:
        return Int8Edge(self, Axis.ROW)

    def column_edge(self) -> Edge:
        return Int8Edge(self, Axis.COLUMN)

    def core(self) -> Core:
        return Int8Core(self)


class Int8Edge(Edge):
    """Row or column edge: one register for all cores behind it.

    It holds activations in offset binary and the complements of weights, as the leaves of some technologies want them.
    """

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        row = self.axis is Axis.ROW
        codes = Signal.like(self.o, reset_less=True)
        with m.If(self.ctl.valid):
            m.d.sync += codes.eq(invert_signs(self.a_codes) if row else ~self.w_codes)
        m.d.comb += self.o.eq(codes)
        if row:
            m.d.sync += self.ctl_o.eq(self.ctl)
        return m


def invert_signs(codes: Value) -> Value:
    """Codes side by side, from two's complement to offset binary or back."""
    return codes ^ Const(1 << CODE - 1, CODE).replicate(len(codes) // CODE)


class Int8Core(Core):
    """Dot product of a beat, then accumulation over the block; beats that are not valid change nothing."""

    pe: Int8Element

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.dot = dot = PlaneDot(lanes=self.pe.lanes, a_width=CODE, w_width=CODE)
        total = Signal(signed(SUM), reset_less=True)
        # Beats take effect in their order, and the first one clears: even ``valid`` needs no reset.
        valid = delay(m, self.ctl.valid, dot.latency, name="valid", reset_less=True)
        first = delay(m, self.ctl.first, dot.latency, name="first", reset_less=True)
        m.d.comb += [dot.a.eq(invert_signs(self.a)), dot.w.eq(~self.w), self.o.eq(total)]
        following = leaf("accumulate")(m, total, first, dot.o)
        with m.If(valid):
            m.d.sync += total.eq(following)
        return m
