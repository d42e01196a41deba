import itertools
import random

import pytest
from amaranth.sim import Simulator

from gemmsmith.arith.quire_resolve import QuireResolve
from oracle.quire import quire_sum, twos_complement

ONES = (1 << 32) - 1


def resolve(dut, quires, *, segments, gap=0):
    """Outputs for quires, lists of four (value, carry, nar)."""
    seen = []

    def look(ctx):
        if ctx.get(dut.o_valid):
            seen.append(tuple(ctx.get(getattr(dut, name)) for name in ("o", "more", "index", "zero", "nar")))

    async def bench(ctx):
        ctx.set(dut.two, segments == 2)
        ctx.set(dut.four, segments == 4)
        for n, words in enumerate(quires):
            for j, (value, carry, nar) in enumerate(words):
                ctx.set(dut.valid, 1)
                ctx.set(dut.word, j)
                ctx.set(dut.i.sum, value)
                ctx.set(dut.i.carries, (1 << carry) - 1)  # whichever of them are set
                ctx.set(dut.i.nar, nar)
                look(ctx)
                await ctx.tick()
            ctx.set(dut.valid, 0)
            for _ in range(gap * (n % 3) if n < len(quires) - 1 else dut.latency):
                look(ctx)
                await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    assert len(seen) == len(quires) > 0
    return seen


def check(quires, *, segments, kept=14, gap=0, units=1):
    """Of words (value, number of carries, whether there is a NaR)."""
    dut = QuireResolve(kept=kept, units=units)
    for words, got in zip(quires, resolve(dut, quires, segments=segments, gap=gap), strict=True):
        total = quire_sum([word[:2] for word in words], segments)
        index = next(n for n in range(4) if twos_complement(total, 32 * (n + 1)) == total)
        shifted = total << kept >> 32 * index
        more = shifted << 32 * index != total << kept
        expected = (shifted, more, index, total == 0, any(word[2] for word in words))
        assert got == expected, (words, got, expected)


def plain(total, segments=1):
    """Words of a sum, all in the lowest segment."""
    bits = 128 // segments
    return [(total % (1 << bits) >> 32 * j & ONES, 0, 0) for j in range(4)]


def borrowed(words, size, where):
    """The same sum, with carries still to be added behind the words ``where``."""
    words = [list(word) for word in words]
    for j in where:
        for k in range(j + 1, (j // size + 1) * size):
            words[k][0] = (words[k][0] - 1) & ONES
            if words[k][0] != ONES:
                break
        words[j][1] = 1
    return [tuple(word) for word in words]


@pytest.mark.parametrize("kept", [14, 25])
def test_every_place_of_a_bit(kept):
    values = [0, -1, *(s * ((1 << n) + d) for n in range(126) for d in (-1, 0, 1) for s in (1, -1)),
              (1 << 127) - 1, -(1 << 127)]
    check([plain(v) for v in values], segments=1, kept=kept)


@pytest.mark.parametrize("segments", [1, 2, 4])
def test_uniform_words_in_every_order(segments):
    """Words that may, or may not, repeat the sign of the one below; with each carry that may be pending."""
    words = itertools.product((0, ONES, 1 << 31, 1), repeat=4)
    quires = [[(value, carries >> j & 1, 0) for j, value in enumerate(quire)]
              for n, quire in enumerate(words) for carries in (0, 7, n % 16)]
    check(quires, segments=segments)


@pytest.mark.parametrize("segments", [1, 2, 4])
def test_random_words(segments):
    rng = random.Random(segments)
    quires = [[(rng.getrandbits(32), rng.getrandbits(1), 0) for _ in range(4)] for _ in range(300)]
    check(quires, segments=segments, gap=1)


@pytest.mark.parametrize("units", [2, 4])
@pytest.mark.parametrize("segments", [1, 2, 4])
def test_several_carries(segments, units):
    """Random ones, and those of sums that carry through all words."""
    rng = random.Random(segments)
    quires = [[(rng.choice((rng.getrandbits(32), ONES, ONES - rng.randrange(2 * units), 0)), rng.randint(0, units), 0)
               for _ in range(4)] for _ in range(300)]
    check(quires, segments=segments, gap=1, units=units)


def test_carries_ripple_through_all_words():
    """A sum of any size, its words' carries in all states of being added."""
    rng, quires = random.Random(5), []
    for n in range(127):
        total = rng.choice((1, -1)) * rng.getrandbits(n + 1)
        quires += [borrowed(plain(total), 4, [j for j in range(3) if carries >> j & 1]) for carries in range(8)]
        assert {quire_sum([word[:2] for word in quire], 1) for quire in quires[-8:]} == {
            twos_complement(total, 128)}
    check(quires, segments=1)


def test_a_nar_stays_with_its_quire():
    rng = random.Random(1)
    quires = [[(rng.getrandbits(32), 0, int(j == n % 7)) for j in range(4)] for n in range(60)]
    check(quires, segments=4)
    check(quires, segments=2, gap=2)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match=r"kept must be 1\.\.31, not 32"):
        QuireResolve(kept=32)
