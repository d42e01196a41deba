"""Edges and core of a processing element, a beat in every cycle, each one a sum of its own."""

from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator

from gemmsmith.arith.tech import targeting


def sums(pe, beats, *, mode=None, target="generic"):
    """Results of the core for beats (word of activations, word of weights), in order, as unsigned numbers."""
    mode = pe.mode if mode is None else mode
    row, column, core = pe.row_edge(), pe.column_edge(), pe.core()
    m = Module()
    m.submodules.row, m.submodules.column, m.submodules.core = row, column, core
    modes = Signal(pe.mode_width, init=mode)
    m.d.comb += [row.mode.eq(modes), column.mode.eq(modes), core.mode.eq(modes), column.ctl.eq(row.ctl),
                 core.ctl.eq(row.ctl_o), core.a.eq(row.o), core.w.eq(column.o)]
    seen, latency = [], pe.edge_latency + pe.core_latency

    async def testbench(ctx):
        for a, w in [*beats, *[(0, 0)] * latency]:
            ctx.set(row.ctl, {"valid": 1, "first": 1, "last": 1, "load": 0})
            ctx.set(row.a_codes, a)
            ctx.set(column.w_codes, w)
            seen.append(ctx.get(core.o))
            await ctx.tick()

    with targeting(target):
        sim = Simulator(m)
        sim.add_clock(1e-6)
        sim.add_testbench(testbench)
        sim.run()
    assert len(seen) > latency
    return seen[latency:]
