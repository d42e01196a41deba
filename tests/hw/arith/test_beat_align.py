import random

import pytest
from pipeline_bench import run_pipeline

from gemmsmith.arith.beat_align import BeatAligner, align_latency, aligned_width
from oracle.exact import fp16_fields

EXPONENTS = range(32)


def expected(codes, guard):
    """Exponent less one, and the words in offset binary, of a beat."""
    fields = [fp16_fields(code) for code in codes]
    largest = 30 if guard is None else max(exponent for _, exponent, _ in fields)
    kept = [(significand << (29 if guard is None else guard) >> largest - exponent, sign)
            for sign, exponent, significand in fields]
    width = aligned_width(guard)
    return largest - 1, [(-value if sign else value) + (1 << width - 1) for value, sign in kept]


def check(beats, guard):
    lanes = len(beats[0])
    latency = align_latency(lanes, guard)
    vectors = [{"codes": sum(code << 16 * i for i, code in enumerate(beat))} for beat in beats]
    for out, index in (("words", 1), ("exponent", 0)):
        seen = run_pipeline(BeatAligner(lanes=lanes, guard=guard), vectors, latency=latency, out=out)
        assert [list(o) if index else o for o in seen] == [expected(beat, guard)[index] for beat in beats]


@pytest.mark.parametrize(("lanes", "guard"), [(1, 2), (3, 0), (4, 2), (16, 2), (2, 8), (2, None)])
def test_random_beats(lanes, guard):
    """Any codes; and some that are near each other."""
    rng = random.Random(lanes)
    beats = [[rng.getrandbits(16) for _ in range(lanes)] for _ in range(60)]
    for _ in range(60):
        base = rng.randrange(0, 28)
        beats.append([rng.getrandbits(1) << 15 | base + rng.randrange(4) << 10 | rng.getrandbits(10)
                      for _ in range(lanes)])
    check([*beats, [0] * lanes, [0x8000] * lanes, [0xFFFF] * lanes, [0x7C00] + [1] * (lanes - 1)], guard)


@pytest.mark.parametrize("guard", [0, 2])
def test_every_pair_of_exponents(guard):
    check([[sign << 15 | a << 10 | fraction, b << 10 | 1]
           for a in EXPONENTS for b in EXPONENTS for sign, fraction in ((0, 0x3FF), (1, 0x001))], guard)


@pytest.mark.slow
@pytest.mark.parametrize("guard", [2, None])
def test_every_code_alone(guard):
    check([[code] for code in range(1 << 16)], guard)
