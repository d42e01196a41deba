"""The co-processors under cocotb, with cocotbext-axi as host and memory: an AXI model that is not ours."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "sim" / "system"))

from systems import check_product, modes, operands, system

from gemmsmith_sim.backends.memory import ErrorRange, MemoryTiming, Response
from gemmsmith_sim.driver import Driver, DriverError

CHANNELS = ("ar", "r", "aw", "w", "b")
BUILDS = ("fp16", "int8", "anda-m6", "w4a8", "dequant-fp16", "bitfusion-a8w8")
"""Every kind of operand: per beat, group and block, of edges and tails, dense, descending, in several modes."""


@pytest.mark.parametrize("build", BUILDS)
def test_stalls_on_every_channel_unaligned_and_tail_sizes_back_to_back(build):
    """Jobs follow each other on one device; the outputs of the last one do not begin with a bus word."""
    rng = np.random.default_rng(21)
    for channel in (None, *CHANNELS):
        timing = MemoryTiming(stall={channel: 0.5} if channel else 0.25, seed=5, read_latency=3)
        with system("cocotb", build, timing) as driver:
            for i, size in enumerate([(1, 1, 1), (3, 5, 70), (2, 3, 33)]):
                check_product(driver, modes(build)[i % len(modes(build))], rng, size)
            check_product(driver, modes(build)[0], rng, (3, 3, 20), o_address=0xF0004)


@pytest.mark.parametrize("build", BUILDS)
def test_reset_in_the_middle_of_a_job(build):
    rng = np.random.default_rng(22)
    with system("cocotb", build, MemoryTiming(stall=0.2)) as driver:
        a, w = operands(modes(build)[0], rng, 6, 6, 200)
        driver.begin(a, w)
        driver.transport.run(150)
        driver.transport.reset()
        check_product(driver, modes(build)[0], rng, (3, 3, 70))


@pytest.mark.parametrize(("response", "written"), [
    (Response.SLVERR, False), (Response.DECERR, False), (Response.SLVERR, True), (Response.DECERR, True)])
@pytest.mark.parametrize("build", BUILDS)
def test_error_responses(build, response, written):
    rng = np.random.default_rng(23)
    a, w = operands(modes(build)[0], rng, 5, 6, 90)
    start = 0x80000
    timing = MemoryTiming(stall=0.2, error_at=(ErrorRange(start=start, stop=start + 64, response=response),))
    with system("cocotb", build, timing, base=0 if written else start) as driver:
        direction = "write" if written else "read"
        with pytest.raises(DriverError, match=f"{direction}_{response.name.lower()}"):
            driver.matmul(a, w, o_address=start if written else None)
        other = Driver(driver.transport, driver.device, base=start + 4096)
        check_product(other, modes(build)[0], rng, (2, 3, 40))
