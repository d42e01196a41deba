"""Packed dot products against plain integers."""

import itertools
import random

import pytest
from amaranth.sim import Simulator

from gemmsmith.arith.packed import PackedDots, packed_width

_RNG = random.Random(11)


def run(dut, beats):
    """Dot products of ``beats``: (activations, words of weights by dot product), one a cycle."""
    seen = []

    async def testbench(ctx):
        for cycle in range(len(beats) + dut.latency):
            if cycle >= dut.latency:
                seen.append([ctx.get(dut.o[j]) for j in range(dut.count)])
            a, w = beats[min(cycle, len(beats) - 1)]
            for lane in range(dut.lanes):
                ctx.set(dut.a[lane], a[lane])
                ctx.set(dut.w[lane], sum(word[lane] << dut.field * j for j, word in enumerate(w)))
            await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(testbench)
    sim.run()
    return seen


def expected(beats):
    return [[sum(x * y for x, y in zip(a, word, strict=True)) for word in w] for a, w in beats]


@pytest.mark.parametrize(("a_width", "w_width"), [(4, 4), pytest.param(8, 4, marks=pytest.mark.slow)])
def test_two_products_exhaustively(a_width, w_width):
    dut = PackedDots(lanes=1, a_width=a_width, w_width=w_width, count=2)
    weights = range(-(1 << w_width - 1), 1 << w_width - 1)
    activations = range(-(1 << a_width - 1), 1 << a_width - 1)
    beats = [((a,), ((low,), (high,))) for a, low, high in itertools.product(activations, weights, weights)]
    assert run(dut, beats) == expected(beats)


@pytest.mark.parametrize(("lanes", "a_width", "w_width", "count", "together"), [
    (1, 8, 8, 1, 1), (4, 8, 4, 2, 1), (16, 8, 4, 2, 2), (4, 8, 8, 2, 4), (8, 8, 2, 3, 2), (6, 5, 3, 3, 2),
    (3, 4, 2, 4, 3), (5, 1, 2, 2, 1)])
def test_dot_products(lanes, a_width, w_width, count, together):
    dut = PackedDots(lanes=lanes, a_width=a_width, w_width=w_width, count=count, together=together)
    ends = [[-(1 << bits - 1), (1 << bits - 1) - 1] for bits in (a_width, w_width)]
    beats = [([a] * lanes, [[w if j == k else ends[1][0] for _ in range(lanes)] for j in range(count)])
             for a in ends[0] for w in (*ends[1], 0, -1) for k in range(count)]
    beats += [([_RNG.randint(*ends[0]) for _ in range(lanes)],
               [[_RNG.randint(*ends[1]) for _ in range(lanes)] for _ in range(count)]) for _ in range(60)]
    assert run(dut, beats) == expected(beats)


def test_what_fits_a_multiplier():
    """The widths that docs/dsp-packing.md names."""
    assert PackedDots(lanes=16, a_width=8, w_width=4, count=2, together=2).packed_width == 18
    assert PackedDots(lanes=16, a_width=8, w_width=8, count=2, together=4).packed_width == 27
    assert PackedDots(lanes=16, a_width=8, w_width=2, count=3, together=4).packed_width == 27
    assert packed_width(field=12, width=4, count=1) == 4


@pytest.mark.parametrize(("arguments", "message"), [
    ({"lanes": 0}, "lanes must be at least 1, not 0"), ({"w_width": 1}, "w_width must be at least 2, not 1"),
    ({"together": 3}, "together must divide lanes = 4, not 3")])
def test_refused_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        PackedDots(**{"lanes": 4, "a_width": 8, "w_width": 4, "count": 2, **arguments})
