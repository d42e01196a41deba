"""Outputs that leave the co-processor compressed, and are the activations of the next product."""

from functools import cache

import numpy as np
import pytest
from systems import bits

from gemmsmith.emit import BuildConfig, ConfigError, emit_build
from gemmsmith.schemes import Anda, Fp16, parse
from gemmsmith_sim.backends.memory import MemoryTiming
from gemmsmith_sim.backends.pysim import PySimBackend
from gemmsmith_sim.backends.verilator import VerilatorBackend
from gemmsmith_sim.driver import Driver, DriverError, Placed
from gemmsmith_sim.driver.compressed import CompressedLayout
from gemmsmith_sim.golden import for_scheme

MEMORY = 1 << 19
ANDA = ("anda-m6", (("out", "fp16"), ("rows", "2"), ("cols", "4"), ("axi_data_width", "64"), ("buffer_k", "64"),
                    ("m_max", "8"), ("compress", "8"), ("axi_addr_width", "40")))
FP16 = ("fp16", (("out", "fp16"), ("rows", "3"), ("cols", "2"), ("axi_data_width", "128"), ("buffer_k", "16"),
                 ("compress", "16")))
SCHEME = Anda(m=6, out="fp16")
SIZES = [(1, 1, 1), (3, 64, 10), (2, 65, 70), (5, 130, 64), (1, 64 * 13 + 3, 3), (2, 64 * 26, 1)]


@cache
def config_of(build):
    scheme, choices = build
    return BuildConfig.resolve(scheme, dict(choices))


@cache
def verilog_of(build):
    return emit_build(config_of(build)).verilog


def verilator(build=ANDA, timing=None, **arguments):
    config = config_of(build)
    backend = VerilatorBackend(verilog_of(build), top=config.name, memory_bytes=MEMORY, timing=timing)
    return Driver(backend, config.coprocessor(), **arguments)


def operands(rng, scheme, m, n, k, *, scale=1.0):
    golden = for_scheme(scheme)
    a = rng.normal(size=(m, k)) * np.exp2(rng.integers(-6, 7, (m, 1))) * scale
    return (golden.encode_activations(a.astype(np.float32)),
            golden.encode_weights((rng.normal(size=(n, k)) * np.exp2(rng.integers(-4, 3, (n, 1)))).astype(np.float32)))


def check_compressed(driver, rng, scheme, size, to) -> Placed:
    """Runs one product, compares its compressed outputs with golden's, and the bytes that were counted."""
    a, w = operands(rng, scheme, *size)
    before = driver.total
    placed = driver.matmul_compressed(a, w, to=to)
    want = for_scheme(to).encode_activations(for_scheme(scheme).matmul(a, w))
    for name, array in want.arrays.items():
        np.testing.assert_array_equal(placed.encoded.arrays[name], array, err_msg=name)
    layout = CompressedLayout(*size[:2], to.m)
    assert driver.total.bytes_written - before.bytes_written == layout.bytes_written > 0
    return placed


@pytest.mark.parametrize("build", [ANDA, pytest.param(FP16, marks=pytest.mark.slow)], ids=["anda", "fp16"])
@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_outputs_equal_golden(build, stall):
    rng = np.random.default_rng(31)
    scheme = parse(build[0], out="fp16")
    driver = verilator(build, MemoryTiming(stall=stall, read_latency=9))
    for i, size in enumerate(SIZES * 2):
        to = SCHEME.replace(m=(8, 1, 5, 3, 7, 2)[i % 6], round=("trunc", "nearest")[i // 2 % 2])
        check_compressed(driver, rng, scheme, size, to)
        a, w = operands(rng, scheme, *size)  # the same device still writes FP16
        np.testing.assert_array_equal(bits(driver.matmul(a, w)), bits(for_scheme(scheme).matmul(a, w)))
        driver._free = 0


@pytest.mark.parametrize(("build", "size"), [(ANDA, (1, 66, 2)), (FP16, (2, 3, 2))], ids=["anda", "fp16"])
def test_pysim(build, size):
    config = config_of(build)
    with PySimBackend(config.coprocessor(), memory_bytes=1 << 16, timing=MemoryTiming(stall=0.2)) as backend:
        check_compressed(Driver(backend, config.coprocessor()), np.random.default_rng(32),
                         parse(build[0], out="fp16"), size, SCHEME.replace(m=7))


def test_a_chain_of_products():
    """The second product reads what the first one wrote."""
    rng = np.random.default_rng(33)
    driver = verilator(timing=MemoryTiming(stall=0.1))
    for m, n, to in ((3, 130, SCHEME.replace(m=4)), (4, 64, SCHEME.replace(m=8, round="nearest"))):
        placed = check_compressed(driver, rng, SCHEME, (m, n, 70), to)
        w = for_scheme(to).encode_weights(rng.normal(size=(9, n)).astype(np.float32))
        expected = for_scheme(to).matmul(placed.encoded, w)
        assert np.isfinite(expected).all()
        np.testing.assert_array_equal(bits(driver.matmul(placed, w)), bits(expected))


def test_a_device_that_reads_planes_otherwise_refuses_them():
    """With two planes a cycle they lie in another order; the product would be wrong."""
    rng = np.random.default_rng(39)
    driver = verilator()
    placed = driver.matmul_compressed(*operands(rng, SCHEME, 2, 64, 64), to=SCHEME)
    config = BuildConfig.resolve("anda-m6", {"out": "fp16", "rows": "1", "cols": "1", "planes": "2"})
    with PySimBackend(config.coprocessor(), memory_bytes=1 << 14) as backend, \
            pytest.raises(DriverError, match="anda-m6 activations do not lie in memory as the co-processor reads them"):
        Driver(backend, config.coprocessor()).matmul(placed, operands(rng, SCHEME, 1, 3, 64)[1])


def test_nothing_around_the_outputs_is_touched():
    rng = np.random.default_rng(34)
    driver = verilator()
    memory = driver.transport.memory
    memory[:] = 0xA5
    m, n, to = 3, 70, SCHEME.replace(m=3)
    placed = driver.matmul_compressed(*operands(rng, SCHEME, m, n, 5), to=to)
    (planes, stride), (exponents, exponent_stride) = placed.where["a_plane"], placed.where["a_exponent"]
    used, groups = 2 * 4 * 8, 2
    assert (stride, exponent_stride) == (used, 8)
    assert (memory[planes + m * used:exponents] == 0xA5).all()
    words = memory[exponents:exponents + m * 8].view("<u8")
    np.testing.assert_array_equal(words, (placed.encoded.arrays["exponents"].astype(np.uint64)
                                          << (5 * np.arange(groups, dtype=np.uint64))).sum(axis=1))
    end = exponents + m * 8
    assert (memory[end:-(-end // 64) * 64] == 0xA5).all()


def test_what_is_not_finite_saturates_and_is_reported():
    rng = np.random.default_rng(35)
    driver = verilator()
    w = for_scheme(SCHEME).encode_weights(np.full((70, 64), 300, np.float32))
    big = for_scheme(SCHEME).encode_activations(np.full((2, 64), 300, np.float32))
    assert np.isinf(for_scheme(SCHEME).matmul(big, w)).all()
    placed = driver.matmul_compressed(big, w, to=SCHEME)
    assert driver.saturated
    assert (placed.encoded.arrays["codes"] == 63).all()
    assert (placed.encoded.arrays["exponents"] == 30).all()
    check_compressed(driver, rng, SCHEME, (2, 70, 64), SCHEME)
    assert not driver.saturated
    driver.matmul(big, w)
    assert not driver.saturated, "infinities that are written as FP16 are no operands"


def test_compressing_costs_the_array_nothing():
    """Whole groups, one output a cycle: only the last panel is still to be written when the array is done."""
    rng = np.random.default_rng(36)
    driver = verilator()
    a, w = operands(rng, SCHEME, 4, 512, 64)
    driver.matmul(a, w)
    plain = driver.total.cycles
    driver.matmul_compressed(a, w, to=SCHEME.replace(m=8))
    assert driver.total.cycles - plain < plain + 3 * 64 + 60


@pytest.mark.parametrize("after", [5, 300, 700, 1100])
def test_after_an_abort_the_next_job_works(after):
    rng = np.random.default_rng(after)
    driver = verilator(timing=MemoryTiming(stall=0.2))
    a, w = operands(rng, SCHEME, 4, 150, 64)
    write = driver._write

    def abort(name, value):
        write(name, value)
        if name == "control":
            driver.transport.run(after)
            write("control", 2)

    driver._write = abort
    with pytest.raises(DriverError, match="aborted"):
        driver.matmul_compressed(a, w, to=SCHEME)
    driver._write = write
    check_compressed(driver, rng, SCHEME, (3, 70, 64), SCHEME.replace(m=5))


@pytest.mark.parametrize("change", [{"o_format": 9}, {"o_address": 4}, {"o_stride": 20}, {"o_exponent_address": 0x104},
                                    {"o_exponent_stride": 2}])
def test_a_descriptor_that_cannot_be_is_refused(change):
    rng = np.random.default_rng(37)
    driver = verilator()
    write = driver._write
    driver._write = lambda name, value: write(name, change.get(name, value))
    with pytest.raises(DriverError, match="bad_descriptor"):
        driver.matmul_compressed(*operands(rng, SCHEME, 2, 4, 4), to=SCHEME)
    driver._write = write
    check_compressed(driver, rng, SCHEME, (2, 4, 4), SCHEME)


@pytest.mark.parametrize(("choices", "message"), [
    ({"compress": "8"}, "outputs must be fp16 to be compressed, not fp32"),
    ({"compress": "17", "out": "fp16"}, "compress must be 0 or a mantissa length from 1 to 16, not 17"),
    ({"compress": "8", "out": "fp16", "cols": "3"}, "cols must divide 64 to compress outputs, not 3"),
    ({"compress": "8", "out": "fp16", "axi_data_width": "32"}, "axi_data_width must be at least 64 to compress"),
])
def test_builds_that_cannot_compress_are_refused(choices, message):
    with pytest.raises(ConfigError, match=message):
        BuildConfig.resolve("fp16", choices)


def test_a_driver_says_what_the_device_cannot_do():
    rng = np.random.default_rng(38)
    with pytest.raises(DriverError, match="compresses outputs to 8 mantissa bits at most"):
        verilator().matmul_compressed(*operands(rng, SCHEME, 1, 1, 1), to=SCHEME.replace(m=9))
    plain = Fp16(out="fp16")
    config = BuildConfig.resolve("fp16", {"out": "fp16", "rows": "1", "cols": "1"})
    with PySimBackend(config.coprocessor(), memory_bytes=4096) as backend, \
            pytest.raises(DriverError, match="compresses outputs to no mantissa bits"):
        Driver(backend, config.coprocessor()).matmul_compressed(*operands(rng, plain, 1, 1, 1), to=SCHEME)
