"""What synthesis makes of the processing elements still equals golden: the bench of a build, run on the mapped
netlist."""

import pytest
from bench_run import BenchDirectory, require

from gemmsmith_sim.measure import cell_models, netlist_verilog, synthesize

ELEMENTS = {
    "int8": {"lanes": "2"},
    "anda-m4": {"m_max": "4"},
    "fp16": {},
    "figna-m8": {"lanes": "2"},
    "w4a16": {"lanes": "2", "group": "32"},
}


@pytest.mark.parametrize("target", ["ecp5", pytest.param("ice40", marks=pytest.mark.slow)])
@pytest.mark.parametrize("scheme", [*ELEMENTS, pytest.param("ifpu", marks=pytest.mark.slow)])
def test_mapped_netlist_equals_golden(scheme, target, tmp_path):
    require("verilator")
    bench = BenchDirectory(tmp_path, scheme, level="pe", name="unit", **ELEMENTS.get(scheme, {}))
    result = synthesize([bench.rtl], bench.name, target, dsp=False)
    assert result.luts > 300
    assert result.ffs > 100
    bench.rtl.write_text("".join(path.read_text() for path in netlist_verilog(result)))
    run = bench.run("verilator")
    assert run.succeeded, run.log[-2000:]
    assert "PASS" in run.log


VARIANTS = [
    pytest.param("figna-m8", {"lanes": "4"}, marks=pytest.mark.slow),
    pytest.param("ifpu", {"m": "2", "stages": "3"}, marks=pytest.mark.slow),
    ("anda-m4", {"m_max": "4", "stages": "3"}),
    pytest.param("fp16", {}, marks=pytest.mark.slow),
    pytest.param("fp16-dot4", {}, marks=pytest.mark.slow),
    pytest.param("fp16-int4", {"weight_group": "64"}, marks=pytest.mark.slow),
    pytest.param("anda-m5", {"m_max": "6", "stages": "3", "planes": "2"}, marks=pytest.mark.slow),
    pytest.param("dequant-fp16", {"group": "32"}, marks=pytest.mark.slow),
    pytest.param("fp4-a16", {"lanes": "4", "group": "32", "guard": "8"}, marks=pytest.mark.slow),
    pytest.param("w4a16", {"lanes": "4", "group": "32", "guard": "exact"}, marks=pytest.mark.slow),
    pytest.param("int8", {"lanes": "1"}, marks=pytest.mark.slow),
    pytest.param("int8", {"lanes": "4"}, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("scheme", "options"), VARIANTS)
@pytest.mark.parametrize("mapped", [False, True])
def test_leaves_of_a_technology_equal_golden(scheme, options, mapped, tmp_path):
    """As written, with the models of the technology's cells, and after synthesis."""
    require("verilator")
    bench = BenchDirectory(tmp_path, scheme, level="pe", name="unit", target="ecp5", **options)
    text = bench.rtl.read_text()
    assert text.count("CCU2C") > 20
    if mapped:
        result = synthesize([bench.rtl], bench.name, "ecp5", dsp=False)
        bench.rtl.write_text("".join(path.read_text() for path in netlist_verilog(result)))
    else:
        bench.rtl.write_text(text + cell_models("ecp5", ["CCU2C"]))
    run = bench.run("verilator")
    assert run.succeeded, run.log[-2000:]
    assert "PASS" in run.log


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "options"), [
    ("figna-m11", {"lanes": "8", "pipelined": "0"}), ("ifpu", {"m": "4", "stages": "0"})])
def test_trees_of_full_adders_equal_golden(scheme, options, tmp_path):
    require("verilator")
    bench = BenchDirectory(tmp_path, scheme, level="pe", name="unit", target="asic", **options)
    assert bench.rtl.read_text().count("unit_mirror_adder") > 200
    run = bench.run("verilator")
    assert run.succeeded, run.log[-2000:]
    assert "PASS" in run.log
