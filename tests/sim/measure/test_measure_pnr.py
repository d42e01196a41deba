import json

import pytest

from gemmsmith_sim.measure import ToolError, place_and_route, synthesize


def test_ecp5_seeds(mac):
    netlist = synthesize([mac], "mac", "ecp5", dsp=False).netlist
    result = place_and_route(netlist, "ecp5", seeds=(1, 2))
    assert len(result.fmax) == 2
    assert result.spread[0] <= result.median <= result.spread[1]
    assert 50 < result.median < 1000
    assert result.clock == "clk"
    assert (result.device, result.package) == ("85k", "CABGA756")
    assert result.utilization["TRELLIS_FF"] == (14, 83640)
    delay = sum(step.delay_ns for step in result.critical_path)
    assert 1000 / delay == pytest.approx(min(result.fmax), rel=0.01)  # the lower one of two seeds
    assert result.critical_path[0].kind == "clk-to-q"
    assert "--85k --package CABGA756 --speed 6 --out-of-context --freq 400 --seed SEED" in result.script
    assert not result.cached
    again = place_and_route(netlist, "ecp5", seeds=(2, 1))
    assert again.cached
    assert again.fmax == result.fmax[::-1]
    assert json.loads(json.dumps(result.to_dict()))["median"] == result.median


def test_ice40(mac):
    result = place_and_route(synthesize([mac], "mac", "ice40").netlist, "ice40", seeds=(1,), device="up5k")
    assert result.clock.startswith("clk")
    assert result.utilization["ICESTORM_LC"][1] == 5280
    assert result.spread == (result.median, result.median)


def test_ports_may_outnumber_pins_on_ecp5_only(source):
    design = source(
        "wide.v",
        "module wide(input c, input [149:0] a, b, output reg [149:0] q); reg [149:0] p;"
        " always @(posedge c) begin p <= a ^ b; q <= p; end endmodule",
    )
    assert place_and_route(synthesize([design], "wide", "ecp5").netlist, "ecp5", seeds=(1,)).median > 100
    with pytest.raises(ToolError, match="the design has more ports than the device has pins"):
        place_and_route(synthesize([design], "wide", "ice40").netlist, "ice40", seeds=(1,))


def test_design_without_a_clock(source):
    design = source("inv.v", "module inv(input a, output y); assign y = ~a; endmodule")
    with pytest.raises(ToolError, match="no path joins two registers"):
        place_and_route(synthesize([design], "inv", "ecp5").netlist, "ecp5", seeds=(1,))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": "xcup"}, "there is no open place and route for 'xcup'"),
        ({"target": "asic"}, "target must be one of"),
        ({"seeds": ()}, "seeds must be distinct integers, at least one"),
        ({"seeds": (1, 1)}, "seeds must be distinct integers"),
        ({"device": "hx8k"}, "device must be one of 12k, 25k, 45k, 85k, not 'hx8k'"),
        ({"frequency": 0}, "frequency must be positive, not 0"),
    ],
)
def test_arguments_are_checked(arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        place_and_route(**{"netlist": tmp_path / "netlist.json", "target": "ecp5", **arguments})
