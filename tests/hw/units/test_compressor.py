"""The compressor as Amaranth simulates it: small configurations, handshakes, rates, reset."""

import random

import numpy as np
import pytest
from compressor_bench import GROUP, Collector, assert_equal, beats, compress, expected, random_codes

from busmodels.streams import Bench, drive, from_list, watch
from gemmsmith.formats import AndaFormat
from gemmsmith.units import Compressor

CONFIGURATIONS = [(1, 16), (2, 5), (4, 8), (16, 4), (32, 3), (64, 1)]
"""Elements a beat, longest mantissa."""


@pytest.mark.parametrize("rates", [(0.6, 0.6), (1, 0.3)])
@pytest.mark.parametrize(("elements", "m_max"), CONFIGURATIONS)
def test_random_rows_under_stalls(elements, m_max, rates):
    """Rows that end in a group, in a batch, or with it; one mantissa length and rounding after another."""
    rng = np.random.default_rng(elements)
    dut = Compressor(elements=elements, m_max=m_max)
    sizes = [1, 64 * dut.lanes, 64 * dut.lanes + 65] if elements > 2 else [5, 64]
    jobs = [([random_codes(rng, size) for size in rng.permutation(sizes)], m, m != m_max) for m in {m_max, 1}]
    compress(dut, *jobs, in_rate=rates[0], out_rate=rates[1])


@pytest.mark.parametrize("nearest", [False, True])
def test_what_the_format_says(nearest):
    """Against the format's exact integers: special values, ties, carries out, a group of zeros, all one sign."""
    groups = [[0] * 64, [0x8000] * 64, [0x7C00, 0xFC00, 0x7E01, 0x0001] * 16, [0x3C00 | k << 4 for k in range(64)],
              [0xBC00] + [0x93FF + k for k in range(63)], [0x7BFF] * 64, [0x03FF, 0x8001] * 32]
    anda = AndaFormat(mantissa=5, round="nearest" if nearest else "trunc")
    want = expected(groups, m=5, nearest=nearest)
    for group, exponent, signs, planes in zip(groups, want.exponents, want.signs, want.planes, strict=True):
        shared, mantissas = anda.encode(group)
        assert exponent == shared
        assert int(signs) == sum(1 << k for k, mantissa in enumerate(mantissas) if mantissa < 0)
        assert [int(p) for p in planes] == [
            sum((abs(mantissa) >> 4 - p & 1) << k for k, mantissa in enumerate(mantissas)) for p in range(5)]
    compress(Compressor(elements=16, m_max=5), (groups, 5, nearest))


def cycles_of(elements, m_max, *jobs):
    """Cycles from the first beat to the last plane, for jobs of (groups of each row, m)."""
    rng = np.random.default_rng(elements)
    return compress(Compressor(elements=elements, m_max=m_max),
                    *(([random_codes(rng, 64 * n) for n in rows], m, False) for rows, m in jobs))


def test_one_beat_a_cycle_for_every_length():
    jobs = [((groups,), m) for m in range(1, 5) for groups in (8, 32)]
    cycles = cycles_of(16, 4, *jobs)
    assert [long - short for short, long in zip(cycles[::2], cycles[1::2], strict=True)] == [4 * 24] * 4


def test_a_group_a_cycle_with_the_longest_mantissa():
    """64 elements, 16 lanes, M = 16: 6 cycles from the last beat to the first plane of its batch, 15 to the last."""
    assert cycles_of(64, 16, ((48,), 16)) == [48 + 6 + 15]


@pytest.mark.parametrize(("elements", "latency"), [(1, 64 + 5), (8, 8 + 6), (32, 2 + 7), (64, 6)])
def test_latency(elements, latency):
    """Where a group comes in several beats, the last one is read again before its batch is complete."""
    dut = Compressor(elements=elements, m_max=4)
    assert dut.latency == latency
    assert cycles_of(elements, 4, ((dut.lanes,), 4)) == [dut.lanes * GROUP // elements + latency + 3]


def test_rows_follow_each_other_without_a_gap():
    """Full batches: the planes of a row leave while the next one comes in."""
    apart, together = cycles_of(16, 4, ((4,) * 5, 4), ((20,), 4))
    assert apart == together


def test_finite_or_not():
    """``saturated`` is set by a beat that is taken, holds, and is cleared by ``clear`` and by reset."""
    dut = Compressor(elements=4, m_max=4)
    bench = Bench(dut)

    async def check(ctx):
        async def beat(code):
            ctx.set(dut.i.payload, {"codes": code << 32, "last": 0})
            ctx.set(dut.i.valid, 1)
            assert ctx.get(dut.i.ready)
            await ctx.tick()
            ctx.set(dut.i.valid, 0)
            return ctx.get(dut.saturated)

        ctx.set(dut.i.payload, {"codes": 0x7C00, "last": 0})
        await ctx.tick()
        assert not ctx.get(dut.saturated), "nothing was offered"
        for code in (0x7BFF, 0xFBFF, 0x03FF):
            assert not await beat(code)
        for code in (0x7C00, 0xFC00, 0x7C01, 0xFFFF):
            assert await beat(code)
            assert await beat(0), "the flag is sticky"
            ctx.set(dut.clear, 1)
            await ctx.tick()
            ctx.set(dut.clear, 0)
            assert not ctx.get(dut.saturated)
        assert await beat(0x7E00)
        ctx.set(bench.domain.rst, 1)
        await ctx.tick()
        assert not ctx.get(dut.saturated)

    bench.add(check)
    bench.run()


@pytest.mark.parametrize("after", [3, 17, 40, 77])
def test_reset_in_the_middle_leaves_no_residue(after):
    rng = np.random.default_rng(after)
    dut = Compressor(elements=8, m_max=8)
    rows = [random_codes(rng, size) for size in (64, 150)]
    waiting = beats([random_codes(rng, 1000)], 8)
    want, collector = expected(rows, m=6, nearest=False), Collector(dut.lanes, 6)
    bench, sink, started = Bench(dut), [lambda payload: None], []

    def source():
        return waiting.pop(0) if waiting else None

    async def reset(ctx):
        ctx.set(dut.m, 6)
        for _ in range(after):
            await ctx.tick()
        ctx.set(bench.domain.rst, 1)
        waiting.clear()
        await ctx.tick()
        ctx.set(bench.domain.rst, 0)
        await ctx.tick().repeat(100)  # were a batch left inside, it would come out now
        sink[0] = collector.take
        waiting.extend(beats(rows, 8))
        started.append(True)
        while not collector.complete(len(want.signs)):
            await ctx.tick()

    bench.add(drive, dut.i, source, rng=random.Random(1), rate=0.8, background=True)
    bench.add(watch, dut.o, lambda payload: sink[0](payload), rng=random.Random(2), rate=0.8, background=True)
    bench.add(reset)
    bench.run()
    assert started
    assert_equal(collector.groups(), want)


def test_a_batch_waits_for_what_comes_behind_it_or_for_the_end_of_the_row():
    """Planes move only with beats; but the first one, and those of a row's end, need none."""
    dut = Compressor(elements=64, m_max=2)
    seen = []
    bench = Bench(dut)

    async def check(ctx):
        ctx.set(dut.m, 2)
        await ctx.tick().repeat(50)
        assert [payload.first for payload in seen] == [1]

    bench.add(drive, dut.i, from_list([{"codes": 0x3C00, "last": 0}] * dut.lanes), rng=random.Random(1), rate=1,
              background=True)
    bench.add(watch, dut.o, seen.append, rng=random.Random(2), rate=1, background=True)
    bench.add(check)
    bench.run()


@pytest.mark.parametrize(("arguments", "message"), [
    ({"elements": 3}, "elements must be a power of two from 1 to 64, not 3"),
    ({"elements": 128}, "elements must be a power of two from 1 to 64, not 128"),
    ({"m_max": 0}, "m_max must be 1..16, not 0"), ({"m_max": 17}, "m_max must be 1..16, not 17"),
])
def test_arguments_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        Compressor(**arguments)


@pytest.mark.parametrize(("elements", "m_max", "lanes"), [(64, 16, 16), (4, 16, 1), (1, 16, 1), (64, 8, 8), (8, 4, 1)])
def test_lanes_follow_from_the_width(elements, m_max, lanes):
    assert Compressor(elements=elements, m_max=m_max).lanes == lanes
