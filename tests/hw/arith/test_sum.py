import random

import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator
from pipeline_bench import run_pipeline

from gemmsmith.arith.sum import GatedSum, cuts, delay, levels


@pytest.mark.parametrize(("count", "expected"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (64, 6), (65, 7)])
def test_levels(count, expected):
    assert levels(count) == expected


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="count must be at least 1, not 0"):
        GatedSum(count=0, width=4)
    with pytest.raises(ValueError, match="width must be at least 1, not -1"):
        GatedSum(count=2, width=-1)
    for wrong in ((3,), (0, 1), (1, 1)):
        with pytest.raises(ValueError, match="cuts must be different levels from 1 to 2, not"):
            GatedSum(count=3, width=4, cuts=wrong)


@pytest.mark.parametrize(("stages", "expected"), [
    (0, ()), (1, (6,)), (2, (3, 6)), (3, (2, 4, 6)), (4, (2, 3, 5, 6)), (6, (1, 2, 3, 4, 5, 6))])
def test_cuts(stages, expected):
    assert cuts(6, stages) == expected


@pytest.mark.parametrize("count", [2, 3])
def test_exhaustively(count):
    values = range(-2, 2)
    words = [[]]
    for _ in range(count):
        words = [[*w, v] for w in words for v in values]
    vectors = [{"words": w, "gates": g} for w in words for g in range(1 << count)]
    dut = GatedSum(count=count, width=2)
    expected = [sum(w for i, w in enumerate(v["words"]) if v["gates"] >> i & 1) for v in vectors]
    assert run_pipeline(dut, vectors, latency=dut.latency) == expected


@pytest.mark.parametrize(("count", "width"), [(1, 8), (5, 3), (7, 4), (16, 8), (64, 4)])
def test_random_and_extreme_words(count, width):
    rng = random.Random(count)
    low, high = -(1 << width - 1), (1 << width - 1) - 1
    vectors = [{"words": [w] * count, "gates": (1 << count) - 1} for w in (low, high, 0)]
    vectors += [{"words": [rng.choice((low, high, rng.randint(low, high))) for _ in range(count)],
                 "gates": rng.getrandbits(count)} for _ in range(100)]
    dut = GatedSum(count=count, width=width)
    assert dut.latency == levels(count)
    expected = [sum(w for i, w in enumerate(v["words"]) if v["gates"] >> i & 1) for v in vectors]
    assert run_pipeline(dut, vectors, latency=dut.latency) == expected
    assert min(expected) == count * low


@pytest.mark.parametrize("cuts", [(), (2,), (3, 1)])
def test_fewer_registers(cuts):
    rng = random.Random(0)
    vectors = [{"words": [rng.randint(-8, 7) for _ in range(7)], "gates": rng.getrandbits(7)} for _ in range(50)]
    dut = GatedSum(count=7, width=4, cuts=cuts)
    expected = [sum(w for i, w in enumerate(v["words"]) if v["gates"] >> i & 1) for v in vectors]
    assert run_pipeline(dut, vectors, latency=len(cuts)) == expected


def test_delay():
    from amaranth.hdl import Signal
    m = Module()
    i, o = Signal(4), Signal(4)
    m.d.comb += o.eq(delay(m, i, 3, name="i"))
    seen = []

    async def testbench(ctx):
        for cycle in range(10):
            ctx.set(i, cycle)
            seen.append(ctx.get(o))
            await ctx.tick()

    sim = Simulator(m)
    sim.add_clock(1e-6)
    sim.add_testbench(testbench)
    sim.run()
    assert seen == [0, 0, 0, *range(7)]
