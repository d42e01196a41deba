import random
from itertools import product

import pytest
from pipeline_bench import run_pipeline

from gemmsmith.arith.dot import PlaneDot, TernaryDot


@pytest.mark.parametrize("name", ["lanes", "a_width", "w_width"])
def test_arguments_are_checked(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
        PlaneDot(**({"lanes": 1, "a_width": 8, "w_width": 8} | {name: 0}))


def test_every_pair_of_int8_codes():
    pairs = [(a, w) for a in range(-128, 128) for w in range(-128, 128)]
    dut = PlaneDot(lanes=1, a_width=8, w_width=8)
    seen = run_pipeline(dut, [{"a": a & 255, "w": w & 255} for a, w in pairs], latency=dut.latency)
    assert seen == [a * w for a, w in pairs]


def test_two_lanes_of_int4_by_int2_exhaustively():
    words = list(product(range(-8, 8), range(-8, 8), range(-2, 2), range(-2, 2)))
    dut = PlaneDot(lanes=2, a_width=4, w_width=2)
    seen = run_pipeline(dut, [{"a": w[:2], "w": w[2:]} for w in words], latency=dut.latency)
    assert seen == [a0 * w0 + a1 * w1 for a0, a1, w0, w1 in words]


@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_ternary_weights_exhaustively(lanes):
    pairs = product(range(-4, 4), (-1, 0, 1))
    vectors = [{"a": [a for a, _ in word], "w": [w for _, w in word]} for word in product(pairs, repeat=lanes)]
    dut = TernaryDot(lanes=lanes, a_width=3)
    seen = run_pipeline(dut, vectors, latency=dut.latency)
    assert seen == [sum(a * w for a, w in zip(v["a"], v["w"], strict=True)) - v["w"].count(-1) for v in vectors]


@pytest.mark.parametrize(("lanes", "a_width", "w_width"), [(16, 8, 8), (4, 8, 4), (3, 5, 3), (8, 3, 1)])
def test_random_and_extreme_operands(lanes, a_width, w_width):
    rng = random.Random(lanes)

    def word(width):
        low, high = -(1 << width - 1), (1 << width - 1) - 1
        return rng.choice((low, high, 0, rng.randint(low, high)))

    low_a, low_w = -(1 << a_width - 1), -(1 << w_width - 1)
    vectors = [{"a": [low_a] * lanes, "w": [low_w] * lanes}, {"a": [-low_a - 1] * lanes, "w": [low_w] * lanes}]
    vectors += [{"a": [word(a_width) for _ in range(lanes)], "w": [word(w_width) for _ in range(lanes)]}
                for _ in range(100)]
    dut = PlaneDot(lanes=lanes, a_width=a_width, w_width=w_width)
    expected = [sum(a * w for a, w in zip(v["a"], v["w"], strict=True)) for v in vectors]
    assert run_pipeline(dut, vectors, latency=dut.latency) == expected
