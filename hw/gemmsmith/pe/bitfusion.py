"""Bit Fusion: products of 8-, 4- or 2-bit integers on 2-bit bricks that fuse at run time."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data

from gemmsmith.arith.fusion import (
    BRICKS,
    SLICE,
    WORD,
    FusedDot,
    Fusion,
    WeightShare,
    dot_latency,
    dot_width,
    highest,
    slices,
)
from gemmsmith.arith.sum import delay
from gemmsmith.arith.tech import leaf
from gemmsmith.pe.base import Core, Edge, HeldEdge
from gemmsmith.pe.rowscaled import SUM, RowScaledElement
from gemmsmith.schemes import Axis, BitFusion, Cadence, Operand
from gemmsmith.schemes.bitfusion import PAIRS

BEATS = [a * w // 4 for a, w in PAIRS]
"""Of a group, by mode: a unit's bricks are as many products of 2 × 2 bits."""


class BitFusionElement(RowScaledElement):
    """``units`` fusion units of 16 bricks, which share a shift-add tree and a 32-bit accumulator: 1 product of 8 × 8
    bits a cycle and unit, 2 of 8 × 4, 4 of 8 × 2 or 4 × 4, 8 of 4 × 2, or 16 of 2 × 2, chosen at run time.

    The row edge hands each brick its slice of an activation, the column edge its slice of a weight.

    Parameters
    ----------
    units: fusion units of a core, a power of two from 1 to 64.
    pipelined: 1: carry chains with a register behind every level, for FPGAs; 0: three stages (bricks, fusion,
        accumulator), for standard cells.

    Raises
    ------
    ValueError if a parameter is out of its range.
    """

    family = "bitfusion"
    scheme: BitFusion
    options = {"units": "fusion units of a core: a power of two, 1..64",
               "pipelined": "1: core in registered stages, for FPGAs; 0: in three, for standard cells"}
    modes = range(len(PAIRS))

    def __init__(self, *, scheme: BitFusion, units: int = 16, pipelined: int = 1):
        if units not in (1, 2, 4, 8, 16, 32, 64):
            raise ValueError(f"units must be a power of two from 1 to 64, not {units!r}")
        if pipelined not in (0, 1):
            raise ValueError(f"pipelined must be 0 or 1, not {pipelined!r}")
        self.units = units
        self.pipelined = pipelined
        doc = "32 bits for each unit, unit 0 lowest: its 64 / (a · w) codes side by side, element 0 lowest"
        self._scaled(scheme,
                     Operand(name="a_codes", axis=Axis.ROW, width=WORD * units, cadence=Cadence.BEAT, doc=doc),
                     Operand(name="w_codes", axis=Axis.COLUMN, width=WORD * units, cadence=Cadence.BEAT, doc=doc))
        self.group = BRICKS * units
        self.row_payload = WORD * units
        self.column_payload = data.StructLayout({"slices": WORD * units, "share": dot_width(units)})
        self.edge_latency = 1
        self.core_latency = dot_latency(units, bool(pipelined)) + 1 + pipelined

    @property
    def mode(self) -> int:
        return PAIRS.index((self.scheme.a, self.scheme.w))

    def beats(self, mode: int) -> int:
        return BEATS[mode]

    def row_edge(self) -> Edge:
        return BitFusionRowEdge(self, Axis.ROW)

    def column_edge(self) -> Edge:
        return BitFusionColumnEdge(self, Axis.COLUMN)

    def core(self) -> Core:
        return BitFusionCore(self)


def fusion_of(m: Module, mode: Value) -> Any:
    """The mode as what fuses."""
    fusion = Signal(Fusion)
    for bit, fuses in (("a4", [a >= 4 for a, _ in PAIRS]), ("a8", [a == 8 for a, _ in PAIRS]),
                       ("w4", [w >= 4 for _, w in PAIRS]), ("w8", [w == 8 for _, w in PAIRS])):
        m.d.comb += fusion[bit].eq(Cat(mode == n for n, fused in enumerate(fuses) if fused).any())
    return fusion


class BitFusionRowEdge(HeldEdge):
    """Slices of activations in the order of the bricks, as −2 … 1: one register for all cores of the row.

    It holds their sign bits inverted, as the leaves of some technologies want them.
    """

    pe: BitFusionElement

    def word(self, m: Module) -> Value:
        fusion = fusion_of(m, self.mode)
        words = data.View(data.ArrayLayout(SLICE, BRICKS * self.pe.units), self.a_codes)
        bricks = []
        for unit in range(self.pe.units):
            for brick in range(BRICKS):
                by_weight = [words[BRICKS * unit + slices(brick, 8, w)[0]] for w in (8, 4, 2)]
                chosen = Mux(fusion.w8, by_weight[0], Mux(fusion.w4, by_weight[1], by_weight[2]))
                # A slice below the highest, 0 … 3, becomes −2 … 1 as its sign is inverted; the register inverts again.
                bricks.append(chosen ^ (highest(brick % 4, fusion.a4, fusion.a8) << 1))
        return Cat(bricks)


class BitFusionColumnEdge(Edge):
    """Complements of the weights' slices in the order of the bricks, and the weights' share of their dot products when
    the cores add it: registers for all cores of the column."""

    pe: BitFusionElement

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        fusion = fusion_of(m, self.mode)
        words = data.View(data.ArrayLayout(SLICE, BRICKS * self.pe.units), self.w_codes)
        bricks = []
        for unit in range(self.pe.units):
            for brick in range(BRICKS):
                eight, four, low, two = (words[BRICKS * unit + slices(brick, a, w)[1]]
                                         for a, w in ((8, 8), (4, 4), (4, 2), (2, 2)))
                bricks.append(Mux(fusion.a8, eight, Mux(fusion.w4, four, Mux(fusion.a4, low, two))))
        held = Signal(WORD * self.pe.units, reset_less=True)
        with m.If(self.ctl.valid):
            m.d.sync += held.eq(~Cat(bricks))
        m.submodules.share = share = WeightShare(units=self.pe.units, pipelined=bool(self.pe.pipelined))
        m.d.comb += [share.fusion.eq(fusion), share.w.eq(self.w_codes), self.o.slices.eq(held),
                     self.o.share.eq(share.o)]
        return m


class BitFusionCore(Core):
    """Dot product of a beat, then accumulation over the block; beats that are not valid change nothing."""

    pe: BitFusionElement

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        units, pipelined = self.pe.units, self.pe.pipelined
        m.submodules.dot = dot = FusedDot(units=units, pipelined=bool(pipelined))
        total = Signal(signed(SUM), reset_less=True)
        # Beats take effect in their order, and the first one clears: even ``valid`` needs no reset.
        valid = delay(m, self.ctl.valid, dot.latency + pipelined, name="valid", reset_less=True)
        first = delay(m, self.ctl.first, dot.latency + pipelined, name="first", reset_less=True)
        signs = Const(1 << SLICE - 1, SLICE).replicate(BRICKS * units)
        m.d.comb += [dot.fusion.eq(fusion_of(m, self.mode)), dot.a.eq(self.a ^ signs), dot.w.eq(~self.w.slices),
                     self.o.eq(total)]
        share = self.w.share.as_signed()
        if pipelined:
            product = Signal.like(dot.o, reset_less=True)
            m.d.sync += product.eq(leaf("accumulate")(m, dot.o, Const(0, 1), share))
            following = leaf("accumulate")(m, total, first, product)
        else:
            following = leaf("rows_accumulate")(m, [(0, dot.o), (0, share)], total, first)
        with m.If(valid):
            m.d.sync += total.eq(following)
        return m
