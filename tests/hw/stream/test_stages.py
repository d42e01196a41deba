"""Elastic and Fifo: order, contract under random stalls, full throughput."""

import random

import pytest
from amaranth.lib import data

from busmodels.streams import Bench, drain, drive, from_list, watch
from gemmsmith.stream import Elastic, Fifo

STAGES = {
    "elastic": lambda shape: Elastic(shape=shape),
    "fifo2": lambda shape: Fifo(shape=shape, depth=2),
    "fifo5": lambda shape: Fifo(shape=shape, depth=5),
}


def run_through(dut, items, *, in_rate=0.5, out_rate=0.5, seed=0, cycles=20_000):
    """Payloads that came out, once as many have come out as were put in."""
    rng = random.Random(seed)
    out = []
    bench = Bench(dut, cycles=cycles)
    bench.add(drive, dut.i, from_list(items), rng=rng, rate=in_rate, background=True)
    bench.add(watch, dut.o, out.append, rng=rng, rate=out_rate, background=True)
    bench.add(drain, lambda: len(out) == len(items))
    bench.run()
    return out


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(("in_rate", "out_rate"), [(0.5, 0.5), (1, 0.3), (0.3, 1), (1, 1)])
def test_order_under_stalls(stage, in_rate, out_rate):
    items = [random.Random(1).randrange(1 << 16) for _ in range(200)]
    assert run_through(STAGES[stage](16), items, in_rate=in_rate, out_rate=out_rate) == items


@pytest.mark.parametrize("stage", ["elastic", "fifo5"])
def test_full_throughput(stage):
    items = list(range(100))
    assert run_through(STAGES[stage](8), items, in_rate=1, out_rate=1, cycles=len(items) + 5) == items


@pytest.mark.parametrize("stage", STAGES)
def test_structured_payload(stage):
    layout = data.StructLayout({"value": 8, "last": 1})
    items = [{"value": k, "last": k % 3 == 0} for k in range(50)]
    out = run_through(STAGES[stage](layout), items)
    assert [{"value": item.value, "last": item.last} for item in out] == items


@pytest.mark.parametrize("depth", [3, 4, 5, 9])
def test_fifo_level_and_capacity(depth):
    dut = Fifo(shape=8, depth=depth)

    async def fill_and_empty(ctx):
        ctx.set(dut.i.valid, 1)
        for level in range(depth):
            assert ctx.get(dut.level) == level
            assert ctx.get(dut.i.ready)
            ctx.set(dut.i.payload, level)
            await ctx.tick()
        assert ctx.get(dut.level) == depth
        assert not ctx.get(dut.i.ready)
        ctx.set(dut.i.valid, 0)
        ctx.set(dut.o.ready, 1)
        for level in range(depth, 0, -1):
            assert ctx.get(dut.level) == level
            assert ctx.get(dut.o.payload) == depth - level
            await ctx.tick()
        assert ctx.get(dut.level) == 0
        assert not ctx.get(dut.o.valid)

    bench = Bench(dut)
    bench.add(fill_and_empty)
    bench.run()


def test_elastic_has_no_combinational_path():
    """`ready` does not follow `ready` and `valid` does not follow `valid` within a cycle."""
    dut = Elastic(shape=8)

    async def check(ctx):
        ctx.set(dut.i.valid, 1)
        assert not ctx.get(dut.o.valid)
        await ctx.tick().repeat(4)
        assert ctx.get(dut.o.valid)
        assert not ctx.get(dut.i.ready)
        ctx.set(dut.o.ready, 1)
        assert not ctx.get(dut.i.ready)
        await ctx.tick()
        assert ctx.get(dut.i.ready)

    bench = Bench(dut)
    bench.add(check)
    bench.run()


def test_reset_empties():
    dut = Elastic(shape=8)
    bench = Bench(dut)

    async def check(ctx):
        ctx.set(dut.i.valid, 1)
        await ctx.tick().repeat(3)
        assert ctx.get(dut.o.valid)
        ctx.set(bench.domain.rst, 1)
        await ctx.tick()
        assert not ctx.get(dut.o.valid)
        assert ctx.get(dut.i.ready)

    bench.add(check)
    bench.run()


def test_refusals():
    with pytest.raises(ValueError, match="depth must be at least 2, not 1"):
        Fifo(shape=8, depth=1)
    with pytest.raises(TypeError):
        Elastic(shape="eight")
