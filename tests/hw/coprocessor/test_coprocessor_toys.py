"""The co-processor tiles any M, N, K over AXI, for processing elements it has never heard of."""

import numpy as np
import pytest

from gemmsmith.coprocessor import Coprocessor
from gemmsmith_sim.backends.memory import MemoryTiming
from gemmsmith_sim.backends.pysim import PySimBackend
from gemmsmith_sim.driver import Driver
from toys.codebook import Codebook, CodebookElement
from toys.memory import codebook_job, quire_job
from toys.quire import Quire, QuireElement

TOYS = {"codebook": (CodebookElement, Codebook, codebook_job), "quire": (QuireElement, Quire, quire_job)}


def run_job(driver, job, m, n):
    operands, groups, expected = job
    pe, plan = driver.device.pe, driver.device.plan
    where = {o.name: driver.place_bytes(o, operands[o.name], plan.stride(o, groups=groups, mode=pe.mode))
             for o in pe.operands}
    np.testing.assert_array_equal(driver.run(where, m=m, n=n, groups=groups, mode=pe.mode), expected)


@pytest.mark.parametrize("stall", [0.0, 0.3])
@pytest.mark.parametrize("toy", TOYS)
def test_jobs_of_any_size(toy, stall):
    element, scheme, make = TOYS[toy]
    rng = np.random.default_rng(7)
    device = Coprocessor(element(scheme=scheme()), rows=2, cols=4, share=2, axi_data_width=64, buffer_k=16)
    with PySimBackend(device, memory_bytes=1 << 16, timing=MemoryTiming(stall=stall, read_latency=3)) as backend:
        driver = Driver(backend, device)
        for m, n, groups in [(1, 1, 1), (2, 4, 3), (3, 5, 40), (5, 9, 17)]:
            run_job(driver, make(rng, m, n, groups), m, n)
        assert driver.outputs == 1 + 8 + 15 + 45
        assert driver.total.bytes_written == 4 * driver.outputs
