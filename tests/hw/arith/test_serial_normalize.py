import random

import pytest
from amaranth.sim import Simulator

from gemmsmith.arith.serial_normalize import SerialNormalize


def normalized(dut, numbers, gaps):
    """Outputs for (number, more, along), ``gaps`` cycles beyond four between them."""
    seen, due = [], {}
    gaps = iter(gaps)

    async def bench(ctx):
        cycle = 0
        for number, more, along in numbers:
            for k in range(4 + next(gaps)):
                ctx.set(dut.start, k == 0)
                ctx.set(dut.i, number if k == 0 else ~number)
                ctx.set(dut.more, more if k == 0 else 1 - more)
                ctx.set(dut.along, along if k == 0 else 0)
                due[cycle + dut.latency] = k == 0
                cycle = await step(ctx, cycle)
        ctx.set(dut.start, 0)
        for _ in range(dut.latency + 1):
            cycle = await step(ctx, cycle)

    async def step(ctx, cycle):
        if due.get(cycle):
            seen.append(tuple(ctx.get(getattr(dut, name)) for name in ("o", "o_more", "places", "o_along")))
        await ctx.tick()
        return cycle + 1

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    assert len(seen) == len(numbers) > 0
    return seen


def expected(number, more, along, width):
    bits = width + 31
    size = (number if number >= 0 else ~number).bit_length()
    places = min(31, bits - 1 - size)
    moved = number << places
    return moved >> 31, more or bool(moved & (1 << 31) - 1), places, along


@pytest.mark.parametrize("width", [2, 15, 26])
@pytest.mark.parametrize("gap", [0, 3])
def test_every_distance(width, gap):
    rng, numbers = random.Random(width), [(0, 0, 1), (-1, 1, 2)]
    for n in range(width + 30):
        for number in (1 << n, (1 << n) + rng.getrandbits(n), (2 << n) - 1, (1 << n) + 1):
            numbers += [(number, rng.getrandbits(1), rng.getrandbits(5)), (-number, rng.getrandbits(1), n % 32)]
    got = normalized(SerialNormalize(width=width, along=5), numbers, (rng.randint(0, gap) for _ in numbers))
    assert got == [expected(*number, width) for number in numbers]
