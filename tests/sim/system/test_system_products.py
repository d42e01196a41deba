"""Products of the schemes on the RTL, over AXI, equal golden to the bit, on every backend."""

import numpy as np
import pytest
from systems import BUILDS, bits, check_product, modes, operands, system

from gemmsmith.schemes import Fp16, parse
from gemmsmith_sim.backends.memory import MemoryTiming
from gemmsmith_sim.driver import DriverError
from gemmsmith_sim.golden import for_scheme
from gemmsmith_sim.llm import checkpoint
from gemmsmith_sim.llm.model import FloatLinear, Llama

SMALL = [(1, 1, 1), (3, 3, 70)]
SIZES = [*SMALL, (1, 9, 64), (5, 4, 65), (2, 2, 300), (7, 5, 129), (16, 8, 512)]


@pytest.mark.parametrize("stall", [0.0, 0.35])
@pytest.mark.parametrize("build", BUILDS)
def test_verilator(build, stall):
    rng = np.random.default_rng(11)
    with system("verilator", build, MemoryTiming(stall=stall, read_latency=12)) as driver:
        for i, size in enumerate(SIZES * len(modes(build))):
            check_product(driver, modes(build)[i % len(modes(build))], rng, size)
        assert driver.total.bytes_written == 4 * driver.outputs


@pytest.mark.parametrize("build", BUILDS)
def test_pysim(build):
    rng = np.random.default_rng(12)
    with system("pysim", build, MemoryTiming(stall=0.2)) as driver:
        for size in SMALL:
            check_product(driver, modes(build)[-1], rng, size)


@pytest.mark.parametrize("build", BUILDS)
def test_weights_stay_where_they_are(build):
    """Weights are placed once and used by several products, with activations of different M."""
    rng = np.random.default_rng(13)
    _, w = operands(modes(build)[0], rng, 1, 6, 130)
    golden = for_scheme(w.scheme)
    with system("verilator", build) as driver:
        placed = driver.load_weights(w)
        for m in (1, 4):
            a = golden.encode_activations(rng.normal(size=(m, 130)))
            np.testing.assert_array_equal(bits(driver.matmul(a, placed)), bits(golden.matmul(a, w)))


@pytest.mark.parametrize("build", BUILDS)
def test_tensors_of_a_real_model(build):
    """The inputs and weights of one layer of the shipped model."""
    recorded = {}

    class Recording(FloatLinear):
        def matmul(self, handle, x):
            recorded[len(recorded)] = (x.copy(), handle)
            return super().matmul(handle, x)

    model = Llama(checkpoint.load(None), Recording())
    model.forward(np.frombuffer(b"First Citizen:\nBefore we", np.uint8).astype(np.int64))
    golden = for_scheme(parse(modes(build)[0]))
    with system("verilator", build) as driver:
        for x, weight in (recorded[1], recorded[6]):  # k and down of the first layer
            a, w = golden.encode_activations(x[-3:]), golden.encode_weights(np.asarray(weight)[:24])
            np.testing.assert_array_equal(bits(driver.matmul(a, w)), bits(golden.matmul(a, w)))


def test_what_is_not_finite_saturates_and_is_reported():
    rng = np.random.default_rng(14)
    a, w = operands("fp16", rng, 3, 3, 9)
    codes = a.arrays["codes"].copy()
    codes[1, 4] = 0xFC00
    special = type(a)(a.scheme, a.axis, a.shape, {"codes": codes})
    golden = for_scheme(Fp16())
    with system("verilator", "fp16") as driver:
        np.testing.assert_array_equal(bits(driver.matmul(a, w)), bits(golden.matmul(a, w)))
        assert not driver.saturated
        np.testing.assert_array_equal(bits(driver.matmul(special, w)), bits(golden.matmul(special, w)))
        assert driver.saturated
        np.testing.assert_array_equal(bits(driver.matmul(a, w)), bits(golden.matmul(a, w)))
        assert not driver.saturated, "stale rows of an earlier job must not count"


@pytest.mark.parametrize(("build", "scheme", "message"), [
    ("int8", "fp16", "the co-processor computes int8"), ("anda-m6", "anda-m9", "m_max"),
    ("fp16", "fp16,out=fp16", "computes fp16"), ("dequant-fp16", "dequant-fp16,group=64", "computes dequant"),
    ("w4a16", "w4a16,guard=3", "computes w4a16"), ("w4a16", "fp4-a16", "computes w4a16"),
])
def test_what_a_device_cannot_compute_is_refused(build, scheme, message):
    name, *choices = scheme.split(",")
    golden = for_scheme(parse(name, **dict(choice.split("=") for choice in choices)))
    a, w = golden.encode_activations(np.ones((1, 4))), golden.encode_weights(np.ones((1, 4)))
    with system("verilator", build) as driver, pytest.raises((DriverError, ValueError), match=message):
        driver.matmul(a, w)
