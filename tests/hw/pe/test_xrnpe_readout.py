import random
from fractions import Fraction

import pytest
from amaranth.sim import Simulator

from gemmsmith.pe.xrnpe import XrNpeElement
from gemmsmith.schemes import XrNpe
from oracle.exact import round_to_fp32
from oracle.quire import FORMATS, LSB, SEGMENTS, code_of, nar_of, quire_sum

FLOATS = ("fp32", "fp16")
ONES = (1 << 32) - 1


def read_out(jobs, *, out, kind, gap=0):
    """Codes for (words, a_exponent, w_exponent), and the cycles between a result's last word and its code."""
    dut = XrNpeElement(scheme=XrNpe(format=kind, out=out)).tail(1)
    seen, ends = [], []

    async def bench(ctx):
        ctx.set(dut.mode, dut.pe.mode)
        cycle = 0
        for n, (words, a, w) in enumerate(jobs):
            for j, (value, carry, nar) in enumerate(words):
                ctx.set(dut.ctl, {"valid": 1, "first": 1, "last": 1, "index": 0, "word": j})
                ctx.set(dut.i, value | carry << 32 | nar << 33)
                ctx.set(dut.a_exponent, a & 255)
                ctx.set(dut.w_exponent, w & 255)
                cycle = await step(ctx, cycle)
            ends.append(cycle - 1)
            ctx.set(dut.ctl.valid, 0)
            ctx.set(dut.a_exponent, 0x55)
            for _ in range(gap * (n % 3)):
                cycle = await step(ctx, cycle)
        for _ in range(dut.latency(dut.pe.scheme)):
            cycle = await step(ctx, cycle)

    async def step(ctx, cycle):
        if ctx.get(dut.o_valid):
            seen.append((cycle, ctx.get(dut.o)))
        await ctx.tick()
        return cycle + 1

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    assert len(seen) == len(jobs) > 0
    assert [cycle for cycle, _ in seen] == [end + dut.latency(dut.pe.scheme) for end in ends]
    return [code for _, code in seen]


def check(jobs, *, out, kind, gap=0):
    wrong = []
    for (words, a, w), got in zip(jobs, read_out(jobs, out=out, kind=kind, gap=gap), strict=True):
        x = quire_sum([word[:2] for word in words], SEGMENTS[kind]) * Fraction(2) ** (LSB[kind] + a + w)
        expected = nar_of(out) if any(word[2] for word in words) else code_of(x, out)
        if got != expected:
            wrong.append(([tuple(map(hex, word)) for word in words], a, w, float(round_to_fp32(x)), hex(got),
                          hex(expected)))
    assert not wrong, f"{len(wrong)} of {len(jobs)} differ: {wrong[:3]}"


def quire(totals, kind):
    """Words of the segments' sums."""
    bits = 128 // SEGMENTS[kind]
    whole = sum(total % (1 << bits) << bits * n for n, total in enumerate(totals))
    return [(whole >> 32 * j & ONES, 0, 0) for j in range(4)]


def random_total(rng, bits):
    """A sum of any magnitude: near powers of two, near ties of any precision, or any."""
    n = rng.randrange(bits - 2)
    near = 1 << n | rng.getrandbits(4) << max(0, n - rng.randrange(1, 28)) if n > 4 else 1 << n
    size = rng.choice((1 << n, near, near, rng.getrandbits(n + 1))) + rng.choice((-1, 0, 0, 1))
    return rng.choice((1, -1)) * size


def random_job(rng, kind, out):
    bits = 128 // SEGMENTS[kind]
    if rng.random() < 0.2:
        words = [(rng.choice((0, ONES, 1 << 31, rng.getrandbits(32))), rng.getrandbits(1), 0) for _ in range(4)]
    else:
        total = random_total(rng, bits)
        parts = [rng.getrandbits(bits) for _ in range(SEGMENTS[kind] - 1)]
        words = quire([*parts, total - sum(parts)], kind)
    size = abs(quire_sum([word[:2] for word in words], SEGMENTS[kind])).bit_length() + LSB[kind]
    reach = {"fp32": 140, "fp16": 28, "posit16": 31, "posit8": 9}.get(out, 5)
    scale = rng.randint(-256, 254) if rng.random() < 0.1 else rng.randint(-reach, reach) - size
    scale = min(max(scale, -256), 254)
    a = rng.randint(max(-128, scale - 127), min(127, scale + 128))
    if rng.random() < 0.03:
        words[0] = (*words[0][:2], 1)
    return words, a, scale - a


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("out", [*FLOATS, *FORMATS])
def test_random_sums(kind, out):
    rng = random.Random(f"{kind} {out}")
    check([random_job(rng, kind, out) for _ in range(150)], out=out, kind=kind, gap=rng.randint(0, 2))


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("out", [*FLOATS, *FORMATS])
def test_many_random_sums(kind, out):
    rng = random.Random(f"many {kind} {out}")
    check([random_job(rng, kind, out) for _ in range(1000)], out=out, kind=kind)


@pytest.mark.parametrize("out", ["fp32", "posit16"])
def test_every_place_of_a_bit(out):
    """0 and ±1 at each place of the longest quire, scaled to and fro."""
    totals = [0, *(sign << n for n in range(127) for sign in (1, -1)), -(1 << 127)]
    check([(quire([total], "posit16"), a, -a) for total in totals for a in (0, 17)], out=out, kind="posit16")


@pytest.mark.parametrize("kind", FORMATS)
def test_ends_of_the_exponents(kind):
    ends = [(-128, -128), (127, 127), (-128, 127), (127, -128), (-128, 0), (-126, 0), (127, 0)]
    sums = [sign * size for sign in (1, -1) for size in (0, 1, 3, (1 << 30) - 1)]
    jobs = [(quire([total], kind), a, w) for a, w in ends for total in sums]
    for out in (*FLOATS, *FORMATS):
        check(jobs, out=out, kind=kind)


def test_ties_of_fp32():
    """Exactly between two numbers, and one unit of the last place beside it, also where they are flushed."""
    sizes = [(0x1000001 + 2 * odd << n) + d for odd in (0, 1, 0x7FFFFF) for n in (1, 30, 70) for d in (-1, 0, 1)]
    sizes += [(0x1FFFFFF << n) + d for n in (1, 60) for d in (-1, 0, 1)]  # half a unit below a power of two
    jobs = []
    for size in sizes:
        lowest = -126 - size.bit_length() - LSB["posit16"]
        for scale in (0, lowest, lowest + 1, lowest + 2, 128 - LSB["posit16"] - size.bit_length()):
            a = min(max(-128, scale), 127)
            jobs += [(quire([sign * size], "posit16"), a, scale - a) for sign in (1, -1)]
    for out in FLOATS:
        check(jobs, out=out, kind="posit16")
