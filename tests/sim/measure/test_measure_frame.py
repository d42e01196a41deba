"""The frame leaves the unit as it is, and brings every port to registers and three pins."""

import json

import pytest

from gemmsmith_sim.measure import ToolError, synthesize
from gemmsmith_sim.measure.frame import UNIT, frame
from gemmsmith_sim.measure.routers import ROUTERS
from gemmsmith_sim.measure.targets import get_target


def _framed(result):
    framed = frame(result.netlist, get_target(result.target))
    (name, module), = json.loads(framed.netlist.read_text())["modules"].items()  # fmt: skip
    assert name == f"{result.top}_frame"
    return framed, module


@pytest.mark.parametrize("target", ["ice40", "gowin", pytest.param("nexus", marks=pytest.mark.slow)])
def test_unit_is_put_in_unchanged(mac, target):
    result = synthesize([mac], "mac", target, dsp=False)
    framed, module = _framed(result)
    assert framed.ports == ("clk0", "out", "scan")
    assert set(module["ports"]) == set(framed.ports)
    inside = [cell["type"] for name, cell in module["cells"].items() if name.startswith(f"{UNIT}.")]
    constants = {"GND", "VCC", "VHI", "VLO"}
    assert {cell: inside.count(cell) for cell in result.cells if cell not in constants} == {
        cell: count for cell, count in result.cells.items() if cell not in constants
    }


def test_every_port_is_registered(mac):
    """7 inputs but the clock, two ranks; 8 outputs, then two levels of parity (2 and 1)."""
    _, module = _framed(synthesize([mac], "mac", "ice40"))
    own = [cell["type"] for name, cell in module["cells"].items() if not name.startswith(UNIT)]
    assert sum(cell.startswith("SB_DFF") for cell in own) == 2 * 7 + 8 + 2 + 1
    assert own.count("SB_LUT4") == 7 + 3


def test_several_clocks_and_odd_names(source):
    design = source(
        "two.v",
        "module two(input \\a.clk , input b_clk, input [2:0] d, output reg [2:0] \\q[x] , output reg y);"
        " always @(posedge \\a.clk ) \\q[x] <= d; always @(negedge b_clk) y <= ^d; endmodule",
    )
    framed, _ = _framed(synthesize([design], "two", "ice40"))
    assert framed.ports == ("clk0", "clk1", "out", "scan")


def test_a_unit_with_no_inputs_but_its_clock(source):
    design = source(
        "count.v", "module count(input c, output reg [4:0] q); always @(posedge c) q <= q + 1; endmodule"
    )
    framed, _ = _framed(synthesize([design], "count", "ice40"))
    assert framed.ports == ("clk0", "out")


def test_inout_is_refused(source):
    design = source(
        "pad.v",
        "module pad(input c, d, e, inout p, output reg q); assign p = e ? d : 1'bz;"
        " always @(posedge c) q <= p; endmodule",
    )
    with pytest.raises(ToolError, match="port 'p' of 'pad' is both input and output"):
        frame(synthesize([design], "pad", "ice40").netlist, get_target("ice40"))


def test_pins():
    nexus, gowin, ice40 = ROUTERS["nexus"], ROUTERS["gowin"], ROUTERS["ice40"]
    assert nexus.pins_file(["clk0", "out"]).splitlines() == [
        "ldc_set_location -site {L13} [get_ports clk0]",
        "ldc_set_location -site {E17} [get_ports out]",
    ]
    assert gowin.pins_file(["clk0"]) == 'IO_LOC "clk0" H11;\n'
    assert ice40.pins_file(["clk0"]) is None
    with pytest.raises(ValueError, match="the design has more than 3 clocks"):
        gowin.pins_file([f"clk{i}" for i in range(4)] + ["out", "scan"])
