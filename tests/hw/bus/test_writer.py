"""RowPacker and AxiWriter against a stalling memory: offsets, sizes, guard bytes, errors, abort, reset."""

import random

import pytest
from amaranth.hdl import Module, ResetInserter
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from busmodels.memory import AxiMemory
from busmodels.streams import Bench, cycles_until, drain, drive, from_list, watch
from gemmsmith.bus import AxiWriter, Response, RowPacker
from gemmsmith.bus.axi import PAGE_BYTES

ADDR_WIDTH = 32


class RowWriter(wiring.Component):
    """A packer before a writer, reset together by an abort, as a co-processor has them."""

    def __init__(self, *, element_width, data_width, max_elements, **options):
        self.packer = RowPacker(
            element_width=element_width,
            data_width=data_width,
            addr_width=ADDR_WIDTH,
            max_elements=max_elements,
        )
        self.writer = AxiWriter(
            data_width=data_width, addr_width=ADDR_WIDTH, max_row_beats=self.packer.max_row_beats, **options
        )
        super().__init__({
            "i_row": In(self.packer.i_row.signature.flip()),
            "i": In(self.packer.i.signature.flip()),
            "bus": Out(self.writer.bus.signature),
            "stop": In(1),
            "idle": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.packer = ResetInserter(self.stop)(self.packer)
        m.submodules.writer = writer = self.writer
        wiring.connect(m, self.packer.o_request, writer.i_request)
        wiring.connect(m, self.packer.o_data, writer.i_data)
        wiring.connect(m, wiring.flipped(self.i_row), self.packer.i_row)
        wiring.connect(m, wiring.flipped(self.i), self.packer.i)
        wiring.connect(m, wiring.flipped(self.bus), writer.bus)
        m.d.comb += [writer.stop.eq(self.stop), self.idle.eq(writer.idle)]
        return m


class WriterBench(Bench):
    """Rows of random elements into a memory, whose other bytes must stay as they are."""

    def __init__(self, *, element_width=32, data_width=64, rate=0.5, seed=0, cycles=20_000, **options):
        options.setdefault("max_elements", 16)
        self.dut = RowWriter(element_width=element_width, data_width=data_width, **options)
        super().__init__(self.dut, cycles=cycles)
        self.rng = random.Random(seed)
        self.rate = rate
        self.element_width = element_width
        self.memory = AxiMemory(
            data_width=data_width, max_burst=options.get("max_burst", 16), seed=seed, rate=rate
        )
        self.memory.add_writer(self, self.dut.bus)
        self.bytes = 0
        self.errors = {"slverr": 0, "decerr": 0}
        self.rows = []
        self.elements = []
        self.expected = bytearray(self.memory.data)
        options = {"rng": self.rng, "rate": rate, "background": True}
        self.add(drive, self.dut.i_row, lambda: self.rows.pop(0) if self.rows else None, **options)
        self.add(drive, self.dut.i, lambda: self.elements.pop(0) if self.elements else None, **options)
        self.add(self._count, background=True)
        self.add(self._check_gaps, background=True)

    async def _count(self, ctx):
        writer = self.dut.writer
        ports = (writer.bytes, writer.error.slverr, writer.error.decerr, writer.idle)
        async for _, reset, count, slverr, decerr, idle in ctx.tick().sample(*ports):
            assert reset or not (idle and self.memory.bursts_open), "idle before the last answer"
            self.bytes += count
            self.errors["slverr"] += slverr
            self.errors["decerr"] += decerr

    async def _check_gaps(self, ctx):
        """W begins with AWVALID and has no gap before WLAST: the data was there."""
        aw, w = self.dut.bus.aw, self.dut.bus.w
        ports = (aw.valid, aw.ready, w.valid, w.ready, w.payload.last)
        waiting = within = False
        async for _, reset, aw_valid, aw_ready, w_valid, w_ready, last in ctx.tick().sample(*ports):
            assert w_valid or not (within or (aw_valid and not waiting)), "W starves"
            waiting = aw_valid and not (aw_ready or reset)
            within = w_valid and not (reset or (w_ready and last))

    def row(self, addr, count):
        """Queue one row; returns the number of its bytes."""
        self.rows.append({"addr": addr, "count": count})
        size = self.element_width // 8
        for k in range(count):
            element = self.rng.getrandbits(self.element_width)
            self.elements.append(element)
            self.expected[addr + k * size : addr + (k + 1) * size] = element.to_bytes(size, "little")
        return count * size

    async def finished(self, ctx):
        """Wait until all rows are written and answered."""
        while self.rows or self.elements:
            await ctx.tick()
        quiet = 0
        while quiet < 8:
            await ctx.tick()
            quiet = quiet + 1 if ctx.get(self.dut.idle) else 0


def check(rows, **options):
    """Write `rows` of (addr, count); returns the bench."""
    bench = WriterBench(**options)
    total = sum(bench.row(addr, count) for addr, count in rows)
    bench.add(bench.finished)
    bench.run()
    assert bench.memory.data == bench.expected
    assert bench.bytes == total > 0
    assert bench.memory.beats_written == sum(burst.beats for burst in bench.memory.writes)
    return bench


@pytest.mark.parametrize(("element_width", "data_width"), [(16, 32), (32, 32), (32, 128), (16, 512), (8, 64),
                                                           (64, 64), (64, 256)])
def test_offsets_and_sizes(element_width, data_width):
    """Every offset within a bus word with every small count, between guard bytes."""
    size, word_bytes = element_width // 8, data_width // 8
    lanes = word_bytes // size
    counts = sorted({1, 2, 3, lanes - 1, lanes, lanes + 1, 2 * lanes + 1} - {0})
    offsets = range(lanes) if lanes <= 8 else (0, 1, 7, lanes - 1)
    rows = []
    for offset in offsets:
        for count in counts:
            rows.append((len(rows) * 4 * word_bytes + offset * size, count))
    check(rows, element_width=element_width, data_width=data_width, max_elements=max(counts), rate=0.8)


@pytest.mark.parametrize("rate", [0.3, 0.7, 1])
def test_random_rows(rate):
    rng = random.Random(5)
    rows = [(4 * rng.randrange(1 << 12), rng.randint(1, 16)) for _ in range(60)]
    bench = check(rows, data_width=128, rate=rate, seed=3)
    assert rate == 1 or bench.memory.most_outstanding > 1


@pytest.mark.parametrize("data_width", [32, 128, 512])
def test_page_edges(data_width):
    rows = [(PAGE_BYTES * (1 + k) - 4 * before, 16) for k, before in enumerate((0, 1, 2, 8, 15, 16))]
    bench = check(rows, data_width=data_width, rate=1)
    word_bytes = data_width // 8
    assert any((burst.addr + burst.beats * word_bytes) % PAGE_BYTES == 0 for burst in bench.memory.writes)


@pytest.mark.parametrize("max_burst", [1, 4, 32])
@pytest.mark.parametrize("outstanding", [1, 8])
def test_burst_limits(max_burst, outstanding):
    rows = [(4 * start, 64) for start in (0, 65, 193)]
    bench = check(
        rows, data_width=32, max_elements=64, max_burst=max_burst, outstanding=outstanding, rate=0.8
    )
    assert bench.memory.most_outstanding <= outstanding
    assert max(burst.beats for burst in bench.memory.writes) == max_burst


@pytest.mark.parametrize("count", [3, 4, 16])
def test_throughput(count):
    """One element a cycle, also across short rows."""
    rows = [(64 * k, count) for k in range(200 // count)]
    check(rows, data_width=128, rate=1, outstanding=16, cycles=200 + 30)


def test_latency():
    """Two cycles from the last word of a burst to AWVALID and WVALID; a row's request comes first."""
    dut = RowWriter(element_width=32, data_width=64, max_elements=2)

    async def measure(ctx):
        ctx.set(dut.i_row.payload, {"addr": 16, "count": 2})
        ctx.set(dut.i_row.valid, 1)
        await ctx.tick()
        ctx.set(dut.i_row.valid, 0)
        assert ctx.get(dut.packer.o_request.valid)
        assert await cycles_until(ctx, dut.i.ready) + 1 == 2
        ctx.set(dut.i.valid, 1)
        await ctx.tick()
        await ctx.tick()
        ctx.set(dut.i.valid, 0)
        assert ctx.get(dut.packer.o_data.valid)
        assert await cycles_until(ctx, dut.bus.aw.valid) == 2
        assert ctx.get(dut.bus.w.valid)

    bench = Bench(dut, cycles=30)
    bench.add(measure)
    bench.run()


def test_one_word_a_cycle():
    """One-word bursts back to back keep W busy."""
    rows = [(16 * k, 1) for k in range(100)]
    check(rows, element_width=32, data_width=32, max_elements=1, outstanding=16, rate=1, cycles=2 * 100 + 30)


@pytest.mark.parametrize(("response", "name"), [(Response.SLVERR, "slverr"), (Response.DECERR, "decerr")])
def test_errors_are_reported(response, name):
    bench = WriterBench(rate=0.8)
    bench.memory.errors = {8: response, 24: response}
    for k in range(6):
        bench.row(64 * k, 4)
    bench.add(bench.finished)
    bench.run()
    assert bench.errors == {"slverr": 0, "decerr": 0} | {name: 2}


@pytest.mark.parametrize("delay", range(30, 70, 2))
def test_stop(delay):
    """An abort at any time finishes what is begun, writes nothing outside the rows, and leaves no residue."""
    bench = WriterBench(seed=delay // 8, rate=0.6, max_elements=32, max_burst=8)
    untouched = bytearray(bench.memory.data)
    for k in range(6):
        bench.row(128 * k + 4 * k, 25)
    done = {}

    async def abort(ctx):
        for _ in range(delay):
            await ctx.tick()
        ctx.set(bench.dut.stop, 1)
        bench.rows.clear()
        bench.elements.clear()
        for _ in range(60):
            await ctx.tick()
        assert ctx.get(bench.dut.idle)
        assert not bench.memory.bursts_open
        done["bursts"] = len(bench.memory.writes)
        full = bench.expected
        bench.expected = bytearray(bench.memory.data)
        for mine, old, new in zip(bench.memory.data, untouched, full, strict=True):
            assert mine in (old, new)
        ctx.set(bench.dut.stop, 0)
        bench.row(4096, 20)
        bench.row(4096 + 256, 3)
        await bench.finished(ctx)

    bench.add(abort)
    bench.run()
    assert bench.memory.data == bench.expected
    assert len(bench.memory.writes) > done["bursts"]


def test_reset_in_mid_burst():
    bench = WriterBench(rate=0.5, max_elements=32)
    for k in range(4):
        bench.row(128 * k, 32)

    async def reset(ctx):
        while bench.memory.beats_written < 5:
            await ctx.tick()
        ctx.set(bench.domain.rst, 1)
        bench.rows.clear()
        bench.elements.clear()
        await ctx.tick()
        bench.memory.forget()
        for _ in range(3):
            await ctx.tick()
        bench.expected = bytearray(bench.memory.data)
        ctx.set(bench.domain.rst, 0)
        assert ctx.get(bench.dut.idle)
        bench.row(2048, 9)
        await bench.finished(ctx)

    bench.add(reset)
    bench.run()
    assert bench.memory.data == bench.expected


def test_address_waits_for_data_and_data_not_for_address():
    """AWVALID stays low while a word is missing; W goes out although AWREADY never comes."""
    dut = AxiWriter(data_width=32, addr_width=ADDR_WIDTH, max_row_beats=4)
    words = []
    bench = Bench(dut)
    rng = random.Random(0)
    bench.add(watch, dut.bus.w, words.append, rng=rng, rate=1, background=True)
    request = [{"addr": 16, "beats": 3}]
    bench.add(drive, dut.i_request, from_list(request), rng=rng, rate=1, background=True)

    async def check_order(ctx):
        ctx.set(dut.i_data.valid, 1)
        ctx.set(dut.i_data.payload, {"data": 7, "strb": 15})
        await ctx.tick().repeat(2)
        ctx.set(dut.i_data.valid, 0)
        await ctx.tick().repeat(10)
        assert not ctx.get(dut.bus.aw.valid)
        ctx.set(dut.i_data.valid, 1)
        await ctx.tick()
        ctx.set(dut.i_data.valid, 0)
        await ctx.tick().repeat(10)
        assert ctx.get(dut.bus.aw.valid)
        assert [word.last for word in words] == [0, 0, 1]

    bench.add(check_order)
    bench.add(drain, lambda: len(words) == 3)
    bench.run()


PACKER = {"element_width": 32, "data_width": 64, "addr_width": 32, "max_elements": 8}
WRITER = {"data_width": 64, "addr_width": 32, "max_row_beats": 8}


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (RowPacker, PACKER | {"element_width": 24}, "element_width must be"),
        (RowPacker, PACKER | {"element_width": 32, "data_width": 16}, "element_width must be"),
        (RowPacker, PACKER | {"max_elements": 0}, "max_elements must be positive"),
        (AxiWriter, WRITER | {"data_width": 24}, "data_width must be"),
        (AxiWriter, WRITER | {"max_row_beats": 0}, "max_row_beats must be positive"),
        (AxiWriter, WRITER | {"outstanding": 0}, "outstanding must be positive"),
        (AxiWriter, WRITER | {"max_burst": 3}, "max_burst must be a power of two"),
    ],
)
def test_refusals(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)
