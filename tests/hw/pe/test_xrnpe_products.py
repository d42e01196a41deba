"""Single products of the engine, bit for bit in the quire, against products of what the formats say codes mean."""

from functools import cache

import numpy as np
import pytest
from native_engine import FIRST, LAST, VALID, NativeEngine

from gemmsmith.formats import CATALOG, Special
from gemmsmith.schemes.xrnpe import BITS, MAX_K

MODES = {name: mode for mode, name in enumerate(BITS)}
CODES = {"fp4": "e2m1", "posit4": "posit4es1", "posit8": "posit8es0", "posit16": "posit16es1"}
SMALLEST = {"fp4": 1, "posit4": 4, "posit8": 6, "posit16": 28}
"""Numbers are multiples of 2^−this."""
WORDS = {1: ((0, 1, 2, 3),), 2: ((0, 1), (2, 3)), 4: ((2,), (0,), (1,), (3,))}
"""Words of the quire's segment of each lane, by the number of lanes."""
LOW = np.uint64(0xFFFF_FFFF)


@cache
def engine_of(units):
    return NativeEngine("xrnpe-posit16", units=str(units))


@pytest.fixture(scope="module")
def engine():
    return engine_of(1)


def test_the_segments_words_are_those_of_the_quire():
    """The order of the four segments of 4 bits is the quire's own choice."""
    from gemmsmith.arith.lane_window import PART_OF
    assert [segment[0] for segment in WORDS[4]] == [PART_OF.index(lane) for lane in range(4)]


@pytest.fixture(scope="module")
def integers():
    """Format → what codes mean, in units of the least number; NaR is 0."""
    tables = {}
    for name, known in CODES.items():
        scale = 1 << SMALLEST[name]
        values = CATALOG[known].format.values
        tables[name] = np.array([0 if isinstance(v, Special) else int(v * scale) for v in values], np.int64)
        assert all(isinstance(v, Special) or (v * scale).denominator == 1 for v in values)
    return tables


def beats_of(codes, bits):
    """Operand words of codes (beats, units, lanes) or (beats, lanes)."""
    codes = codes.reshape(len(codes), -1).astype(np.uint64)
    return (codes << np.arange(0, codes.shape[1] * bits, bits, dtype=np.uint64)).sum(axis=1, dtype=np.uint64)


def field(engine, results, word):
    """The quire's word, how many carries are pending, and its NaR."""
    size = engine.pe.result_width
    bits = [(results[:, (size * word + k) // 32] >> np.uint32((size * word + k) % 32) & 1).astype(np.uint64)
            for k in range(size)]
    total = sum(bit << np.uint64(k) for k, bit in enumerate(bits[:32]))
    return total, sum(bits[32:-1]), bits[-1]


def segment(engine, results, words):
    """The segment's words with pending carries resolved, modulo its size."""
    resolved, carry = [], np.zeros(len(results), np.uint64)
    for word in words:
        total, pending, _ = field(engine, results, word)
        total = total + carry
        resolved.append(total & LOW)
        carry = (total >> np.uint64(32)) + pending
    return np.stack(resolved, axis=1)


def expected(x, y, count):
    """x · y in two's complement, as ``count`` words of 32 bits."""
    odd_x, places_x = reduced(np.abs(x))
    odd_y, places_y = reduced(np.abs(y))
    product, places = odd_x * odd_y, places_x + places_y  # at most 26 bits, and up to 112 places
    shifted = product << (places % 32).astype(np.uint64)
    words = np.zeros((len(x), count + 1), np.uint64)
    rows = np.arange(len(x))
    words[rows, places // 32] = shifted & LOW
    words[rows, places // 32 + 1] = shifted >> np.uint64(32)
    words = words[:, :count]
    negative = (x < 0) ^ (y < 0)
    carry = np.ones(len(x), np.uint64)
    for k in range(count):
        opposite = (~words[:, k] & LOW) + carry
        carry = opposite >> np.uint64(32)
        words[:, k] = np.where(negative, opposite & LOW, words[:, k])
    return words


def reduced(magnitudes):
    """Odd part and trailing zeros; of 0, 0 and 0."""
    lowest = np.where(magnitudes == 0, 1, magnitudes & -magnitudes)
    places = np.log2(lowest).astype(np.int64)
    return (magnitudes // lowest).astype(np.uint64), places


def check(engine, integers, name, a, w):
    """Products of lanes: codes (beats, lanes)."""
    bits, lanes = BITS[name], 16 // BITS[name]
    assert len(a) > 0
    results = engine.results(beats_of(a, bits), beats_of(w, bits), VALID | FIRST | LAST, mode=MODES[name])
    for lane, words in enumerate(WORDS[lanes]):
        x, y = integers[name][a[:, lane]], integers[name][w[:, lane]]
        np.testing.assert_array_equal(segment(engine, results, words), expected(x, y, len(words)))
        _, _, nar = field(engine, results, {1: 3, 2: 2 * lane + 1, 4: lane}[lanes])
        special = 1 << bits - 1
        met = (a[:, lane] == special) | (w[:, lane] == special)
        np.testing.assert_array_equal(nar, met & (name != "fp4"))


@pytest.mark.parametrize("name", ["fp4", "posit4", "posit8"])
def test_all_pairs(engine, integers, name):
    """Every pair in every lane, beside others in the lanes around it."""
    count, lanes = 1 << 2 * BITS[name], 16 // BITS[name]
    pairs = np.arange(count)
    rng = np.random.default_rng(1)
    for _ in range(4 if count < 1000 else 1):
        orders = np.stack([rng.permutation(pairs) for _ in range(lanes)], axis=1)
        check(engine, integers, name, orders >> BITS[name], orders & (1 << BITS[name]) - 1)


def test_a_million_pairs_of_16_bits(engine, integers):
    rng = np.random.default_rng(2)
    a, w = rng.integers(0, 1 << 16, (2, 1_000_000, 1))
    check(engine, integers, "posit16", a, w)


@pytest.mark.parametrize("other", [0x0001, 0x4000, 0x7FFF, 0x8001, 0xFFFF, 0xC000, 0x5ABC, 0x8000])
def test_every_code_of_16_bits(engine, integers, other):
    codes = np.arange(1 << 16)[:, None]
    check(engine, integers, "posit16", codes, np.full_like(codes, other))
    check(engine, integers, "posit16", np.full_like(codes, other), codes)


@pytest.mark.parametrize("units", [1, 2, 4])
@pytest.mark.parametrize("name", list(BITS))
def test_sums(integers, name, units):
    """Dot products with pauses, of all codes and of the extreme ones, whose sums cancel and carry through all words."""
    rng, engine = np.random.default_rng(3), engine_of(units)
    bits, lanes, beats = BITS[name], 16 // BITS[name], 20_000 // units
    special = 1 << bits - 1
    extreme = np.array([1, special - 1, special + 1, (1 << bits) - 1, special // 2, 0])
    shape = (beats, units, lanes)
    a, w = (np.where(rng.random(shape) < 0.5, rng.choice(extreme, shape), rng.integers(0, 1 << bits, shape))
            for _ in range(2))
    valid, first = rng.random(beats) < 0.9, rng.random(beats) < 0.02
    first[0] = valid[0] = True
    results = engine.results(beats_of(a, bits), beats_of(w, bits), valid * VALID + first * FIRST, mode=MODES[name])
    for lane, words in enumerate(WORDS[lanes]):
        got, total, modulus = segment(engine, results, words), 0, 1 << 32 * len(words)
        for beat in range(beats):
            if valid[beat]:
                products = (int(integers[name][x]) * int(integers[name][y])
                            for x, y in zip(a[beat, :, lane], w[beat, :, lane], strict=True))
                total = (0 if first[beat] else total) + sum(products)
            assert sum(int(part) << 32 * k for k, part in enumerate(got[beat])) == total % modulus


def test_formats_follow_each_other(engine, integers):
    """Nothing that a format leaves in registers which the next one does not use gets into its sums."""
    rng, beats = np.random.default_rng(4), 5
    names = [name for n in range(40) for name in rng.permutation(list(BITS)) if n or name != "fp4"]
    length = beats + engine.latency  # with what is under way
    a, w = rng.integers(0, 1 << 16, (2, len(names), length))
    controls = np.zeros((len(names), length), int)
    controls[:, :beats], controls[:, 0] = VALID, VALID | FIRST
    modes = np.repeat([MODES[name] for name in names], length)
    results = engine.results(a.ravel(), w.ravel(), controls.ravel(), mode=modes).reshape(len(names), length, -1)
    for n, name in enumerate(names):
        lanes = 16 // BITS[name]
        places = np.arange(lanes) * BITS[name]
        x, y = (integers[name][words[n, :beats, None] >> places & (1 << BITS[name]) - 1] for words in (a, w))
        for lane, words in enumerate(WORDS[lanes]):
            total = sum(int(p) * int(q) for p, q in zip(x[:, lane], y[:, lane], strict=True))
            got = segment(engine, results[n, beats - 1:beats], words)[0]
            assert sum(int(part) << 32 * k for k, part in enumerate(got)) == total % (1 << 32 * len(words)), (n, name)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", ["fp4", "posit4", "posit16"])
def test_the_longest_sum_of_the_largest_products_fits(engine, integers, name, sign):
    """As many terms as the scheme allows (FP4: a million), all in one lane of K."""
    lanes, terms = 16 // BITS[name], min(MAX_K[name], 1_000_000)
    beats = terms // lanes
    largest = int(integers[name].argmax())
    other = largest if sign > 0 else int(integers[name].argmin())
    a, w = (np.full(beats, sum(code << BITS[name] * lane for lane in range(lanes))) for code in (largest, other))
    results = engine.results(a, w, np.where(np.arange(beats) == 0, VALID | FIRST, VALID), mode=MODES[name])[-1:]
    product = int(integers[name][largest]) * int(integers[name][other])
    for words in WORDS[lanes]:
        total = sum(int(part) << 32 * k for k, part in enumerate(segment(engine, results, words)[0]))
        half = 1 << 32 * len(words) - 1
        assert (total + half) % (2 * half) - half == product * beats
        assert abs(product * beats * lanes) < half
