"""The registers of a co-processor under cocotb, with cocotbext-axi as the host."""

import json

import pytest

from gemmsmith.coprocessor import Coprocessor
from gemmsmith.coprocessor.registers import constant_registers
from gemmsmith.emit.top import CoprocessorTop
from gemmsmith.emit.verilog import emit
from gemmsmith.pe import for_scheme
from gemmsmith.schemes import Int8
from gemmsmith_sim.backends.cocotb_build import run_tests

BENCH = "gemmsmith_sim.benches.registers"


@pytest.fixture(scope="module")
def device():
    return Coprocessor(for_scheme(Int8(), lanes=2), rows=1, cols=2, axi_data_width=32, buffer_k=64)


@pytest.fixture(scope="module")
def verilog(device):
    return emit(CoprocessorTop(device), name="small").verilog


@pytest.fixture
def description(device):
    constants = constant_registers(rows=device.rows, cols=device.cols, bus_width=device.plan.bus_width)
    return {**device.registers.to_dict(), "constants": constants}


def run_bench(verilog, directory, description):
    path = directory / "registers.json"
    path.write_text(json.dumps(description))
    return run_tests(verilog, "small", BENCH, directory, extra={"REGISTERS": str(path)})


def test_registers(verilog, tmp_path, description):
    assert len(run_bench(verilog, tmp_path, description)) == 8


@pytest.mark.parametrize(("change", "failing"), [
    ({"reset": 1}, "values_after_reset"),
    ({"width": 32}, "written_values_are_read"),
    (None, "holes_answer_with_an_error"),
])
def test_the_bench_notices_another_register(verilog, tmp_path, description, change, failing):
    register = next(r for r in description["registers"] if r["name"] == "groups")
    if change:
        register.update(change)
    else:
        description["registers"].remove(register)
    with pytest.raises(AssertionError, match=f"failed: .*{failing}"):
        run_bench(verilog, tmp_path, description)


def test_a_bench_without_tests_fails(verilog, tmp_path):
    with pytest.raises(AssertionError, match="ran no test"):
        run_tests(verilog, "small", "json", tmp_path)
