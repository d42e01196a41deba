import random

import pytest
from amaranth.sim import Simulator

from gemmsmith.arith.serial import SerialAccumulator, SerialNegator


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="lanes must be at least 1, not 0"):
        SerialNegator(lanes=0)
    with pytest.raises(ValueError, match="planes must be 1 or 2, not 3"):
        SerialNegator(lanes=1, planes=3)
    with pytest.raises(ValueError, match="width must be at least 1, not 0"):
        SerialAccumulator(count=1, width=0, shift_out=4)
    with pytest.raises(ValueError, match="shift_out must be at least 1, not 0"):
        SerialAccumulator(count=1, width=4, shift_out=0)


def serialize(words, *, length, lanes, idle=0.0, seed=0, at_once=1):
    """Digits that a ``SerialNegator`` makes of ``words``, lists of a (sign, magnitude) per lane; checks its timing."""
    rng = random.Random(seed)
    dut = SerialNegator(lanes=lanes, planes=at_once)
    per_word = (length + 1) // at_once
    beats = []
    for word in words:
        planes = [sum(sign << i for i, (sign, _) in enumerate(word))]
        planes += [sum((value >> bit & 1) << i for i, (_, value) in enumerate(word)) for bit in range(length)]
        if at_once == 2:
            planes = [low | high << lanes for low, high in zip(planes[::2], planes[1::2], strict=True)]
        beats += [(plane, n == 0, n == per_word - 1) for n, plane in enumerate(planes)]
    digits, cycles = [], {"last": [], "o_last": []}

    async def testbench(ctx):
        cycle, drain = 0, 3
        while beats or drain:
            valid = bool(beats) and rng.random() >= idle
            garbage = rng.getrandbits(at_once * lanes), rng.getrandbits(1), rng.getrandbits(1)
            plane, first, last = beats.pop(0) if valid else garbage
            for name, value in (("valid", valid), ("first", first), ("last", last), ("plane", plane)):
                ctx.set(getattr(dut, name), value)
            if valid and last:
                cycles["last"].append(cycle)
            if ctx.get(dut.o_valid):
                pair, first, last = ctx.get(dut.o_n), ctx.get(dut.o_first), ctx.get(dut.o_last)
                digits.extend((~(pair >> n * lanes) & (1 << lanes) - 1, first and n == 0, last and n == at_once - 1)
                              for n in range(at_once))
                if last:
                    cycles["o_last"].append(cycle)
            drain -= not beats
            cycle += 1
            await ctx.tick()

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(testbench)
    sim.run()
    assert [c + SerialNegator.latency for c in cycles["last"]] == cycles["o_last"]
    assert len(digits) == len(words) * (length + 1) > 0
    return digits


def values_of(digits, *, length, lanes):
    """Words that the digits make, checking the marks."""
    words = []
    for start in range(0, len(digits), length + 1):
        word = digits[start : start + length + 1]
        assert [(first, last) for _, first, last in word] == [(n == 0, n == length) for n in range(length + 1)]
        weights = [1 << n for n in range(length)] + [-(1 << length)]
        words.append([sum(w * (d >> lane & 1) for w, (d, _, _) in zip(weights, word, strict=True))
                      for lane in range(lanes)])
    return words


@pytest.mark.parametrize("length", [1, 2, 3, 16])
@pytest.mark.parametrize("idle", [0.0, 0.5])
def test_random_words_back_to_back_and_with_gaps(length, idle):
    rng, lanes = random.Random(length), 8
    largest = (1 << length) - 1
    words = [[(rng.getrandbits(1), rng.choice((0, 1, largest, rng.getrandbits(length)))) for _ in range(lanes)]
             for _ in range(40)]
    digits = serialize(words, length=length, lanes=lanes, idle=idle)
    assert values_of(digits, length=length, lanes=lanes) == [[-v if s else v for s, v in word] for word in words]


@pytest.mark.parametrize("length", [1, 3, 7, 17])
@pytest.mark.parametrize("idle", [0.0, 0.5])
def test_two_planes_at_a_time(length, idle):
    rng, lanes = random.Random(length), 8
    largest = (1 << length) - 1
    words = [[(rng.getrandbits(1), rng.choice((0, 1, largest, rng.getrandbits(length)))) for _ in range(lanes)]
             for _ in range(40)]
    digits = serialize(words, length=length, lanes=lanes, idle=idle, at_once=2)
    assert values_of(digits, length=length, lanes=lanes) == [[-v if s else v for s, v in word] for word in words]


@pytest.mark.parametrize("length", range(1, 17))
def test_every_signed_mantissa(length):
    # Many lanes side by side, so that few words hold every mantissa with both signs, −0 included.
    lanes = 1 << min(length, 9)
    pairs = [(sign, value) for sign in (0, 1) for value in range(1 << length)]
    words = [pairs[i : i + lanes] for i in range(0, len(pairs), lanes)]
    digits = serialize(words, length=length, lanes=lanes)
    assert values_of(digits, length=length, lanes=lanes) == [[-v if s else v for s, v in word] for word in words]


def accumulate(sequences, *, idle, seed, **shape):
    """``o`` after each sequence of digits (lists of a (word, gate) per lane), and that idle cycles change nothing."""
    rng = random.Random(seed)
    dut = SerialAccumulator(**shape)
    at_once, count = dut.planes, dut.count
    seen = []

    async def beat(ctx, valid, words=(), gates=0, first=0, last=0):
        for name, value in (("valid", valid), ("first", first), ("last", last), ("gates", gates)):
            ctx.set(getattr(dut, name), value)
        for i, word in enumerate(words):
            ctx.set(dut.words[i], word)
        await ctx.tick()

    async def testbench(ctx):
        for digits in sequences:
            for n in range(0, len(digits), at_once):
                while rng.random() < idle:
                    await beat(ctx, 0, gates=rng.getrandbits(1), first=rng.getrandbits(1), last=rng.getrandbits(1))
                gates = sum(gate << i + k * count for k, digit in enumerate(digits[n:n + at_once])
                            for i, (_, gate) in enumerate(digit))
                await beat(ctx, 1, [word for word, _ in digits[n]], gates, n == 0, n + at_once == len(digits))
            for _ in range(dut.latency - 1):
                await beat(ctx, 0, gates=rng.getrandbits(1), first=1, last=rng.getrandbits(1))
            seen.append(ctx.get(dut.o))
            await beat(ctx, 0)
            assert ctx.get(dut.o) == seen[-1]

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(testbench)
    sim.run()
    assert len(seen) == len(sequences) > 0
    return seen


@pytest.mark.parametrize("idle", [0.0, 0.3])
@pytest.mark.parametrize("length", [1, 2, 7, 16])
@pytest.mark.parametrize(("count", "width", "cuts"), [(1, 10, None), (5, 4, (2,)), (4, 3, ())])
def test_accumulator_left_aligns_the_exact_sum(count, width, cuts, length, idle):
    rng, shift_out = random.Random(length), 16
    low, high = -(1 << width - 1), (1 << width - 1) - 1

    def digit(*choices):
        return [(rng.choice(choices or (low, high, rng.randint(low, high))), choices != () or rng.getrandbits(1))
                for _ in range(count)]

    sequences = [[digit(a) for _ in range(length)] + [digit(b)] for a in (low, high) for b in (low, high)]
    sequences += [[digit() for _ in range(length + 1)] for _ in range(25)]
    weights = [1 << n for n in range(length)] + [-(1 << length)]
    expected = [sum(weight * word * gate for weight, lanes in zip(weights, s, strict=True) for word, gate in lanes)
                << shift_out - length for s in sequences]
    assert accumulate(sequences, count=count, width=width, cuts=cuts, shift_out=shift_out, idle=idle,
                      seed=length) == expected


@pytest.mark.parametrize(("length", "shift_out"), [(1, 1), (1, 15), (2, 2), (2, 16), (7, 15), (7, 16), (16, 16)])
@pytest.mark.parametrize("cuts", [(), (1, 2)])
def test_two_digits_at_a_time(length, shift_out, cuts):
    """Both digits gate the same words; an even length has a zero below."""
    rng, sequences, expected = random.Random(length), [], []
    for trial in range(25):
        words = [rng.choice((-8, 7, rng.randint(-8, 7))) if trial > 1 else (-8, 7)[trial] for _ in range(4)]
        codes = [rng.choice((-(1 << length), (1 << length) - 1, rng.randint(-(1 << length), (1 << length) - 1)))
                 for _ in words]
        doubled = [code << (length % 2 == 0) for code in codes]
        sequences.append([[(word, code >> n & 1) for word, code in zip(words, doubled, strict=True)]
                          for n in range(length + 1 + (length % 2 == 0))])
        expected.append(sum(w * c for w, c in zip(words, codes, strict=True)) << shift_out - length)
    assert accumulate(sequences, count=4, width=4, cuts=cuts, shift_out=shift_out, idle=0.2, seed=length,
                      planes=2) == expected
