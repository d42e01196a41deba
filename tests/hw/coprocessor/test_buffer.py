"""OperandBuffer: width conversion, ping-pong, throughput."""

import random

import pytest

from busmodels.streams import Bench, watch
from gemmsmith.coprocessor.buffer import OperandBuffer
from gemmsmith.coprocessor.dense import DenseBuffer


class BufferBench(Bench):
    """Writes slots of random operand words, and collects what is read."""

    def __init__(self, *, kind=OperandBuffer, rate=0.5, seed=0, cycles=20_000, **shape):
        self.dut = kind(**shape)
        super().__init__(self.dut, cycles=cycles)
        self.width, self.banks, self.bus_width = shape["width"], shape["banks"], shape["bus_width"]
        self.rng = random.Random(seed)
        self.expected = []
        self.out = []
        self.overlapped = 0
        sink = self.out
        self.add(
            watch, self.dut.o, lambda payload: sink.append([payload[k] for k in range(self.banks)]),
            rng=self.rng, rate=rate, background=True,
        )

    async def fill(self, ctx, words, write_rate=1.0):
        """Write a slot in random order and commit it, with the last write or later."""
        content = [[self.rng.getrandbits(self.width) for _ in range(words)] for _ in range(self.banks)]
        writes = []
        for bank in range(self.banks):
            image = sum(word << self.width * k for k, word in enumerate(content[bank]))
            for address in range(-(-words * self.width // self.bus_width)):
                data = image >> self.bus_width * address & (1 << self.bus_width) - 1
                writes.append({"bank": bank, "address": address, "data": data})
        self.rng.shuffle(writes)
        while not ctx.get(self.dut.free):
            await ctx.tick()
        commit_late = self.rng.random() < 0.5
        for k, write in enumerate(writes):
            while self.rng.random() > write_rate:
                await ctx.tick()
            for name, value in write.items():
                ctx.set(getattr(self.dut.write, name), value)
            ctx.set(self.dut.write.valid, 1)
            if k == len(writes) - 1 and not commit_late:
                self._commit(ctx, words)
            self.overlapped += ctx.get(self.dut.o.valid)
            await ctx.tick()
            ctx.set(self.dut.write.valid, 0)
            ctx.set(self.dut.commit, 0)
        if commit_late:
            self._commit(ctx, words)
            await ctx.tick()
            ctx.set(self.dut.commit, 0)
        self.expected += [[content[bank][k] for bank in range(self.banks)] for k in range(words)]

    def _commit(self, ctx, words):
        ctx.set(self.dut.words, words)
        ctx.set(self.dut.commit, 1)

    async def settle(self, ctx):
        """Wait until everything is out."""
        while len(self.out) < len(self.expected):
            await ctx.tick()
        await ctx.tick().repeat(5)


@pytest.mark.parametrize("rate", [0.4, 1])
@pytest.mark.parametrize(
    ("width", "bus_width", "slot_words"), [(8, 32, 16), (8, 128, 16), (32, 32, 8), (64, 32, 4), (128, 32, 1)]
)
def test_conversion_and_order(width, bus_width, slot_words, rate):
    bench = BufferBench(width=width, banks=3, bus_width=bus_width, slot_words=slot_words, rate=rate)

    async def fill(ctx):
        sizes = [slot_words, 1, *(bench.rng.randint(1, slot_words) for _ in range(12)), slot_words]
        for words in sizes:
            await bench.fill(ctx, words)
        await bench.settle(ctx)
        assert ctx.get(bench.dut.free)

    bench.add(fill)
    bench.run()
    assert bench.out == bench.expected
    assert len(bench.out) > slot_words
    assert bench.overlapped > 0, "writing must go on while the other slot is read"


@pytest.mark.parametrize("rate", [0.4, 1])
@pytest.mark.parametrize(("width", "bus_width", "slot_words"), [(5, 32, 32), (5, 128, 128), (1, 32, 32), (7, 64, 16),
                                                                (8, 32, 4), (9, 32, 16), (16, 64, 8)])
def test_dense_words(width, bus_width, slot_words, rate):
    """Words that begin in one bus word and end in the next, slots that begin anew in a bus word."""
    bench = BufferBench(kind=DenseBuffer, width=width, banks=2, bus_width=bus_width, slot_words=slot_words, rate=rate)

    async def fill(ctx):
        for words in [slot_words, 1, *(bench.rng.randint(1, slot_words) for _ in range(8)), slot_words]:
            await bench.fill(ctx, words)
        await bench.settle(ctx)

    bench.add(fill)
    bench.run()
    assert bench.out == bench.expected
    assert len(bench.out) > slot_words


@pytest.mark.parametrize("rate", [0.4, 1])
@pytest.mark.parametrize(("width", "bus_width"), [(64, 128), (64, 32), (8, 32)])
@pytest.mark.parametrize("beats", [2, 3, 7])
def test_descending_groups(width, bus_width, beats, rate):
    """The first word of each group, then the others backwards."""
    bench = BufferBench(width=width, banks=2, bus_width=bus_width, slot_words=32, descending=True, rate=rate)

    async def fill(ctx):
        ctx.set(bench.dut.beats, beats)
        for groups in (32 // beats, 1, 2, 3, 1, 1, 32 // beats):
            await bench.fill(ctx, groups * beats)
        await bench.settle(ctx)

    bench.add(fill)
    bench.run()
    expected = []
    for start in range(0, len(bench.expected), beats):
        first, *others = bench.expected[start:start + beats]
        expected += [first, *reversed(others)]
    assert bench.out == expected
    assert len(bench.out) > 32


@pytest.mark.parametrize("rate", [0.4, 1])
def test_slots_are_read_again(rate):
    """Commits without words, before, while and after their slot is read; the other slot is filled meanwhile."""
    bench = BufferBench(width=32, banks=2, bus_width=64, slot_words=8, rate=rate)

    async def fill(ctx):
        for words, repeats, wait in ((5, 3, False), (8, 0, True), (1, 4, True), (8, 14, False), (3, 1, True),
                                     (8, 2, True)):
            await bench.fill(ctx, words)
            slot = bench.expected[-words:]
            for _ in range(repeats):
                for _ in range(bench.rng.randint(0, 3 * words) if wait else 0):
                    await ctx.tick()
                ctx.set(bench.dut.again, 1)
                ctx.set(bench.dut.commit, 1)
                await ctx.tick()
                ctx.set(bench.dut.commit, 0)
                ctx.set(bench.dut.again, 0)
                bench.expected += slot
        await bench.settle(ctx)
        assert ctx.get(bench.dut.free)

    bench.add(fill)
    bench.run()
    assert bench.out == bench.expected
    assert len(bench.out) == 5 * 4 + 8 + 5 + 8 * 15 + 3 * 2 + 8 * 3


def test_slots_follow_without_a_gap():
    """Two slots are read in as many cycles as they have words, one is refilled meanwhile."""
    bench = BufferBench(width=32, banks=1, bus_width=32, slot_words=32, rate=1)
    valid = []

    async def record(ctx):
        async for _, _, up in ctx.tick().sample(bench.dut.o.valid):
            valid.append(up)

    async def fill(ctx):
        for _ in range(6):
            await bench.fill(ctx, 32)
        await bench.settle(ctx)

    bench.add(record, background=True)
    bench.add(fill)
    bench.run()
    assert bench.out == bench.expected
    first = valid.index(1)
    # A commit may come one cycle after the last write; no other cycle may be lost.
    assert sum(valid[first : first + 6 * 32 + 6]) == 6 * 32


def test_latency():
    """Two cycles from `commit` to `o.valid`."""
    bench = BufferBench(width=32, banks=1, bus_width=32, slot_words=4, rate=0)
    dut = bench.dut

    async def measure(ctx):
        ctx.set(dut.words, 3)
        ctx.set(dut.commit, 1)
        await ctx.tick()
        ctx.set(dut.commit, 0)
        assert not ctx.get(dut.o.valid)
        await ctx.tick()
        assert ctx.get(dut.o.valid)

    bench.add(measure)
    bench.run()


def test_free_follows_the_slots():
    bench = BufferBench(width=32, banks=1, bus_width=32, slot_words=4, rate=0)

    async def check(ctx):
        await bench.fill(ctx, 4)
        assert ctx.get(bench.dut.free), "the second slot is free"
        await bench.fill(ctx, 4)
        await ctx.tick().repeat(10)
        assert not ctx.get(bench.dut.free), "both are full and nothing is read"

    bench.add(check)
    bench.run()
    assert not bench.out


def test_reset_empties():
    bench = BufferBench(width=32, banks=2, bus_width=32, slot_words=4, rate=0)

    async def check(ctx):
        await bench.fill(ctx, 4)
        await bench.fill(ctx, 3)
        assert ctx.get(bench.dut.o.valid)
        ctx.set(bench.domain.rst, 1)
        await ctx.tick()
        assert ctx.get(bench.dut.free)
        assert not ctx.get(bench.dut.o.valid)

    bench.add(check)
    bench.run()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 12}, "width must be a power of two of at least 8, not 12"),
        ({"width": 4}, "width must be a power of two of at least 8, not 4"),
        ({"banks": 0}, "banks must be positive, not 0"),
        ({"bus_width": 48}, "bus_width must be a power of two from 32 to 512, not 48"),
        ({"slot_words": 24}, "slot_words must be a power of two"),
        ({"slot_words": 2}, "slot_words must be a power of two that fills a bus word, not 2"),
    ],
)
def test_refusals(change, message):
    with pytest.raises(ValueError, match=message):
        OperandBuffer(**{"width": 8, "banks": 2, "bus_width": 32, "slot_words": 16} | change)


@pytest.mark.parametrize("width", [0, 17])
def test_dense_width_is_checked(width):
    with pytest.raises(ValueError, match=f"width must be 1 to 16, not {width}"):
        DenseBuffer(width=width, banks=1, bus_width=32, slot_words=64)
