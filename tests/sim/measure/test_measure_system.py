"""The system model against simulation of the RTL, against itself without shortcuts, and against sums by hand."""

import functools
import os
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from gemmsmith.coprocessor import Coprocessor
from gemmsmith.emit import BuildConfig, emit_build
from gemmsmith.schemes import parse
from gemmsmith_sim.backends.memory import ErrorRange, MemoryTiming
from gemmsmith_sim.backends.pysim import PySimBackend
from gemmsmith_sim.backends.verilator import VerilatorBackend
from gemmsmith_sim.driver import Driver
from gemmsmith_sim.golden import for_scheme
from gemmsmith_sim.llm import checkpoint
from gemmsmith_sim.measure.system import DRAM, Energies, Layer, cost, llama_layers, model_cost, sram_energy
from gemmsmith_sim.measure.system.job import Job
from gemmsmith_sim.measure.system.pipeline import _Pipeline, duration
from toys.codebook import Codebook, CodebookElement
from toys.memory import codebook_job, quire_job
from toys.quire import Quire, QuireElement

MEMORY_BYTES = 1 << 22
USERS_CACHE = os.environ.get("GEMMSMITH_CACHE")
BUILDS = {
    "fp16": {"rows": "2", "cols": "2", "axi_data_width": "64", "buffer_k": "32", "tail_share": "2"},
    "int8": {"rows": "2", "cols": "4", "axi_data_width": "128", "buffer_k": "64", "lanes": "4"},
    "anda-m6": {"rows": "2", "cols": "2", "axi_data_width": "128", "buffer_k": "64", "m_max": "8",
                "axi_addr_width": "40"},
}
"""Those of the tests of the whole system, so that nothing more need be compiled."""
LARGER = {
    "fp16": {"rows": "2", "cols": "4", "axi_data_width": "64", "buffer_k": "64"},
    "int8": {"rows": "2", "cols": "4", "axi_data_width": "128", "buffer_k": "128", "lanes": "8"},
    "anda-m6": {"rows": "2", "cols": "4", "axi_data_width": "128", "buffer_k": "256", "m_max": "6"},
}
WIDER = {
    "fp16": {"rows": "4", "cols": "3", "axi_data_width": "256", "buffer_k": "16", "max_burst": "4"},
    "int8": {"rows": "4", "cols": "4", "axi_data_width": "32", "buffer_k": "1024", "lanes": "16", "out": "fp16"},
    "anda-m6": {"rows": "4", "cols": "4", "axi_data_width": "512", "buffer_k": "64", "m_max": "16", "outstanding": "3"},
}
# M × N × K: single outputs, tails of every size, prefill, decode, one chunk and many, more rows than one run of bursts.
SHAPES = ((1, 1, 1), (3, 3, 70), (1, 64, 512), (17, 19, 130), (32, 33, 257), (5, 100, 1), (64, 8, 64), (9, 10, 2049),
          (1, 37, 1500), (40, 40, 300), (1, 3, 8500))
FEW = ((1, 1, 1), (17, 19, 130), (1, 37, 700), (40, 8, 300))
TIMINGS = (MemoryTiming(), MemoryTiming(read_latency=47, write_latency=90, outstanding=4))
CLOSE = 0.01


@pytest.fixture(autouse=True, scope="module")
def compiled_once(cache):
    """Simulators are kept with those of all other tests; only measurements need a cache of their own."""
    with pytest.MonkeyPatch.context() as patch:
        if USERS_CACHE is None:
            patch.delenv("GEMMSMITH_CACHE")
        else:
            patch.setenv("GEMMSMITH_CACHE", USERS_CACHE)
        yield


@functools.cache
def built(scheme, **choices):
    config = BuildConfig.resolve(scheme, choices)
    return config, emit_build(config).verilog


def random_operands(scheme, m, n, k):
    rng = np.random.default_rng((m, n, k))
    golden = for_scheme(scheme)
    return golden.encode_activations(rng.normal(size=(m, k))), golden.encode_weights(rng.normal(size=(n, k)))


def counted(config, verilog, shapes, timing, scheme=None):
    """What the hardware's counters say of products of random operands, one job after the other."""
    with VerilatorBackend(verilog, top=config.name, memory_bytes=MEMORY_BYTES, timing=timing) as backend:
        for shape in shapes:
            driver = Driver(backend, config.coprocessor())
            driver.matmul(*random_operands(scheme or config.parsed_scheme(), *shape))
            yield driver.total


def check(config, verilog, shapes, timing):
    """Counters within the promise (cycles) or exact (beats, bytes); returns the largest deviation of cycles."""
    deviations = []
    for (m, n, k), due in zip(shapes, counted(config, verilog, shapes, timing), strict=True):
        found = cost(config, m=m, n=n, k=k, memory=timing)
        deviations.append(abs(found.cycles / due.cycles - 1))
        assert deviations[-1] <= CLOSE, f"{m} x {n} x {k}: {found.cycles} cycles, counted {due.cycles}"
        assert (found.beats, found.bytes_read, found.bytes_written) == (due.beats, due.bytes_read, due.bytes_written)
    assert len(deviations) == len(shapes)
    return max(deviations)


@pytest.mark.parametrize("timing", TIMINGS, ids=["near", "far"])
@pytest.mark.parametrize("scheme", BUILDS)
def test_counters_are_those_of_the_rtl(scheme, timing):
    """The promise is one per cent; the model leaves nothing out, so without random stalls it is met exactly."""
    assert check(*built(scheme, **BUILDS[scheme]), FEW, timing) == 0


@pytest.mark.slow
@pytest.mark.parametrize("timing", [*TIMINGS, MemoryTiming(read_latency=100, write_latency=300, outstanding=1)],
                         ids=["near", "far", "one"])
@pytest.mark.parametrize("builds", [LARGER, WIDER], ids=["larger", "wider"])
@pytest.mark.parametrize("scheme", BUILDS)
def test_shapes_on_two_arrays_and_buses(scheme, builds, timing):
    assert check(*built(scheme, **builds[scheme]), SHAPES, timing) == 0


@pytest.mark.parametrize("m", [1, 2, 3, 8])
def test_every_mode_of_a_build(m):
    """Groups of M < 3 wait for the tail. The build's own scheme is another: the mode is chosen at run time."""
    config, verilog = built("anda-m6", **BUILDS["anda-m6"])
    scheme = parse(f"anda-m{m}")
    for (rows, columns, k), due in zip(FEW, counted(config, verilog, FEW, TIMINGS[0], scheme), strict=True):
        found = cost(config, m=rows, n=columns, k=k, mode=m)
        assert (found.cycles, found.stalls, found.bytes_read) == (due.cycles, due.stalls, due.bytes_read)


class Toy(SimpleNamespace):
    """As much of a build's configuration as the model looks at; toys are in no list of schemes."""

    level, axi_data_width, max_burst, outstanding, tail_share = "coprocessor", 64, 16, 8, 2
    rows, cols, buffer_k = 2, 4, 16

    def element(self):
        return self.pe

    def coprocessor(self):
        return Coprocessor(self.pe, rows=self.rows, cols=self.cols, share=self.tail_share,
                           axi_data_width=self.axi_data_width, buffer_k=self.buffer_k)


@pytest.mark.parametrize(("pe", "job", "shape"), [
    (CodebookElement(scheme=Codebook()), codebook_job, (3, 9, 40)),
    (CodebookElement(scheme=Codebook()), codebook_job, (4, 5, 1)),
    (QuireElement(scheme=Quire()), quire_job, (3, 6, 5)),
])
def test_families_that_warm_up_or_read_out_in_words(pe, job, shape):
    """The model knows no processing element by name."""
    config = Toy(pe=pe)
    unit = config.coprocessor()
    m, n, size = shape
    with PySimBackend(unit, memory_bytes=1 << 16, timing=MemoryTiming(read_latency=9)) as backend:
        driver = Driver(backend, unit)
        operands, groups, _ = job(np.random.default_rng(2), m, n, size)
        where = {}
        for o in (*pe.operands[1:], pe.operands[0]):  # as the model places them: weights first
            where[o.name] = driver.place_bytes(o, operands[o.name], unit.plan.stride(o, groups=groups, mode=0))
        driver.run(where, m=m, n=n, groups=groups, mode=0)
    found = duration(Job(config, m, n, groups * pe.group, 0), MemoryTiming(read_latency=9))
    assert (found.cycles, found.stalls) == (driver.total.cycles, driver.total.stalls)


@pytest.mark.parametrize("scheme", BUILDS)
def test_leaving_out_periods_changes_nothing(scheme, monkeypatch):
    """Sizes with many blocks and unfavourable addresses, with every block simulated and without."""
    config = BuildConfig.resolve(scheme, BUILDS[scheme])
    mode = config.element().mode
    jobs = [Job(config, *shape, mode) for shape in ((37, 150, 65), (8, 301, 200), (130, 12, 33), (96, 96, 64))]
    short = [duration(job, timing) for job in jobs for timing in TIMINGS]
    simulated = []

    def every_block(self, count, period, step):
        simulated.extend(step(i) for i in range(count))

    monkeypatch.setattr(_Pipeline, "_repeat", every_block)
    assert short == [duration(job, timing) for job in jobs for timing in TIMINGS]
    assert len(simulated) > 8 * 300


def test_a_large_layer_takes_no_time():
    """A layer of a model of seven billion weights: 2.8 million blocks, next to none of which are simulated."""
    config = BuildConfig.resolve("anda-m6", {"rows": "4", "cols": "4"})
    pipeline = _Pipeline(Job(config, 2048, 11008, 4096, 6), MemoryTiming(read_latency=60))
    blocks, block = [], pipeline._block
    pipeline._block = lambda row, column: (blocks.append(row), block(row, column))
    found = pipeline.run()
    assert len(blocks) < 500
    assert found.cycles > 2048 * 11008 * 4096 / (16 * 64 / 7), "no faster than the array"


def test_what_limits_a_product():
    """Memory far away makes reading slower, a wider bus faster; a peak is never passed."""
    sizes = {"m": 64, "n": 64, "k": 1024}
    narrow = BuildConfig.resolve("fp16", {"rows": "8", "cols": "8", "axi_data_width": "32"})
    wide = BuildConfig.resolve("fp16", {"rows": "8", "cols": "8", "axi_data_width": "512"})
    bus, array = cost(narrow, **sizes), cost(wide, **sizes)
    assert bus.cycles > bus.bytes_read / 4, "a bus word a cycle"
    assert bus.cycles == pytest.approx(bus.bytes_read / 4, rel=0.15)
    assert array.cycles == pytest.approx(array.beats, rel=0.15)
    assert 0.85 < array.utilisation < 1
    assert cost(narrow, **sizes, memory=MemoryTiming(read_latency=200)).cycles > bus.cycles


def test_traffic_by_hand():
    """Anda, M = 6, on a 2 × 4 array: 3 rows of A, which stay for both blocks of columns; 5 of W for both of rows."""
    config = BuildConfig.resolve("anda-m6", LARGER["anda-m6"])
    found = cost(config, m=3, n=5, k=128)
    a, w = 2 * 7 * 8 + 16, 2 * 32 + 16  # planes and exponents, codes and scales, in whole bus words of 16 bytes
    assert found.bytes_read == 3 * a + 2 * 5 * w
    assert found.bytes_written == 3 * 5 * 4
    assert found.ideal_bytes_read == (3 * 128 * (6 + 1 + 5 / 64) + 2 * 5 * 128 * (4 + 16 / 128)) / 8
    plane = found.buffers[0]
    assert (plane.operand, plane.memories, plane.words) == ("a_plane", 2, 4 * 14 * 2)
    assert plane.bits_written == 3 * 2 * 7 * 64
    assert plane.bits_read == 4 * 14 * 2 * 128, "a memory word of 128 bits for each plane of 64"
    assert found.worked == 4 * 14 * (8 * 64 / 7)
    assert found.utilisation == 3 * 5 * 128 / (8 * 64 / 7 * found.cycles)


@pytest.mark.parametrize("scheme", BUILDS)
def test_buffers_are_those_of_the_hardware(scheme):
    """Every memory of every buffer, as the Verilog declares it."""
    config, verilog = built(scheme, **BUILDS[scheme])
    buffers = cost(config, m=1, n=1, k=1).buffers
    for buffer in buffers:
        module = re.search(rf"^module \S+_buffer_{buffer.operand}\(.*?^endmodule", verilog, re.MULTILINE | re.DOTALL)
        memories = re.findall(r"reg \[(\d+):0\] bank\d+_(?:part|unit)\d+ \[(\d+):0\];", module[0])
        assert len(memories) == buffer.memories
        assert {(int(top) + 1) * (int(last) + 1) for top, last in memories} == {buffer.capacity}
        assert {int(top) + 1 for top, _ in memories} == {buffer.width}
    assert len(buffers) == len(config.element().operands)


def test_energy_by_hand():
    config = BuildConfig.resolve("int8", BUILDS["int8"])
    found = cost(config, m=2, n=4, k=64, energies=Energies(dram=DRAM["ddr3"], node=45, mac=500.0))
    assert found.dram == 70.0 * 8 * (found.bytes_read + found.bytes_written)
    assert found.array == pytest.approx(2 * 4 * 64 * 0.5)
    assert found.sram == pytest.approx(sum(0.05 * (b.bits_read + b.bits_written) for b in found.buffers)), "below 2 KiB"
    assert found.energy == found.dram + found.sram + found.array
    assert cost(config, m=2, n=4, k=64).energy is None, "the array's energy is not known"


def test_sram_between_the_points():
    kib = 8 * 1024
    assert [sram_energy(c * kib, 22) for c in (2, 8, 512)] == [0.014, 0.034, 0.22]
    assert sram_energy(4 * kib, 45) == pytest.approx((0.05 + 0.12) / 2)
    assert (sram_energy(1, 45), sram_energy(10**9, 22)) == (0.05, 0.22)


def test_costs_add_up():
    config = BuildConfig.resolve("int8", BUILDS["int8"])
    one, other = cost(config, m=1, n=8, k=64), cost(config, m=4, n=4, k=32)
    both = one + other
    assert both.cycles == one.cycles + other.cycles
    assert both.buffers[0].words == one.buffers[0].words + other.buffers[0].words
    assert both.utilisation == pytest.approx((8 * 64 + 16 * 32) / (both.peak * both.cycles))
    assert one.repeated(3) == one + one + one
    assert both.to_dict(100)["seconds"] == both.cycles / 1e8
    assert both.to_dict()["energy_pj"]["total"] is None
    with pytest.raises(ValueError, match="one array in one mode"):
        one + replace(one, peak=1.0)


def test_layers_of_a_model():
    """The shipped model: as many weights as its blocks hold, each multiplied once a token."""
    loaded = checkpoint.load()
    weights = sum(w.size for layer in loaded.layers for w in layer.linear.values())
    config = BuildConfig.resolve("fp16", BUILDS["fp16"])
    writing = model_cost(config, llama_layers(loaded.config, tokens=1))
    reading = model_cost(config, llama_layers(loaded.config, tokens=8))
    assert sum(c.macs for c in writing.values()) == weights
    assert sum(c.macs for c in reading.values()) == 8 * weights
    assert writing["q"] == cost(config, m=1, n=128, k=128).repeated(4)
    assert sum(c.cycles for c in reading.values()) < 8 * sum(c.cycles for c in writing.values()), "weights are shared"


@pytest.mark.parametrize(("arguments", "message"), [
    ({"m": 0}, "m must be at least 1, not 0"), ({"mode": 9}, r"mode must be 1\.\.8, not 9"),
    ({"memory": MemoryTiming(stall=0.1)}, "memory must neither stall at random"),
    ({"memory": MemoryTiming(error_at=(ErrorRange(start=0, stop=1),))}, "nor answer with errors"),
])
def test_what_the_model_cannot_tell_is_refused(arguments, message):
    config = BuildConfig.resolve("anda-m6", BUILDS["anda-m6"])
    with pytest.raises(ValueError, match=message):
        cost(config, **{"m": 1, "n": 1, "k": 1, **arguments})


def test_other_refusals():
    config = BuildConfig.resolve("fp16", {"level": "tile"})
    with pytest.raises(ValueError, match="level must be coprocessor, not 'tile'"):
        cost(config, m=1, n=1, k=1)
    with pytest.raises(ValueError, match="node must be one of 45, 22 nm, not 7"):
        Energies(node=7)
    with pytest.raises(ValueError, match="dram must be at least 0"):
        Energies(dram=-1.0)
    with pytest.raises(ValueError, match="'q' twice"):
        model_cost(BuildConfig.resolve("fp16"), [Layer(name="q", m=1, n=1, k=1)] * 2)
    with pytest.raises(ValueError, match="tokens must be at least 1"):
        llama_layers(checkpoint.load().config, tokens=0)
