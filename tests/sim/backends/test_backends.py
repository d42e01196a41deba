"""Every backend runs the same jobs; pysim and Verilator run them in the same cycles."""

from functools import cache

import numpy as np
import pytest
from copier import (
    BUSY,
    CLEAR,
    CONTROL,
    DONE,
    DST,
    ERROR,
    FAULT,
    GO,
    SRC,
    STATUS,
    WORDS,
    Copier,
    Fault,
    copier_verilog,
)

from gemmsmith_sim.backends.base import (
    REGISTER_CYCLES,
    RESET_CYCLES,
    ProtocolError,
    RegisterError,
    Rule,
    SimulationTimeout,
)
from gemmsmith_sim.backends.cocotb import CocotbBackend
from gemmsmith_sim.backends.memory import Channel, ErrorRange, MemoryTiming, Response
from gemmsmith_sim.backends.pysim import PySimBackend
from gemmsmith_sim.backends.verilator import VerilatorBackend

MEMORY = 64 * 1024
SLOW = MemoryTiming(read_latency=30, write_latency=7)
STALLING = MemoryTiming(stall=0.4, seed=3, read_latency=2, outstanding=1)

emit = cache(copier_verilog)


def open_pysim(timing=None, **parameters):
    return PySimBackend(Copier(**parameters), memory_bytes=MEMORY, timing=timing)


def open_verilator(timing=None, **parameters):
    return VerilatorBackend(emit(**parameters), top="copier", memory_bytes=MEMORY, timing=timing)


def open_cocotb(timing=None, **parameters):
    return CocotbBackend(emit(**parameters), top="copier", memory_bytes=MEMORY, timing=timing)


EXACT = {"pysim": open_pysim, "verilator": open_verilator}
"""The two backends with the same bus model."""

OPENERS = {**EXACT, "cocotb": open_cocotb}


@pytest.fixture(params=OPENERS)
def open_backend(request):
    return OPENERS[request.param]


@pytest.fixture(params=EXACT)
def open_exact(request):
    return EXACT[request.param]


def start(backend, src, dst, words):
    for offset, value in ((SRC, src), (DST, dst), (WORDS, words)):
        backend.write_register(offset, value)
    backend.write_register(CONTROL, GO | CLEAR)


def copy(backend, src, dst, words, *, word_bytes=16):
    """Copy random bytes, check that nothing else has changed, and return the cycles waited."""
    rng = np.random.default_rng([src, dst, words])
    backend.memory[:] = rng.integers(0, 256, MEMORY, np.uint8)
    expected = backend.memory.copy()
    expected[dst:dst + words * word_bytes] = expected[src:src + words * word_bytes]
    start(backend, src, dst, words)
    waited = backend.wait_interrupt(20_000)
    assert backend.read_register(STATUS) == DONE
    np.testing.assert_array_equal(backend.memory, expected)
    return waited


@pytest.mark.parametrize("timing", [MemoryTiming(), SLOW, STALLING], ids=["ideal", "slow", "stalling"])
def test_copies(open_backend, timing):
    with open_backend(timing) as backend:
        copy(backend, 0x0FC0, 0x2FE0, 40)   # both ends cross a 4 KiB boundary, at different beats
        copy(backend, 0x0000, 0xFFF0, 1)    # the last word of the memory
        assert backend.read_register(DST) == 0xFFF0
        assert not backend.events


@pytest.mark.parametrize("data_bits", [
    32, pytest.param(64, marks=pytest.mark.slow), pytest.param(512, marks=pytest.mark.slow)])
def test_bus_widths(data_bits):
    waited = set()
    for opener in EXACT.values():
        with opener(SLOW, data_bits=data_bits) as backend:
            waited.add(copy(backend, 0x1000, 0x3000, 33, word_bytes=data_bits // 8))
    assert len(waited) == 1


def test_same_cycles():
    """The models in Python and in C++ stall alike: each count and each event is the same."""
    traces = {}
    for name, opener in EXACT.items():
        trace = traces[name] = []
        for seed in range(4):
            error = ErrorRange(start=0x2080, stop=0x2090)
            timing = MemoryTiming(stall=0.3, seed=seed, read_latency=5, error_at=(error,))
            with opener(timing) as backend:
                start(backend, 0x2000, 0x3000, 20)
                trace += [backend.wait_interrupt(5000), backend.cycles, backend.read_register(STATUS)]
                backend.reset()
                trace += [backend.cycles, *backend.events]
    assert traces["pysim"] == traces["verilator"]
    assert len(set(map(str, traces["pysim"]))) > 8


def test_latency_costs_cycles(open_exact):
    waited = {}
    for latency in (1, 21):
        with open_exact(MemoryTiming(read_latency=latency)) as backend:
            waited[latency] = copy(backend, 0x1000, 0x2000, 32)
    assert waited[21] == waited[1] + 2 * 20  # two bursts, each of them waited for


def test_ideal_memory_moves_a_beat_a_cycle(open_exact):
    """One burst of 16: go, plan, AR, 16 × R, AW, 16 × W, B, interrupt."""
    with open_exact() as backend:
        assert copy(backend, 0, 0x1000, 16) <= 16 + 16 + 8


@pytest.mark.parametrize(("place", "response"), [("source", Response.DECERR), ("destination", Response.SLVERR)])
def test_error_ranges(open_backend, place, response):
    base = {"source": 0x2000, "destination": 0x3000}[place]
    error = ErrorRange(start=base + 0x88, stop=base + 0x89, response=response)
    with open_backend(MemoryTiming(error_at=(error,))) as backend:
        backend.memory[:] = 7
        backend.memory[0x3000:0x4000] = 9
        start(backend, 0x2000, 0x3000, 20)
        backend.wait_interrupt(2000)
        assert backend.read_register(STATUS) == DONE | ERROR
        [event] = backend.events
        channel = {"source": Channel.R, "destination": Channel.B}[place]
        assert (event.rule, event.channel, event.address, event.response) == (
            Rule.ERROR_RESPONSE, channel, base + 0x80, response)
        hit = {"source": 0, "destination": 9}[place]
        np.testing.assert_array_equal(backend.memory[0x3000:0x3140:16], [7] * 8 + [hit] + [7] * 11)
        assert not backend.violations


def test_outside_of_the_memory(open_backend):
    with open_backend() as backend:
        start(backend, MEMORY, 0x1000, 1)
        backend.wait_interrupt(1000)
        assert backend.read_register(STATUS) == DONE | ERROR
        assert [(e.address, e.response) for e in backend.events] == [(MEMORY, Response.DECERR)]


def test_register_errors(open_backend):
    with open_backend() as backend:
        with pytest.raises(RegisterError, match="read of register 0x100 was answered SLVERR"):
            backend.read_register(0x100)
        with pytest.raises(RegisterError, match="write of register 0x10 was answered SLVERR"):
            backend.write_register(STATUS, 0)
        backend.write_register(SRC, 5)
        assert backend.read_register(SRC) == 5


def test_timeouts(open_backend):
    with open_backend() as backend:
        before = backend.cycles
        with pytest.raises(SimulationTimeout, match="no interrupt within 50 cycles"):
            backend.wait_interrupt(50)
        assert backend.cycles == before + 50
    with open_backend() as backend:
        backend.write_register(FAULT, Fault.NO_RESPONSE)
        with pytest.raises(SimulationTimeout, match="no answer to the write of register 0x0"):
            backend.write_register(SRC, 1)
        assert backend.cycles >= REGISTER_CYCLES


def test_reset_in_a_burst(open_backend):
    with open_backend(SLOW) as backend:
        assert backend.cycles == RESET_CYCLES
        start(backend, 0, 0x1000, 100)
        backend.run(40)
        assert backend.read_register(STATUS) == BUSY
        backend.reset()
        assert backend.read_register(STATUS) == 0
        copy(backend, 0x3000, 0x5000, 3)


BROKEN_RULES = {
    Fault.DROP_VALID: Rule.VALID_DROPPED,
    Fault.CHANGE_PAYLOAD: Rule.PAYLOAD_CHANGED,
    Fault.CROSS_4K: Rule.CROSSES_4K,
    Fault.WLAST: Rule.WLAST_MISPLACED,
    Fault.WRAP: Rule.BURST_TYPE,
    Fault.NARROW: Rule.STROBE_OUTSIDE_LANES,
    Fault.WIDE: Rule.SIZE_TOO_WIDE,
}


@pytest.mark.parametrize("fault", BROKEN_RULES, ids=lambda fault: fault.name.lower())
def test_broken_rules(fault):
    """Both models see the same: rule, cycle, channel and address."""
    events = []
    for opener in EXACT.values():
        with opener(MemoryTiming(stall={"ar": 0.5, "w": 0.5})) as backend:
            backend.write_register(FAULT, fault)
            start(backend, 0x0F80, 0x2000, 20)
            with pytest.raises(ProtocolError, match=BROKEN_RULES[fault].text):
                backend.wait_interrupt(2000)
            assert {event.rule for event in backend.violations} == {BROKEN_RULES[fault]}
            events.append(backend.events)
    assert events[0] == events[1]


def test_valid_in_reset(open_backend):
    with open_backend() as backend:
        backend.write_register(FAULT, Fault.IN_RESET)
        with pytest.raises(ProtocolError, match="VALID is high in reset"):
            backend.reset()


def test_response_before_the_request(open_exact):
    timing = MemoryTiming(stall={"registers": 0.9})
    with open_exact(timing) as backend:
        backend.write_register(FAULT, Fault.EARLY_RESPONSE)
        with pytest.raises(ProtocolError, match="response without a request"):  # noqa: PT012
            for _ in range(5):  # until the data comes later than the address
                backend.write_register(SRC, 0)


def test_refused_calls(open_backend):
    with open_backend() as backend:
        for offset in (-4, 2):
            with pytest.raises(ValueError, match="a register offset must be a multiple of 4"):
                backend.read_register(offset)
        with pytest.raises(ValueError, match="32 unsigned bits"):
            backend.write_register(SRC, -1)
        with pytest.raises(ValueError, match="max_cycles must be at least 1"):
            backend.wait_interrupt(0)
    with pytest.raises(RuntimeError, match="closed"):
        backend.run(1)
    backend.close()


@pytest.mark.parametrize("fault", [Fault.DROP_VALID, Fault.CHANGE_PAYLOAD, Fault.CROSS_4K, Fault.WLAST],
                         ids=lambda fault: fault.name.lower())
def test_cocotb_sees_broken_rules(fault):
    with open_cocotb(MemoryTiming(stall={"ar": 0.5, "w": 0.5})) as backend:
        backend.write_register(FAULT, fault)
        start(backend, 0x0F80, 0x2000, 20)
        said = "AssertionError" if fault is Fault.WLAST else BROKEN_RULES[fault].text
        with pytest.raises(ProtocolError, match=said):
            backend.wait_interrupt(2000)
