"""AxiReader against a stalling memory: data, order, markers, page edges, errors, abort, reset."""

import random
from dataclasses import dataclass

import pytest

from busmodels.memory import AxiMemory
from busmodels.streams import Bench, cycles_until, drain, drive, from_list, watch
from gemmsmith.bus import AxiReader, Response
from gemmsmith.bus.axi import PAGE_BYTES

ADDR_WIDTH = 32


@dataclass(frozen=True)
class Word:
    """What comes out for one word or marker."""

    data: int
    index: int
    tag: int
    last: int
    marker: int

    @classmethod
    def of(cls, payload):
        data = 0 if payload.marker else payload.data
        return cls(data, payload.index, payload.tag, payload.last, payload.marker)


class ReaderBench(Bench):
    """A reader, its memory, and lists of what went in and came out."""

    def __init__(self, *, data_width=64, max_burst=16, rate=0.5, seed=0, cycles=20_000, **options):
        self.dut = AxiReader(
            data_width=data_width, addr_width=ADDR_WIDTH, tag_width=4, max_burst=max_burst, **options
        )
        super().__init__(self.dut, cycles=cycles)
        self.rng = random.Random(seed)
        self.rate = rate
        self.memory = AxiMemory(data_width=data_width, max_burst=max_burst, seed=seed, rate=rate)
        self.memory.add_reader(self, self.dut.bus)
        self.out = []
        self.errors = {"slverr": 0, "decerr": 0}
        self.add(self._count_errors, background=True)

    async def _count_errors(self, ctx):
        async for _, _, slverr, decerr in ctx.tick().sample(self.dut.error.slverr, self.dut.error.decerr):
            self.errors["slverr"] += slverr
            self.errors["decerr"] += decerr

    def ask(self, requests):
        """Feed `requests` and collect all that comes out."""
        options = {"rng": self.rng, "rate": self.rate, "background": True}
        self.add(drive, self.dut.i, from_list(requests), **options)
        self.add(watch, self.dut.o, self.take, withdrawal=self.dut.stop, **options)

    def take(self, payload):
        """Sink of the reader's output."""
        self.out.append(Word.of(payload))

    def expected(self, requests):
        """What a correct reader delivers."""
        words = []
        for request in requests:
            beats, tag = request["beats"], request["tag"]
            if beats == 0:
                words.append(Word(0, 0, tag, 1, 1))
            first = request["addr"] // self.memory.word_bytes
            for k in range(beats):
                words.append(Word(self.memory.word(first + k), k, tag, k == beats - 1, 0))
        return words


def check(requests, **options):
    """Run `requests` through a reader; returns its bench."""
    bench = ReaderBench(**options)
    expected = bench.expected(requests)
    bench.ask(requests)
    bench.add(drain, lambda: len(bench.out) == len(expected))
    bench.run()
    assert bench.out == expected
    assert len(bench.out) > 0
    assert bench.memory.beats_read == sum(request["beats"] for request in requests)
    return bench


@pytest.mark.parametrize("data_width", [32, 128, 512])
@pytest.mark.parametrize("rate", [0.3, 0.7, 1])
def test_random_requests(data_width, rate):
    rng = random.Random(data_width)
    word_bytes = data_width // 8
    requests = [
        {
            "addr": rng.randrange((1 << 14) // word_bytes) * word_bytes,
            "beats": rng.choice([0, 1, 1, 2, 3, 5, 16, 17, 40]),
            "tag": rng.randrange(16),
        }
        for _ in range(25)
    ]
    bench = check(requests, data_width=data_width, rate=rate, seed=data_width)
    assert bench.memory.most_outstanding > 1


@pytest.mark.parametrize("max_burst", [1, 4, 64])
@pytest.mark.parametrize("outstanding", [2, 8])
def test_burst_limits(max_burst, outstanding):
    requests = [{"addr": 8 * start, "beats": 70, "tag": 3} for start in (0, 1, 63)]
    bench = check(requests, max_burst=max_burst, outstanding=outstanding, rate=0.8)
    assert bench.memory.most_outstanding <= outstanding
    longest = max(burst.beats for burst in bench.memory.reads)
    assert longest == max_burst, "bursts must be as long as allowed"


@pytest.mark.parametrize("data_width", [32, 128, 512])
def test_page_edges(data_width):
    """Requests that end at, begin at and straddle a page boundary by every small number of words."""
    word_bytes = data_width // 8
    requests = [
        {"addr": PAGE_BYTES - before * word_bytes, "beats": beats, "tag": 0}
        for before in (0, 1, 2, 5)
        for beats in (1, 2, 4, 6)
    ]
    bench = check(requests, data_width=data_width, max_burst=min(64, PAGE_BYTES // word_bytes), rate=1)
    assert any(burst.addr + burst.beats * word_bytes == PAGE_BYTES for burst in bench.memory.reads)


def test_longest_request():
    check([{"addr": 4, "beats": 1100, "tag": 1}], data_width=32, max_burst=256, rate=1)


def test_markers_only():
    requests = [{"addr": 0, "beats": 0, "tag": k % 16} for k in range(20)]
    bench = check(requests)
    assert not bench.memory.reads


def test_latency():
    """Two cycles from a request to ARVALID, one from a word on R to `o`."""
    dut = AxiReader(data_width=64, addr_width=ADDR_WIDTH, tag_width=0)

    async def measure(ctx):
        ctx.set(dut.i.payload, {"addr": 8, "beats": 1, "tag": 0})
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.bus.ar.ready, 1)
        await ctx.tick()
        ctx.set(dut.i.valid, 0)
        assert await cycles_until(ctx, dut.bus.ar.valid) + 1 == 2
        await ctx.tick()
        ctx.set(dut.bus.r.payload, {"id": 0, "data": 7, "resp": 0, "last": 1})
        ctx.set(dut.bus.r.valid, 1)
        await cycles_until(ctx, dut.bus.r.ready)
        await ctx.tick()
        assert ctx.get(dut.o.valid)

    bench = Bench(dut, cycles=30)
    bench.add(measure)
    bench.run()


def test_throughput():
    """No cycle is lost between the bursts of a request nor between requests of one word."""
    requests = [{"addr": 0, "beats": 100, "tag": 0}]
    requests += [{"addr": 8 * k, "beats": 1, "tag": 1} for k in range(60)]
    check(requests, rate=1, outstanding=16, cycles=160 + 20)


@pytest.mark.parametrize(("response", "name"), [(Response.SLVERR, "slverr"), (Response.DECERR, "decerr")])
def test_errors_are_reported_and_data_delivered(response, name):
    bench = ReaderBench()
    bench.memory.errors = {3: response, 7: response, 20: response}
    requests = [{"addr": 0, "beats": 10, "tag": 0}]
    expected = bench.expected(requests)
    bench.ask(requests)
    bench.add(drain, lambda: len(bench.out) == len(expected) and sum(bench.errors.values()) >= 2)
    bench.run()
    assert bench.out == expected
    assert bench.errors == {"slverr": 0, "decerr": 0} | {name: 2}


@pytest.mark.parametrize("seed", range(16))
def test_stop_in_mid_burst(seed):
    """After an abort at any time the reader drains, obeys the bus rules, and works as new."""
    bench = ReaderBench(seed=seed, rate=0.6)
    before = [{"addr": 512 * k, "beats": 37, "tag": 1} for k in range(3)]
    before.append({"addr": 0, "beats": 0, "tag": 2})
    after = [{"addr": 8, "beats": 21, "tag": 5}, {"addr": 0, "beats": 0, "tag": 6}]
    requests = list(before)
    options = {"rng": bench.rng, "background": True}
    bench.add(drive, bench.dut.i, lambda: requests.pop(0) if requests else None, rate=0.6, **options)
    bench.add(watch, bench.dut.o, bench.take, rate=0.3, withdrawal=bench.dut.stop, **options)
    stopped = {}

    async def abort(ctx):
        for _ in range(20 + 3 * seed):
            await ctx.tick()
        assert not ctx.get(bench.dut.idle)
        ctx.set(bench.dut.stop, 1)
        bursts = len(bench.memory.reads) + ctx.get(bench.dut.bus.ar.valid)
        await ctx.tick()
        while requests or not ctx.get(bench.dut.idle):
            await ctx.tick()
        assert len(bench.memory.reads) == bursts, "a burst began after stop"
        stopped["words"] = len(bench.out)
        assert not ctx.get(bench.dut.o.valid)
        ctx.set(bench.dut.stop, 0)
        requests.extend(after)
        while len(bench.out) < stopped["words"] + 22:
            await ctx.tick()
        for _ in range(10):
            await ctx.tick()
        assert ctx.get(bench.dut.idle)

    bench.add(abort)
    bench.run()
    cut = stopped["words"]
    assert bench.out[:cut] == bench.expected(before)[:cut], "what came out before the abort is a prefix"
    assert bench.out[cut:] == bench.expected(after)


def test_reset_in_mid_burst():
    bench = ReaderBench(rate=0.6)
    requests = [{"addr": 0, "beats": 60, "tag": 1}]
    after = [{"addr": 80, "beats": 20, "tag": 2}]
    options = {"rng": bench.rng, "background": True}
    bench.add(drive, bench.dut.i, lambda: requests.pop(0) if requests else None, **options)
    bench.add(watch, bench.dut.o, bench.take, **options)

    async def reset(ctx):
        while len(bench.out) < 10:
            await ctx.tick()
        ctx.set(bench.domain.rst, 1)
        await ctx.tick()
        bench.memory.forget()
        for _ in range(3):
            await ctx.tick()
        bench.out.clear()
        ctx.set(bench.domain.rst, 0)
        assert ctx.get(bench.dut.idle)
        requests.extend(after)
        while len(bench.out) < 20:
            await ctx.tick()

    bench.add(reset)
    bench.run()
    assert bench.out == bench.expected(after)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data_width": 48}, "data_width must be"),
        ({"addr_width": 0}, "addr_width must be"),
        ({"tag_width": -1}, "tag_width must not be negative"),
        ({"max_burst": 12}, "max_burst must be a power of two"),
        ({"max_burst": 512}, "max_burst must be a power of two"),
        ({"data_width": 512, "max_burst": 128}, "must cover at most 4096 bytes"),
        ({"outstanding": 1}, "outstanding must be at least 2"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        AxiReader(**{"data_width": 64, "addr_width": 32, "tag_width": 1} | options)
