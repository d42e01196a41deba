import numpy as np
import pytest
from amaranth.sim import Simulator
from float_oracle import fp16_value

from gemmsmith.arith.float_accumulate import FloatAccumulator


def parts(code):
    """Sign, exponent (of the smallest subnormal's leading one: 0) and normalized significand of an FP16 code."""
    value = float(fp16_value(code))
    significand, exponent = np.frexp(abs(value))
    return int(code) >> 15, int(exponent) + 24 if value else 0, int(significand * 2048)


def run(terms, *, seed=0):
    """Sums after each of ``terms`` (first, a, w), as float64; what the contract leaves open is driven at random."""
    dut, rng, sums = FloatAccumulator(), np.random.default_rng(seed), []

    async def testbench(ctx):
        for cycle in range(len(terms) + dut.latency):
            if cycle < len(terms):
                first, a, w = terms[cycle]
                (a_sign, a_exponent, a_significand), (w_sign, w_exponent, w_significand) = parts(a), parts(w)
                product = a_significand * w_significand
                ctx.set(dut.first, first)
                ctx.set(dut.nonzero, product != 0)
                ctx.set(dut.product, product or int(rng.integers(1 << 22)))
                # Counted from the smallest subnormal, 2^-24; the accumulator's unit is explained in its docstring.
                ctx.set(dut.exponent, a_exponent + w_exponent if product else int(rng.integers(1 << 7)))
                ctx.set(dut.negative, a_sign ^ w_sign if product else int(rng.integers(2)))
            if cycle >= dut.latency:
                sums.append((ctx.get(dut.o) + ctx.get(dut.o_up)) * 2.0 ** (8 * ctx.get(dut.o_exponent) - 72))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return sums


def check(terms):
    expected, acc = [], np.float32(0)
    for first, a, w in terms:
        product = np.float32(np.float64(fp16_value(a)) * np.float64(fp16_value(w)))  # exact
        acc = (np.float32(0) if first else acc) + product
        expected.append(float(acc))
    got = run(terms)
    assert len(got) == len(terms) > 0
    wrong = [(n, [hex(int(x)) for x in terms[n]], e, g) for n, (e, g) in enumerate(zip(expected, got,
                                                                                       strict=True)) if e != g]
    assert not wrong, f"{len(wrong)} of {len(got)} differ: {wrong[:5]}"


def sequence(kind, rng, count):
    """Factors of one sum."""
    signs = rng.integers(0, 2, (2, count)) << 15
    if kind == "any":
        return rng.integers(0, 1 << 16, (2, count))
    if kind == "near":
        return signs | rng.integers(13, 17, (2, count)) << 10 | rng.integers(0, 1024, (2, count))
    if kind == "far":
        return signs | rng.integers(0, 31, (2, count)) << 10 | rng.choice([0, 1, 512, 1023], (2, count))
    if kind == "tiny":
        return rng.choice([0, 1, 2, 0x3FF, 0x400, 0x8001, 0x83FF, 0x3C00], (2, count))
    factors = signs | rng.integers(0, 31, (2, count)) << 10 | rng.integers(0, 1024, (2, count))
    factors[0, 1::2] = factors[0, 0::2] ^ 0x8000 ^ rng.integers(0, 2,
                                                                count // 2)  # takes back what was just added, nearly
    factors[1, 1::2] = factors[1, 0::2]
    return factors


@pytest.mark.parametrize("kind", ["any", "near", "far", "tiny", "cancelling"])
@pytest.mark.parametrize("length", [2, 40])
def test_random_sums(kind, length):
    rng = np.random.default_rng(length)
    terms = [(n == 0, *factors) for _ in range(1200 // length) for n, factors in enumerate(sequence(kind, rng,
                                                                                                    length).T)]
    check(terms)


def test_ties_and_powers_of_two():
    """1 ± a power of two, and back: every distance, ties of both parities, either sign, from a sum of any size."""
    powers = [n << 10 for n in range(1, 31)] + [1 << n for n in range(10)]
    terms = []
    for high in (0x3C00, 0x3C01, 0x7800, 0x7BFF, 0x0001):
        for low in powers:
            for signs in ((0, 0), (0, 1), (1, 0), (1, 1)):
                product, repeated = 0x1000 | signs[1] << 15, 0x1000 | signs[0] << 15
                terms += [(1, high, 0x3C00 | signs[0] << 15), (0, low, product), (0, low, repeated)]
    check(terms)


def test_a_zero_product_changes_nothing():
    check([(1, 0x3C00, 0x3C00), (0, 0, 0x7BFF), (0, 0x8000, 0x8000), (0, 0xBC00, 0x3C00), (0, 0, 0x7BFF), (0, 1, 1),
           (1, 0, 0x7BFF), (0, 0, 0), (0, 1, 0x8001), (1, 0, 0)])


def test_the_smallest_products_after_the_largest_cancelled():
    """A sum of zero has no exponent that the next product could trail."""
    products = [(0, 0x03FF, 0x03FF), (0, 0x0001, 0x8001), (0, 0x3555, 0x0155), (0, 0x3C01, 0x3C01), (0, 0x6555, 0x6555)]
    check([term for product in products for term in ((1, 0x7BFF, 0x7BFF), (0, 0x7BFF, 0xFBFF), product, products[0])])
