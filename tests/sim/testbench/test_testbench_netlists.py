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
    "w4a8": {"lanes": "2", "zero": "zp", "group": "32"},
    "w4a16": {"lanes": "2", "group": "32"},
    "ant": {"lanes": "2"},
}
SLOW = {"bitfusion-a8w8": {"units": "1"}, "ifpu": {}, "ternary-a8": {"lanes": "4", "group": "32"},
        "fp8-e4m3": {}, "posit8-fma": {}}


@pytest.mark.parametrize("target", ["ecp5", pytest.param("ice40", marks=pytest.mark.slow)])
@pytest.mark.parametrize("scheme", [*ELEMENTS, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_mapped_netlist_equals_golden(scheme, target, tmp_path):
    require("verilator")
    bench = BenchDirectory(tmp_path, scheme, level="pe", name="unit", **(ELEMENTS | SLOW)[scheme])
    result = synthesize([bench.rtl], bench.name, target, dsp=False)
    assert result.luts > 300
    assert result.ffs > 100
    bench.rtl.write_text("".join(path.read_text() for path in netlist_verilog(result)))
    run = bench.run("verilator")
    assert run.succeeded, run.log[-2000:]
    assert "PASS" in run.log


VARIANTS = [
    ("bitfusion-a4w4", {"units": "2"}),
    pytest.param("ant", {"lanes": "4"}, marks=pytest.mark.slow),
    pytest.param("ant-pot-pot", {"lanes": "2"}, marks=pytest.mark.slow),
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
    ("w4a8", {"lanes": "4", "group": "32"}),
    ("xrnpe-posit16", {}),
    pytest.param("xrnpe-posit8", {"out": "posit8", "sums": "4"}, marks=pytest.mark.slow),
    pytest.param("xrnpe-posit16", {"units": "4"}, marks=pytest.mark.slow),
    pytest.param("fp4", {"lanes": "4"}, marks=pytest.mark.slow),
    pytest.param("binary-a8", {"lanes": "8", "group": "32"}, marks=pytest.mark.slow),
    pytest.param("ternary-a8", {"lanes": "4", "group": "32"}, marks=pytest.mark.slow),
    pytest.param("fp4-a8", {"lanes": "4", "group": "32", "scale": "pow2"}, marks=pytest.mark.slow),
    pytest.param("w3a8", {"lanes": "4", "group": "64", "zero": "zp", "scale": "int8"}, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("scheme", "options"), VARIANTS)
@pytest.mark.parametrize("mapped", [False, True])
def test_leaves_of_ecp5_equal_golden(scheme, options, mapped, tmp_path):
    _equals_golden("ecp5", ("CCU2C",), scheme, options, mapped, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "options"), [
    ("anda-m4", {"m_max": "4"}), ("anda-m5", {"m_max": "6", "stages": "3", "planes": "2"}), ("ifpu", {"stages": "6"}),
    ("int8", {"lanes": "1"}), ("int8", {"lanes": "16"}), ("xrnpe-posit8", {})])
@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize(("target", "cells"), [("xcup", ("LUT6_2", "CARRY4")), ("ice40", ("SB_LUT4", "SB_CARRY"))])
def test_leaves_of_other_technologies_equal_golden(target, cells, scheme, options, mapped, tmp_path):
    _equals_golden(target, cells, scheme, options, mapped, tmp_path)


def _equals_golden(target, cells, scheme, options, mapped, tmp_path):
    """As written, with the models of the technology's cells, and after synthesis."""
    require("verilator")
    bench = BenchDirectory(tmp_path, scheme, level="pe", name="unit", target=target, **options)
    text = bench.rtl.read_text()
    assert all(text.count(f"{cell} ") > 10 for cell in cells)
    if mapped:
        result = synthesize([bench.rtl], bench.name, target, dsp=False)
        bench.rtl.write_text("".join(path.read_text() for path in netlist_verilog(result)))
    else:
        bench.rtl.write_text(text + cell_models(target, cells))
    run = bench.run("verilator")
    assert run.succeeded, run.log[-2000:]
    assert "PASS" in run.log


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "options"), [
    ("figna-m11", {"lanes": "8", "pipelined": "0"}), ("ifpu", {"m": "4", "stages": "0"}),
    ("int8", {"lanes": "8", "pipelined": "0"}), ("w4a8", {"lanes": "8", "pipelined": "0", "zero": "zp"})])
def test_trees_of_full_adders_equal_golden(scheme, options, tmp_path):
    require("verilator")
    bench = BenchDirectory(tmp_path, scheme, level="pe", name="unit", target="asic", **options)
    assert bench.rtl.read_text().count("unit_mirror_adder") > 200
    run = bench.run("verilator")
    assert run.succeeded, run.log[-2000:]
    assert "PASS" in run.log
