"""The register map as data, and the bank behind AXI4-Lite."""

import json
import random
import shutil
import subprocess

import pytest

from busmodels.streams import Bench, drive, watch
from gemmsmith.bus import Field, Register, RegisterBank, RegisterMap, Response

MAP = RegisterMap(
    registers=(
        Register("control", 0x00, access="pulse", width=2, fields=(Field("start", 0), Field("abort", 1))),
        Register("status", 0x04, access="w1c", width=12, reset=0x800, fields=(Field("code", 4, 3, "Why"),)),
        Register("busy", 0x08, access="ro", width=1, doc="A job runs"),
        Register("address", 0x10, doc="Where"),
        Register("depth", 0x14, width=18, reset=0x2_0001),
    ),
    addr_width=6,
)


def merge(old, new, strobe):
    """`old` with the bytes of `new` that `strobe` selects."""
    mask = sum(0xFF << 8 * k for k in range(4) if strobe >> k & 1)
    return old & ~mask | new & mask


class Host(Bench):
    """Independent queues on the five channels, so that AW and W arrive in any order."""

    def __init__(self, *, seed=0, rate=0.5, cycles=20_000):
        self.dut = RegisterBank(MAP)
        super().__init__(self.dut, cycles=cycles)
        self.cycles = 0
        self.aw, self.w, self.ar, self.b, self.r = [], [], [], [], []
        bus = self.dut.bus
        options = {"rng": random.Random(seed), "rate": rate, "background": True}
        for name in ("aw", "w", "ar"):
            queue = getattr(self, name)
            self.add(drive, getattr(bus, name), lambda q=queue: q.pop(0) if q else None, **options)
        self.add(watch, bus.b, lambda b: self.b.append(b.resp), **options)
        self.add(watch, bus.r, lambda r: self.r.append((r.data, r.resp)), **options)

    async def write(self, ctx, addr, word, strobe=15):
        self.aw.append({"addr": addr, "prot": 0})
        self.w.append({"data": word, "strb": strobe})
        while not self.b:
            await ctx.tick()
        return self.b.pop()

    async def read(self, ctx, addr):
        self.ar.append({"addr": addr, "prot": 0})
        while not self.r:
            await ctx.tick()
        return self.r.pop()


@pytest.mark.parametrize("rate", [0.3, 1])
def test_random_accesses(rate):
    """Reads and writes everywhere against a dictionary."""
    host = Host(rate=rate)
    rng = random.Random(2)
    state = {0x04: 0x800, 0x10: 0, 0x14: 0x2_0001}
    answers = {Response.OKAY: 0, Response.SLVERR: 0}

    async def access(ctx):
        ctx.set(host.dut.busy, 1)
        for _ in range(80):
            addr, word, strobe = 4 * rng.randrange(16), rng.getrandbits(32), rng.getrandbits(4)
            expected = Response.OKAY if addr in (0, 4, 8, 0x10, 0x14) else Response.SLVERR
            assert await host.write(ctx, addr, word, strobe) == expected
            answers[expected] += 1
            if addr == 0x04:
                state[addr] &= ~merge(0, word, strobe)
            elif addr == 0x10:
                state[addr] = merge(state[addr], word, strobe)
            elif addr == 0x14:
                state[addr] = merge(state[addr], word, strobe) & 0x3_FFFF
            addr = 4 * rng.randrange(16)
            value, response = await host.read(ctx, addr)
            assert response == (Response.OKAY if addr in (0, 4, 8, 0x10, 0x14) else Response.SLVERR)
            assert value == {8: 1, **state}.get(addr, 0)
            assert ctx.get(host.dut.address) == state[0x10]
            assert ctx.get(host.dut.depth) == state[0x14]

    host.add(access)
    host.run()
    assert min(answers.values()) > 10


@pytest.mark.parametrize("first", ["aw", "w", "both"])
def test_either_order_and_no_early_answer(first):
    dut = RegisterBank(MAP)

    async def access(ctx):
        bus = dut.bus
        ctx.set(bus.aw.payload.addr, 0x10)
        ctx.set(bus.w.payload, {"data": 0xCAFE, "strb": 15})
        ctx.set(bus.aw.valid, first != "w")
        ctx.set(bus.w.valid, first != "aw")
        await ctx.tick()
        ctx.set(bus.aw.valid, 0)
        ctx.set(bus.w.valid, 0)
        if first != "both":
            for _ in range(6):
                await ctx.tick()
                assert not ctx.get(bus.b.valid)
            late = bus.w if first == "aw" else bus.aw
            ctx.set(late.valid, 1)
            await ctx.tick()
            ctx.set(late.valid, 0)
        await ctx.tick()
        assert ctx.get(bus.b.valid)
        assert ctx.get(dut.address) == 0xCAFE
        await ctx.tick()
        assert ctx.get(bus.b.valid), "BVALID waits for BREADY"

    bench = Bench(dut, cycles=50)
    bench.add(access)
    bench.run()


@pytest.mark.parametrize("rate", [0.3, 1])
def test_queued_accesses(rate):
    """Accesses that wait behind one another are all answered, in order, and none is lost."""
    host = Host(rate=rate)
    rng = random.Random(4)
    writes = [(rng.choice([0x10, 0x10, 0x18]), rng.getrandbits(32), rng.getrandbits(4)) for _ in range(60)]
    value = 0
    for addr, word, strobe in writes:
        host.aw.append({"addr": addr, "prot": 0})
        host.w.append({"data": word, "strb": strobe})
        value = merge(value, word, strobe) if addr == 0x10 else value
    reads = [rng.choice([0x08, 0x14, 0x3C]) for _ in range(60)]
    host.ar.extend({"addr": addr, "prot": 0} for addr in reads)

    async def access(ctx):
        while len(host.b) < len(writes) or len(host.r) < len(reads):
            await ctx.tick()
            host.cycles += 1
        assert ctx.get(host.dut.address) == value

    host.add(access)
    host.run()
    if rate == 1:
        assert host.cycles <= 2 * len(writes) + 5, "two cycles each"
    assert host.b == [Response.OKAY if addr == 0x10 else Response.SLVERR for addr, _, _ in writes]
    answers = {0x08: (0, Response.OKAY), 0x14: (0x2_0001, Response.OKAY), 0x3C: (0, Response.SLVERR)}
    assert host.r == [answers[addr] for addr in reads]


def test_write_one_to_clear():
    host = Host(rate=1)
    seen = []

    async def record(ctx):
        async for _, _, status in ctx.tick().sample(host.dut.status):
            seen.append(status)

    async def access(ctx):
        dut = host.dut
        ctx.set(dut.status_set, 0b101)
        await ctx.tick()
        ctx.set(dut.status_set, 0)
        await ctx.tick()
        assert ctx.get(dut.status) == 0x805
        await host.write(ctx, 4, 0x801)
        assert await host.read(ctx, 4) == (0x004, Response.OKAY)
        await host.write(ctx, 4, 0xFFF, strobe=0b0010)
        assert ctx.get(dut.status) == 0x004, "only strobed bytes are cleared"
        ctx.set(dut.status_set, 0b100)
        await ctx.tick()
        seen.clear()
        await host.write(ctx, 4, 0xFFF)
        assert len(seen) > 2
        assert set(seen) == {0b100}, "setting wins over clearing"

    host.add(record, background=True)
    host.add(access)
    host.run()


def test_pulse_lasts_one_cycle():
    host = Host(rate=1)
    seen = []

    async def record(ctx):
        async for _, _, pulse in ctx.tick().sample(host.dut.control):
            seen.append(pulse)

    async def access(ctx):
        for word, strobe in ((0b10, 15), (0b11, 0), (0b01, 1)):
            await host.write(ctx, 0, word, strobe)
        assert await host.read(ctx, 0) == (0, Response.OKAY)

    host.add(record, background=True)
    host.add(access)
    host.run()
    assert [pulse for pulse in seen if pulse] == [0b10, 0b01]


def test_reset_restores():
    host = Host(rate=1)

    async def access(ctx):
        await host.write(ctx, 0x14, 7)
        assert ctx.get(host.dut.depth) == 7
        ctx.set(host.domain.rst, 1)
        await ctx.tick()
        assert ctx.get(host.dut.depth) == 0x2_0001
        assert ctx.get(host.dut.status) == 0x800

    host.add(access)
    host.run()


def test_description():
    description = MAP.to_dict()
    assert json.loads(json.dumps(description)) == description
    assert [register["offset"] for register in description["registers"]] == [0, 4, 8, 0x10, 0x14]
    assert description["registers"][1]["fields"] == [{"name": "code", "lsb": 4, "width": 3, "doc": "Why"}]
    assert MAP["depth"].reset == 0x2_0001
    with pytest.raises(KeyError):
        MAP["nothing"]


def test_c_header():
    lines = MAP.c_header("gemm").splitlines()
    assert "#define GEMM_DEPTH_OFFSET 0x014u" in lines
    assert "#define GEMM_STATUS_CODE_LSB 4" in lines
    assert "#define GEMM_STATUS_CODE_MASK 0x00000070u /* Why */" in lines


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_c_header_compiles(tmp_path):
    (tmp_path / "gemm_regs.h").write_text(MAP.c_header("gemm"))
    source = tmp_path / "main.c"
    source.write_text('#include "gemm_regs.h"\nint check[GEMM_DEPTH_OFFSET == 20 ? 1 : -1];\n')
    subprocess.run(["cc", "-std=c99", "-Wall", "-Werror", "-fsyntax-only", source], check=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Register("Bad", 0), "name must be"),
        (lambda: Register("bus", 0), "name must be"),
        (lambda: Register("class", 0), "name must be"),
        (lambda: Register("x", 2), "offset must be a multiple of 4, not 2"),
        (lambda: Register("x", 0, access="wo"), "access must be"),
        (lambda: Register("x", 0, width=33), "width must be from 1 to 32, not 33"),
        (lambda: Register("x", 0, width=4, reset=16), "reset of 'x' must fit"),
        (lambda: Register("x", 0, access="ro", reset=1), "reset of 'x' must fit"),
        (lambda: Register("x", 0, width=2, fields=(Field("y", 2),)), "must lie within"),
        (lambda: Register("x", 0, fields=(Field("y", 0, 3), Field("z", 2))), "overlap"),
        (lambda: Field("y", -1), "lsb >= 0"),
        (lambda: RegisterMap(registers=()), "must not be empty"),
        (lambda: RegisterMap(registers=(Register("x", 0), Register("y", 0))), "offsets must be unique"),
        (lambda: RegisterMap(registers=(Register("x", 0), Register("x", 4))), "names must be unique"),
        (
            lambda: RegisterMap(registers=(Register("x", 0, access="w1c"), Register("x_set", 4))),
            "names must be unique",
        ),
        (lambda: RegisterMap(registers=(Register("x", 64),), addr_width=6), "offset 0x40 must lie within"),
        (lambda: RegisterMap(registers=(Register("x", 0),), addr_width=2), "addr_width must be"),
        (lambda: MAP.c_header("2bad"), "name must be"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make()
