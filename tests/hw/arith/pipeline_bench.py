"""Driving a pipeline without handshakes: one input vector a cycle, each output exactly ``latency`` cycles later."""

from amaranth.hdl import ClockDomain, Module, Value
from amaranth.sim import Simulator


def run_pipeline(dut, vectors, *, latency, out="o"):
    """Outputs for ``vectors`` (dicts member → value), one a cycle; a latency of 0 is combinational."""
    seen = []
    vectors = list(vectors)
    inputs = {name: getattr(dut, name) for name in vectors[0]}
    # An integer for an array is its bits, which pysim sets much faster than a list.
    inputs = {name: Value.cast(i) if isinstance(vectors[0][name], int) else i for name, i in inputs.items()}

    async def testbench(ctx):
        for cycle in range(len(vectors) + latency):
            if cycle < len(vectors):
                for name, signal in inputs.items():
                    ctx.set(signal, vectors[cycle][name])
            if cycle >= latency:
                seen.append(ctx.get(getattr(dut, out)))
            await ctx.tick()

    m = Module()
    m.domains.sync = ClockDomain()  # a latency of 0 uses none
    m.submodules.dut = dut
    sim = Simulator(m)
    sim.add_clock(1e-6)
    sim.add_testbench(testbench)
    sim.run()
    assert len(seen) == len(vectors) > 0
    return seen
