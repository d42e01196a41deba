"""The life of a job: back to back, interrupted or polled, refused, stopped by errors, aborted, reset in the
middle."""

import numpy as np
import pytest

from gemmsmith.coprocessor import Coprocessor
from gemmsmith_sim.backends.memory import ErrorRange, MemoryTiming, Response
from gemmsmith_sim.backends.pysim import PySimBackend
from gemmsmith_sim.driver import Driver, DriverError
from toys.codebook import Codebook, CodebookElement
from toys.memory import codebook_job

BUS = 8
MEMORY = 1 << 16


def device(**arguments):
    defaults = {"rows": 2, "cols": 4, "share": 2, "axi_data_width": 8 * BUS, "buffer_k": 16}
    return Coprocessor(CodebookElement(scheme=Codebook()), **{**defaults, **arguments})


def place(driver, operands, groups):
    plan = driver.device.plan
    return {o.name: driver.place_bytes(o, operands[o.name], plan.stride(o, groups=groups, mode=0))
            for o in driver.device.pe.operands}


def run(driver, rng, m, n, k):
    operands, groups, expected = codebook_job(rng, m, n, k)
    where = place(driver, operands, groups)
    np.testing.assert_array_equal(driver.run(where, m=m, n=n, groups=groups, mode=0), expected)


def test_outputs_touch_nothing_around_them():
    rng = np.random.default_rng(3)
    unit = device()
    with PySimBackend(unit, memory_bytes=MEMORY) as backend:
        driver = Driver(backend, unit)
        operands, groups, expected = codebook_job(rng, 3, 5, 9)
        where = place(driver, operands, groups)
        base = driver._free
        backend.memory[base:] = 0xA5
        driver._free = base + 68  # not aligned to the bus
        driver._allocate = lambda size: driver._free
        driver.run(where, m=3, n=5, groups=groups, mode=0)
        written = backend.memory[base:].copy()
        assert (written[:68] == 0xA5).all()
        assert (written[68 + 60:] == 0xA5).all()
        np.testing.assert_array_equal(written[68:128].view(np.uint32).reshape(3, 5), expected)


def test_done_comes_after_the_last_output():
    """Slow writes: when the interrupt comes, memory already holds everything."""
    rng = np.random.default_rng(9)
    unit = device()
    with PySimBackend(unit, memory_bytes=MEMORY, timing=MemoryTiming(stall={"aw": 0.95, "w": 0.9})) as backend:
        driver = Driver(backend, unit)
        operands, groups, expected = codebook_job(rng, 3, 3, 5)
        driver.describe(place(driver, operands, groups), o=(0x8000, 12), m=3, n=3, groups=groups, mode=0)
        driver.start()
        backend.wait_interrupt(5_000)
        np.testing.assert_array_equal(backend.memory[0x8000:0x8000 + 36].view(np.uint32).reshape(3, 3), expected)


def test_completion_can_be_polled():
    rng = np.random.default_rng(4)
    unit = device()
    with PySimBackend(unit, memory_bytes=MEMORY) as backend:
        driver = Driver(backend, unit, poll=True)
        for size in ((1, 1, 1), (4, 8, 5)):
            run(driver, rng, *size)
        assert driver.total.cycles > 0


@pytest.mark.parametrize(("array", "response", "event"), [
    ("a_code", Response.SLVERR, "read_slverr"), ("w_index", Response.DECERR, "read_decerr"),
    ("o", Response.SLVERR, "write_slverr"), ("o", Response.DECERR, "write_decerr"),
])
def test_a_bus_error_stops_the_job_and_the_next_one_works(array, response, event):
    rng = np.random.default_rng(5)
    unit = device()
    operands, groups, _ = codebook_job(rng, 6, 9, 40)
    start = 0x4000
    timing = MemoryTiming(stall=0.2, read_latency=5, error_at=(ErrorRange(start=start, stop=start + 64,
                                                                          response=response),))
    with PySimBackend(unit, memory_bytes=MEMORY, timing=timing) as backend:
        driver = Driver(backend, unit)
        where = place(driver, operands, groups)
        if array == "o":
            driver._free = start
        else:
            where[array] = (start, where[array][1])
        with pytest.raises(DriverError, match=event):
            driver.run(where, m=6, n=9, groups=groups, mode=0)
        assert driver._read("bytes_written") < 4 * 6 * 9, "the job must stop, not run to its end"
        assert driver._read("status") == 0
        driver._free = 0x8000
        for _ in range(2):
            run(driver, rng, 5, 6, 20)


@pytest.mark.parametrize("change", [
    {"m": 0}, {"n": 0}, {"groups": 0}, {"mode": 1}, {"a_code_address": 4}, {"w_table_stride": 12}, {"o_address": 2},
    {"o_stride": 6},
])
def test_a_descriptor_that_cannot_be_is_refused(change):
    rng = np.random.default_rng(6)
    unit = device()
    with PySimBackend(unit, memory_bytes=MEMORY) as backend:
        driver = Driver(backend, unit)
        operands, groups, _ = codebook_job(rng, 2, 4, 4)
        where = place(driver, operands, groups)
        original = driver._write
        driver._write = lambda name, value: original(name, change.get(name, value))
        with pytest.raises(DriverError, match="bad_descriptor"):
            driver.run(where, m=2, n=4, groups=groups, mode=0)
        assert driver.outputs == 0
        driver._write = original
        run(driver, rng, 2, 4, 4)


def start_long_job(driver, rng):
    operands, groups, _ = codebook_job(rng, 8, 16, 64)
    where = place(driver, operands, groups)
    driver.describe(where, o=(0xC000, 64), m=8, n=16, groups=groups, mode=0)
    driver.start()


@pytest.mark.parametrize("after", [1, 7, 60, 300])
def test_the_host_can_abort(after):
    rng = np.random.default_rng(after)
    unit = device()
    with PySimBackend(unit, memory_bytes=MEMORY, timing=MemoryTiming(stall=0.2, read_latency=4)) as backend:
        driver = Driver(backend, unit)
        start_long_job(driver, rng)
        backend.run(after)
        driver.abort()
        with pytest.raises(DriverError, match="aborted"):
            driver.finish(max_cycles=5_000)
        run(driver, rng, 3, 5, 17)


@pytest.mark.parametrize("after", [2, 45, 200])
def test_reset_in_the_middle_of_a_job(after):
    rng = np.random.default_rng(after)
    unit = device()
    with PySimBackend(unit, memory_bytes=MEMORY, timing=MemoryTiming(stall=0.2)) as backend:
        driver = Driver(backend, unit)
        start_long_job(driver, rng)
        backend.run(after)
        backend.reset()
        run(driver, rng, 3, 5, 17)


def test_loading_hides_behind_computing():
    """A square array with enough reuse is busy nearly all the time once the first operands are there."""
    rng = np.random.default_rng(8)
    unit = device(rows=4, cols=4, share=4, axi_data_width=128, buffer_k=64)
    with PySimBackend(unit, memory_bytes=MEMORY, timing=MemoryTiming(read_latency=10)) as backend:
        driver = Driver(backend, unit)
        run(driver, rng, 8, 12, 256)
        assert driver.total.beats == 2 * 3 * 256
        assert driver.total.beats / driver.total.cycles > 0.9


def test_a_driver_refuses_another_device():
    with PySimBackend(device(), memory_bytes=MEMORY) as backend, \
            pytest.raises(DriverError, match="geometry of the co-processor is"):
        Driver(backend, device(rows=4))
