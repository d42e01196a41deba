import random
from fractions import Fraction

import pytest
from amaranth.sim import Simulator

from gemmsmith.arith.posit_encode import FRACTION, PositEncode
from oracle.exact import floor_log2
from oracle.posits import posit_number
from oracle.quire import FORMATS, POSITS, code_of, nar_of
from oracle.schemes import FP4


def fields(x, out):
    """Sign, exponent, fraction and ``more`` of a number; E2M1 takes half of it."""
    if x == 0:
        return 0, 0, 0, 0
    x = x / 2 if out == "fp4" else x
    exponent = floor_log2(abs(x))
    if x == -(Fraction(2) ** exponent):
        exponent -= 1
    fraction = x / Fraction(2) ** exponent + (2 if x < 0 else -1)
    scaled = fraction * 2**FRACTION
    return int(x < 0), exponent, int(scaled), int(scaled % 1 != 0)


def encoded(inputs, formats):
    """Codes of (sign, exponent, fraction, more, zero, nar), one in four cycles."""
    dut, seen = PositEncode(), []
    names = ("sign", "exponent", "fraction", "more", "zero", "nar")

    async def bench(ctx):
        ctx.set(dut.format, formats)
        for cycle in range(4 * len(inputs) + dut.latency):
            n, k = divmod(cycle, 4)
            ctx.set(dut.start, k == 0 and n < len(inputs))
            for name, value in zip(names, inputs[min(n, len(inputs) - 1)], strict=True):
                ctx.set(getattr(dut, name), value if k == 0 else -1 - value)
            if cycle >= dut.latency and (cycle - dut.latency) % 4 == 0:
                seen.append(ctx.get(dut.o))
            await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    assert len(seen) == len(inputs) > 0
    return seen


def check(numbers, out):
    numbers = [x for number in numbers for x in (Fraction(number), -Fraction(number))]
    got = encoded([(*fields(x, out), int(x == 0), 0) for x in numbers], FORMATS.index(out))
    wrong = [(float(x), hex(code), hex(code_of(x, out))) for x, code in zip(numbers, got, strict=True)
             if code != code_of(x, out)]
    assert not wrong, f"{len(wrong)} of {len(numbers)} differ: {wrong[:5]}"


def around(x):
    """A number, and what is just beside it."""
    return [x, x * (1 + Fraction(1, 2**20)), x * (1 - Fraction(1, 2**20))]


@pytest.mark.parametrize("out", ["posit4", "posit8"])
def test_all_codes_and_ties(out):
    n, es = POSITS[out]
    ties = [posit_number(code, n + 1, es) for code in range(1, 2**n)]  # every other one is a code
    check([y for x in ties for y in around(x)], out)


def test_codes_and_ties_of_the_longest_posit():
    rng = random.Random(0)
    codes = {*range(1, 65), *range(65536 - 64, 65536), *(rng.randrange(1, 65536) for _ in range(120)),
             *((1 << k) + d for k in range(7, 16) for d in (-1, 0, 1))}
    check([y for code in codes for y in around(posit_number(code, 17, 1))], "posit16")


def test_codes_and_ties_of_e2m1():
    halves = [(a + b) / 2 for a, b in zip(FP4, (*FP4[1:], Fraction(8)), strict=True)]
    check([y for x in (*FP4, *halves, 1 / 16, 1 / 8, 7.5, 8, 11, 12, 14, 16, 31) for y in around(Fraction(x))], "fp4")


@pytest.mark.parametrize("out", FORMATS)
def test_every_power_of_two(out):
    check([Fraction(2) ** e * f for e in range(-508, 508) for f in (1, Fraction(3, 2)) if abs(e) < 40 or e % 7 == 0],
          out)


@pytest.mark.parametrize("out", FORMATS)
def test_random_numbers(out):
    rng = random.Random(out)
    check([Fraction(rng.getrandbits(rng.choice((3, 14, 15, 40))) + 1) * Fraction(2) ** rng.randint(-60, 30)
           for _ in range(200)], out)


@pytest.mark.parametrize("out", FORMATS)
def test_neither_zero_nor_nar_heeds_the_rest(out):
    rng = random.Random(1)
    rest = [(rng.randint(-512, 511), rng.getrandbits(FRACTION), rng.getrandbits(1)) for _ in range(40)]
    inputs = [(nar and rng.getrandbits(1), *three, 1 - nar, nar) for three in rest for nar in (0, 1)]
    assert encoded(inputs, FORMATS.index(out)) == [0, nar_of(out)] * 40
