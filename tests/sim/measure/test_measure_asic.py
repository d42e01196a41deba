import json
import os
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from gemmsmith_sim.measure import ToolError
from gemmsmith_sim.measure.asic import STYLES, asic_tree, synthesize_asic
from gemmsmith_sim.measure.liberty import library, load_liberty
from gemmsmith_sim.measure.timing import static_timing

TOY = Path(__file__).parent / "data" / "toy.lib"


@pytest.fixture(scope="module")
def toy():
    return load_liberty(TOY)


def test_registers_only(source, toy):
    text = "module r(input c, input [7:0] d, output reg [7:0] q); always @(posedge c) q <= d; endmodule"
    result = synthesize_asic([source("r.v", text)], "r", toy)
    assert result.cells == {"DFF": 8}
    assert (result.area_um2, result.sequential_area_um2, result.undriven) == (48, 48, ())
    assert (result.library, result.library_sha256, result.style) == ("toy", toy.sha256, "area")


def test_gates_and_constants(source, toy):
    design = source("g.v", "module g(input a, b, output x, y, z); assign x = !(a & b), y = 1, z = a ^ b; endmodule")
    result = synthesize_asic([design], "g", toy)
    assert result.cells == {"NAND2": 1, "TIE1": 1, "XOR2": 1}
    assert (result.area_um2, result.sequential_area_um2) == (6.5, 0)


@pytest.mark.parametrize("style", STYLES)
def test_netlist_has_the_cells_and_the_names_of_the_source(mac, toy, style):
    result = synthesize_asic([mac], "mac", toy, style=style)
    module = json.loads(result.netlist.read_text())["modules"]["mac"]
    cells = Counter(cell["type"] for cell in module["cells"].values() if cell["type"] != "$scopeinfo")
    assert cells == result.cells
    assert result.cells["DFF"] == 14  # 3 + 3 bits of operands, 8 of the sum
    assert result.area_um2 == sum(toy.cells[name].area * count for name, count in cells.items())
    registers = {bit for net, value in module["netnames"].items() if re.fullmatch(r"(acc|ra|rb)(\[\d\])?", net)
                 for bit in value["bits"]}  # fmt: skip
    driven = {cell["connections"]["Q"][0] for cell in module["cells"].values() if cell["type"] == "DFF"}
    assert driven == registers
    assert "module mac" in result.verilog.read_text()
    assert "AND2_SMALL" not in result.cells
    assert static_timing(result.netlist, toy).critical.kind == "reg-to-reg"


def test_cells_not_to_be_used_are_not_used(mac, toy):
    cells = {name: replace(cell, dont_use=cell.dont_use or name == "XOR2") for name, cell in toy.cells.items()}
    with_xor, without = synthesize_asic([mac], "mac", toy), synthesize_asic([mac], "mac", replace(toy, cells=cells))
    assert "XOR2" in with_xor.cells
    assert "XOR2" not in without.cells


def test_styles_differ_in_what_they_are_for(source, toy):
    design = source(
        "sum.v",
        "module sum(input c, input [23:0] a, output reg [23:0] s); always @(posedge c) s <= s + a; endmodule",
    )
    small, fast = (synthesize_asic([design], "sum", toy, style=style) for style in ("area", "speed"))
    assert small.area_um2 < fast.area_um2
    delays = [static_timing(result.netlist, toy).critical_path_ns for result in (small, fast)]
    assert delays[0] > 1.5 * delays[1]
    assert "ripple.v" in small.script
    assert "kogge-stone" in fast.script
    assert "# abc.constr: set_driving_cell BUF" in small.script


def test_area_by_module(source, toy):
    design = source(
        "top.v",
        """
        module leaf(input c, input [3:0] d, output reg [3:0] q); always @(posedge c) q <= d; endmodule
        module top(input c, input [3:0] d, output [3:0] q, output reg p);
            wire [3:0] m;
            leaf one(c, d, m);
            leaf two(c, ~m, q);
            always @(posedge c) p <= ^m;
        endmodule
        """,
    )
    result = synthesize_asic([design], "top", toy)
    tree = asic_tree(result, toy)
    assert tree.total == pytest.approx(result.area_um2)
    assert {child.instance: child.name for child in tree.children} == {"one": "leaf", "two": "leaf"}
    assert all(child.total >= 24 for child in tree.children)
    assert tree.own >= 6


def test_result_is_cached_by_content(mac, toy):
    first = synthesize_asic([mac], "mac", toy, fresh=True)
    again = synthesize_asic([mac], "mac", toy)
    assert (first.cached, again.cached) == (False, True)
    assert replace(again, cached=False) == first
    assert json.loads(json.dumps(again.to_dict()))["area_um2"] == first.area_um2
    mac.write_text(mac.read_text().replace("acc + ra", "acc - ra"))
    assert not synthesize_asic([mac], "mac", toy).cached


def test_designs_that_are_refused(source, toy):
    with pytest.raises(ToolError, match="has no cells"):
        synthesize_asic([source("e.v", "module e(input a); endmodule")], "e", toy)
    twice = source("t.v", "module t(input a, b, output y); assign y = a; assign y = b; endmodule")
    with pytest.raises(ToolError, match="conflicting drivers"):
        synthesize_asic([twice], "t", toy)
    latch = source("l.v", "module l(input g, d, output reg q); always @* if (g) q = d; endmodule")
    with pytest.raises(ToolError, match="latches are not supported"):
        synthesize_asic([latch], "l", toy)
    text = "module p(input c, d, output reg q); always @(posedge c) begin q <= d; $display(d); end endmodule"
    talk = source("p.v", text)
    with pytest.raises(ToolError, match=r"library 'toy' has no cell for \$print of 'p'"):
        synthesize_asic([talk], "p", toy)
    floating = source("f.v", "module f(input a, output y); wire n; assign y = a ^ n; endmodule")
    assert synthesize_asic([floating], "f", toy).undriven


ADDERS = """
module unit_mirror_adder(input a, b, c, output sum_n, carry_n);
    assign sum_n = ~(a ^ b ^ c), carry_n = ~(a & b | c & (a | b));
endmodule
module unit(input [2:0] i, output s, output c);
    unit_mirror_adder adder(.a(i[0]), .b(i[1]), .c(i[2]), .sum_n(s), .carry_n(c));
endmodule
"""


@pytest.mark.parametrize("style", STYLES)
def test_full_adders_become_the_cell_or_gates(source, toy, tmp_path, style):
    design = source("unit.v", ADDERS)
    gates = synthesize_asic([design], "unit", toy, style=style)
    assert sum(gates.cells.values()) > 2
    assert "mirror_adder" not in gates.script
    text = TOY.read_text().rstrip().removesuffix("}")
    (tmp_path / "adder.lib").write_text(text + """
        cell (FA) {
          area : 5; pin (A, B, CI) { direction : input; capacitance : 0.002; }
          pin (S) { direction : output; function : "A ^ B ^ CI"; }
          pin (CON) { direction : output; function : "!((A B) + (CI (A + B)))"; }
        }
        }""")
    mapped = synthesize_asic([design], "unit", load_liberty(tmp_path / "adder.lib"), style=style)
    assert mapped.cells == {"FA": 1, "INV": 1}
    assert "# full_adder.v: " in mapped.script


def test_arguments(mac, toy):
    with pytest.raises(ValueError, match="style must be one of area, speed, not 'small'"):
        synthesize_asic([mac], "mac", toy, style="small")
    with pytest.raises(ValueError, match="top must be a module name"):
        synthesize_asic([mac], "no name", toy)
    gates = {name: cell for name, cell in toy.cells.items() if name != "INV"}
    with pytest.raises(ValueError, match="must have an inverter"):
        synthesize_asic([mac], "mac", replace(toy, cells=gates))


@pytest.mark.skipif("GEMMSMITH_LIBERTY" not in os.environ, reason="GEMMSMITH_LIBERTY names no directory of libraries")
@pytest.mark.parametrize(("name", "flip_flop"), [("asap7", "DFFHQNx1_ASAP7_75t_R"), ("ihp-sg13g2", "sg13g2_dfrbp_1")])
def test_published_libraries(mac, name, flip_flop):
    cells = library(name)
    results = [synthesize_asic([mac], "mac", cells, style=style) for style in STYLES]
    for result in results:
        assert result.cells[flip_flop] == 14
        assert not any(cells.cells[used].dont_use for used in result.cells)
    delays = [static_timing(result.netlist, cells).critical_path_ns for result in results]
    assert results[0].area_um2 <= results[1].area_um2
    assert delays[0] >= delays[1]


def test_parts_mapped_apart_are_told_apart(source, toy):
    """Equal parts cost the same wherever they stand, and what they cost alone."""
    part = "module part(input c, input [3:0] a, output reg [3:0] q); always @(posedge c) q <= a + 4'd3 ^ q; endmodule\n"
    text = part + """
        module row(input c, input [3:0] a, b, output [3:0] x, y);
            wire [3:0] w = ~(a & b); part p0(c, w, x); part p1(c, a ^ b, y);
        endmodule
        module top(input c, input [3:0] a, b, output [3:0] x, y, output z);
            row r(c, a, b, x, y); assign z = ^x;
        endmodule
        """
    alone = synthesize_asic([source("part.v", part)], "part", toy)
    result = synthesize_asic([source("top.v", text)], "top", toy, apart=("part", "row"))
    tree = asic_tree(result, toy)
    [row] = tree.children
    assert {child.instance: child.total for child in row.children} == {"p0": alone.area_um2, "p1": alone.area_um2}
    assert row.own == 4 * (toy.cells["NAND2"].area + toy.cells["XOR2"].area)
    assert tree.own == 3 * toy.cells["XOR2"].area
    assert tree.total == result.area_um2
