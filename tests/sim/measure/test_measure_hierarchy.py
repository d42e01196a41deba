import json

import pytest

from gemmsmith_sim.measure import module_tree, synth_tree, synthesize
from gemmsmith_sim.measure.flat import FlatModule

# Two multipliers of different size, an adder over both, everything registered in the module that computes it.
_DESIGN = """
module mul #(parameter W = 4) (input clk, input [W-1:0] x, y, output reg [2*W-1:0] p);
    always @(posedge clk) p <= x * y;
endmodule
module pair(input clk, input [3:0] a, b, input [5:0] c, d, output [7:0] small, output [11:0] large);
    mul #(4) u_small(clk, a, b, small);
    mul #(6) u_large(clk, c, d, large);
endmodule
module top(input clk, input [3:0] a, b, input [5:0] c, d, output reg [12:0] sum);
    reg [3:0] aq, bq; reg [5:0] cq, dq;
    wire [7:0] small; wire [11:0] large;
    pair u_pair(clk, aq, bq, cq, dq, small, large);
    always @(posedge clk) begin
        aq <= a; bq <= b; cq <= c; dq <= d;
        sum <= small + large;
    end
endmodule
"""


@pytest.fixture
def design(source):
    return source("top.v", _DESIGN)


def _by_path(module, path=""):
    paths = {path: module}
    for child in module.children:
        paths |= _by_path(child, f"{path}.{child.instance}".removeprefix("."))
    return paths


def test_costs_add_up():
    cells = [("", 1.0), ("a", 2.0), ("a.b", 3.0), ("a.b", 0.5), ("a.c", 10.0), (None, 4.0)]
    tree = module_tree(cells, top="whole", types={"a": "adder", "a.b": "bit", "z": "empty"})
    assert (tree.name, tree.instance, tree.own, tree.total) == ("whole", "", 5.0, 20.5)
    assert tree.attributed == pytest.approx(1 - 4 / 20.5)
    a, z = tree.children
    assert (a.name, a.instance, a.own, a.total, a.attributed) == ("adder", "a", 2.0, 15.5, 1.0)
    assert [(child.name, child.instance, child.total) for child in a.children] == [("c", "c", 10), ("bit", "b", 3.5)]
    assert (z.name, z.total) == ("empty", 0)
    assert json.loads(json.dumps(tree.to_dict()))["children"][0]["cells"] == 2.0


def test_an_empty_tree():
    tree = module_tree([])
    assert (tree.total, tree.attributed, tree.children) == (0, 1.0, ())


@pytest.mark.parametrize("target", ["ecp5", "ice40", "gowin"])
def test_total_is_the_count_of_the_netlist(design, target):
    result = synthesize([design], "top", target, dsp=False)
    tree = synth_tree(result)
    assert tree.total == (result.luts + result.lutram_luts if result.eq is None else result.eq)
    assert tree.attributed > 0.9
    parts = _by_path(tree)
    assert parts["u_pair"].name == "pair"
    assert parts["u_pair"].total > 0.8 * tree.total  # the multipliers, which Yosys may not tell apart


def test_attribution_is_near_that_of_an_unflattened_netlist(design):
    """Another way to count: without flattening Yosys keeps the modules apart. It optimises them apart, too, so that the
    counts differ somewhat."""
    flat = _by_path(synth_tree(synthesize([design], "top", "ecp5", dsp=False)))
    kept = _by_path(synth_tree(synthesize([design], "top", "ecp5", dsp=False, flatten=False)))
    assert set(flat) == set(kept) == {"", "u_pair", "u_pair.u_small", "u_pair.u_large"}
    assert kept["u_pair.u_large"].own > kept["u_pair.u_small"].own > 0
    assert sum(abs(flat[path].own - kept[path].own) for path in flat) < 0.25 * kept[""].total


def _flat(result):
    return FlatModule(json.loads(result.netlist.read_text())["modules"][result.top])


def test_registers_belong_to_the_module_that_describes_them(design):
    flat = _flat(synthesize([design], "top", "ecp5", dsp=False))
    registers = [name for name, cell in flat.cells.items() if cell["type"] == "TRELLIS_FF"]
    scopes = [flat.scope(name) for name in registers]
    assert {scope: scopes.count(scope) for scope in set(scopes)} == {
        "": 2 * 4 + 2 * 6 + 13, "u_pair.u_small": 8, "u_pair.u_large": 12,
    }  # fmt: skip


def test_labels_are_nets_of_the_source_with_their_bits(design):
    flat = _flat(synthesize([design], "top", "ecp5", dsp=False))
    labels = {flat.label(name) for name, cell in flat.cells.items() if cell["type"] == "TRELLIS_FF"}
    assert {f"sum[{i}]" for i in range(13)} <= labels
    assert {f"u_pair.large[{i}]" for i in range(12)} <= labels
    luts = {flat.label(name) for name, cell in flat.cells.items() if cell["type"] == "LUT4"}
    assert not any("LUT4" in label for label in luts)


def _module(**cells):
    """A flat module with scopes ``a``, ``a.b`` and ``c``; each cell: type, nets of its output, source."""
    bits = {name: i + 2 for i, name in enumerate(cells)}
    nets: dict[str, int] = {net: bits[name] for name, (_, names, _) in cells.items() for net in names}
    mark = {"type": "$scopeinfo", "parameters": {"TYPE": "module"}, "connections": {}, "port_directions": {}}
    return FlatModule({
        "attributes": {"src": "d.v:1.1-9.9"},
        "cells": {
            "a": {**mark, "attributes": {"module": "outer", "module_src": "d.v:10.1-19.9"}},
            "a.b": {**mark, "attributes": {"module": "inner", "module_src": "d.v:20.1-29.9"}},
            "c": {**mark, "attributes": {"module": "other", "module_src": "d.v:30.1-39.9"}},
            **{name: {"type": kind, "attributes": {"src": src}, "parameters": {},
                      "port_directions": {"A": "input", "Z": "output"}, "connections": {"A": [99], "Z": [bits[name]]}}
               for name, (kind, _, src) in cells.items()},
        },
        "netnames": {net: {"bits": [bit], "attributes": {}} for net, bit in nets.items()},
    })  # fmt: skip


@pytest.mark.parametrize(
    ("nets", "src", "scope", "label"),
    [
        (["a.b.x"], "", "a.b", "a.b.x"),
        (["y", "a.y", "a.b.x$7"], "", "a.b", "a.b.x"),  # one net, named at every level it passes
        (["y", "a.b.x"], "d.v:5.3-5.9|lib.v:1.1-1.2", "", "y"),  # the source says the top
        (["y"], "d.v:25.3-25.9", "a.b", "y"),  # its name in the module is gone
        (["a.b.x"], "d.v:12.1-12.9", "a", "a.b.x"),  # its name outside is gone
        ([], "d.v:25.3-25.9", "a.b", "LUT"),
        ([], "", None, "LUT"),
    ],
)
def test_evidence(nets, src, scope, label):
    flat = _module(LUT=("LUT4", nets, src))
    assert (flat.scope("LUT"), flat.label("LUT")) == (scope, label)


def test_a_cell_is_named_after_the_net_that_it_works_for():
    flat = _module(**{"a.b.x_FF_Q": ("FF", ["a.b.x"], ""), "a.b.x_FF_Q_D_LUT4_Z": ("LUT4", ["a.b.x_FF_Q_D"], "")})
    assert flat.scope("a.b.x_FF_Q_D_LUT4_Z") == "a.b"
    assert flat.label("a.b.x_FF_Q_D_LUT4_Z") == "a.b.x"


def test_a_register_that_lost_its_name_belongs_to_its_source_not_to_what_it_feeds():
    flat = _module(**{"a.b.x_FF_Q": ("FF", ["a.b.x"], ""),
                      "a.b.x_FF_Q_D_FF_Q": ("FF", ["a.b.x_FF_Q_D"], "d.v:5.3-5.9")})  # fmt: skip
    assert flat.scope("a.b.x_FF_Q_D_FF_Q") == ""
    flat = _module(**{"a.b.x_FF_Q": ("FF", ["a.b.x"], ""),
                      "a.b.x_FF_Q_D_FF_Q": ("FF", ["a.b.x_FF_Q_D"], "d.v:35.3-35.9")})  # fmt: skip
    assert flat.scope("a.b.x_FF_Q_D_FF_Q") == "c"


def test_a_cell_of_an_unnamed_net_is_called_by_its_module():
    for net in ("a.b.$12", "a.b.$12[3]"):
        assert _module(LUT=("LUT4", [net], "")).label("LUT") == "a.b"


def test_parts_that_are_not_flattened_cost_the_same_wherever_they_stand(source):
    text = """
        module part(input c, input [7:0] a, b, output reg [7:0] q); always @(posedge c) q <= (a + b) ^ q; endmodule
        module top(input c, input [7:0] a, b, output [7:0] x, y); part p0(c, a, b, x); part p1(c, b, ~a, y); endmodule
        """
    result = synthesize([source("top.v", text)], "top", "ecp5", apart=["part"])
    tree = synth_tree(result)
    first, second = tree.children
    assert first.total == second.total > 8
    assert tree.total == result.eq
