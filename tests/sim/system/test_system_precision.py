"""Layers of different mantissa lengths on one co-processor: weights are placed once, the mode changes with the job."""

import numpy as np
import pytest
from systems import bits, system

from gemmsmith.schemes import Anda, parse
from gemmsmith_sim.driver import DriverError
from gemmsmith_sim.golden import for_scheme
from gemmsmith_sim.llm.quantized import GoldenLinear, RtlLinear
from gemmsmith_sim.search import PrecisionMap

MIXED = PrecisionMap(Anda(), {"qkv": {"m": 8}, "o": {"m": 3, "round": "nearest"}, "u": {"m": 6}, "d": {"m": 1}})


def test_weights_serve_every_length():
    rng = np.random.default_rng(21)
    w = for_scheme(Anda(m=2)).encode_weights(rng.normal(size=(5, 130)))
    with system("verilator", "anda-m6") as driver:
        placed = driver.load_weights(w)
        for m, choice in ((8, "trunc"), (1, "trunc"), (5, "nearest"), (8, "nearest")):
            golden = for_scheme(Anda(m=m, round=choice))
            a = golden.encode_activations(rng.normal(size=(3, 130)))
            np.testing.assert_array_equal(bits(driver.matmul(a, placed)), bits(golden.matmul(a, w)))


def test_layers_of_different_lengths():
    rng = np.random.default_rng(22)
    weights = {f"layers.0.{name}": rng.normal(size=(4, 70)).astype(np.float32)
               for name in ("q", "o", "gate", "up", "down")}
    golden = GoldenLinear(MIXED)
    with system("verilator", "anda-m6") as driver:
        linear = RtlLinear(driver, MIXED)
        handles = {name: (linear.prepare(name, weight), golden.prepare(name, weight))
                   for name, weight in weights.items()}
        for name in [*weights, *weights]:
            x = rng.normal(size=(2, 70)).astype(np.float32)
            np.testing.assert_array_equal(linear.matmul(handles[name][0], x), golden.matmul(handles[name][1], x))
        assert (linear.outputs, linear.mismatches) == (2 * 5 * 8, 0)


def test_weights_of_another_group_are_refused():
    w = for_scheme(Anda(weight_group=64)).encode_weights(np.ones((1, 70)))
    a = for_scheme(Anda()).encode_activations(np.ones((1, 70)))
    with system("verilator", "anda-m6") as driver:
        with pytest.raises(DriverError, match="the co-processor computes anda"):
            driver.matmul(a, w)
        with pytest.raises(DriverError, match="the co-processor computes anda"):
            driver.load_weights(w)
        with pytest.raises(DriverError, match="computes anda"):
            driver.load_weights(for_scheme(parse("int8")).encode_weights(np.ones((1, 70))))
