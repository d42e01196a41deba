import random

import pytest
from amaranth.sim import Simulator

from gemmsmith.arith.fixed_accumulate import FixedAccumulator


def run(terms, *, i_width, width):
    """Sums of ``terms``, lists of (i, exponent) or None for a cycle without one; garbage between them."""
    dut, rng = FixedAccumulator(i_width=i_width, width=width), random.Random(1)
    cycles = [(n == len(total) - 1, term) for total in terms for n, term in enumerate(total)]
    seen, due = [], []

    async def testbench(ctx):
        for cycle in range(len(cycles) + dut.latency):
            last, term = cycles[cycle] if cycle < len(cycles) else (False, None)
            low = -(1 << i_width - 1)
            ctx.set(dut.i, term[0] if term else rng.randrange(low, -low))
            ctx.set(dut.exponent, term[1] if term else rng.getrandbits(5))
            ctx.set(dut.valid, term is not None)
            ctx.set(dut.last, last if term else rng.getrandbits(1))
            if term and last:
                due.append(cycle + dut.latency)
            if due and due[0] == cycle:
                due.pop(0)
                seen.append(ctx.get(dut.o))
            await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(testbench)
    sim.run()
    assert not due
    assert len(seen) == len(terms) > 0
    return seen


def exact(total):
    return sum(term[0] << term[1] for term in total if term)


@pytest.mark.parametrize("idle", [0.0, 0.4])
def test_random_sums_back_to_back(idle):
    rng, terms = random.Random(3), []
    for length in (1, 1, 2, 1, 5, 8, 40):
        total = [(rng.randrange(-512, 512), rng.randrange(30)) for _ in range(length)]
        terms.append([t for term in total for t in ([None] if rng.random() < idle else []) + [term]])
    assert run(terms, i_width=10, width=46) == [exact(total) for total in terms]


@pytest.mark.parametrize("extreme", [-512, 511, -1, 1])
def test_every_exponent(extreme):
    terms = [[(extreme, exponent)] for exponent in range(32)]
    assert run(terms, i_width=10, width=46) == [extreme << exponent for exponent in range(32)]
    assert run([[(extreme, 29)] * 8], i_width=10, width=43) == [(8 * extreme << 29)]
