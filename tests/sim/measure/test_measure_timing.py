"""Static timing: by hand on a library of linear tables, and against OpenSTA on real units."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gemmsmith.emit import BuildConfig, emit_build
from gemmsmith_sim.measure.asic import STYLES, synthesize_asic
from gemmsmith_sim.measure.liberty import library, load_liberty
from gemmsmith_sim.measure.liberty.load import read_liberty
from gemmsmith_sim.measure.timing import static_timing

TOY = Path(__file__).parent / "data" / "toy.lib"


@pytest.fixture(scope="module")
def toy():
    return load_liberty(TOY)


@pytest.fixture
def netlist(tmp_path):
    """A netlist as Yosys writes it: ``netlist({"g": ("INV", {"A": "a", "Y": "y"})}, inputs=["a"], outputs=["y"])``."""

    def write(cells, inputs, outputs):
        nets = list(dict.fromkeys(net for _, pins in cells.values() for net in pins.values() if net not in "01x"))
        bits = {**{net: number for number, net in enumerate(nets, 2)}, "0": "0", "1": "1", "x": "x"}
        ends = {"Y", "Q", "QN"}
        content = {
            name: {"type": kind, "attributes": {}, "parameters": {},
                   "port_directions": {pin: "output" if pin in ends else "input" for pin in pins},
                   "connections": {pin: [bits[net]] for pin, net in pins.items()}}
            for name, (kind, pins) in cells.items()
        }  # fmt: skip
        ports = {net: {"direction": way, "bits": [bits[net]]}
                 for way, names in (("input", inputs), ("output", outputs)) for net in names}  # fmt: skip
        names = {net: {"bits": [bit], "attributes": {}} for net, bit in bits.items() if net not in "01x"}
        module = {"attributes": {}, "ports": ports, "cells": content, "netnames": names}
        path = tmp_path / "netlist.json"
        path.write_text(json.dumps({"modules": {"unit": module}}))
        return path

    return write


PIPELINE = {
    "first": ("DFF", {"CK": "clk", "D": "a", "Q": "n1"}),
    "nand": ("NAND2", {"A": "n1", "B": "a", "Y": "n2"}),
    "inv": ("INV", {"A": "n2", "Y": "n3"}),
    "second": ("DFF", {"CK": "clk", "D": "n3", "Q": "y"}),
}


def test_by_hand(toy, netlist):
    result = static_timing(netlist(PIPELINE, ["clk", "a"], ["y"]), toy, input_slew=20, output_load=3)
    # Clock to n1 falling: 35 + 0.2 · 20 + 1; its transition 10 + 2 · 1. n2 rises: 12 + 0.1 · 12 + 2 · 1.1, for the
    # inverter loads a rising net with 1.1 fF; its transition 50 + 4 · 1.1 comes from the other input, which is slower.
    # n3 falls: 8 + 0.1 · 54.4 + 2. Setup of falling data: 7.
    assert result.critical_path_ns * 1000 == pytest.approx(40 + 15.4 + 15.44 + 7)
    assert result.fmax_mhz == pytest.approx(1e6 / 77.84)
    steps = [(s.kind, s.instance, s.cell, s.pin, s.net, s.edge, round(s.delay_ps, 6)) for s in result.path]
    assert steps == [
        ("clk-to-q", "first", "DFF", "CK", "n1", "fall", 40),
        ("logic", "nand", "NAND2", "A", "n2", "rise", 15.4),
        ("logic", "inv", "INV", "A", "n3", "fall", 15.44),
        ("setup", "second", "DFF", "D", "y", "fall", 7),
    ]
    assert result.path[-1].arrival_ps == pytest.approx(77.84)
    # From a, falling: n2 17 + 0.1 · 20 + 2 · 1.1; then as above.
    assert result.paths["in-to-reg"].delay_ns * 1000 == pytest.approx(21.2 + 15.44 + 7)
    assert result.paths["reg-to-out"].delay_ns * 1000 == pytest.approx(35 + 4 + 3)
    assert set(result.paths) == {"reg-to-reg", "in-to-reg", "reg-to-out"}
    assert (result.clock, result.input_slew_ps, result.output_load_ff) == ("clk", 20, 3)


def test_constant_inputs_have_no_transition(toy, netlist):
    cells = {**PIPELINE, "nand": ("NAND2", {"A": "n1", "B": "1", "Y": "n2"})}
    result = static_timing(netlist(cells, ["clk", "a"], ["y"]), toy, input_slew=20, output_load=3)
    # As by hand, but the transition of n2 is now that from A, 20 + 4 · 1.1: n3 falls 8 + 2.44 + 2.
    assert result.critical_path_ns * 1000 == pytest.approx(40 + 15.4 + 12.44 + 7)


def test_uncertainty_and_the_librarys_own_boundary(toy, netlist):
    path = netlist(PIPELINE, ["clk", "a"], ["y"])
    plain, unsure = (static_timing(path, toy, clock_uncertainty=value) for value in (0, 25))
    assert unsure.critical_path_ns == pytest.approx(plain.critical_path_ns + 0.025)
    assert unsure.paths["reg-to-out"] == plain.paths["reg-to-out"]
    assert (plain.input_slew_ps, plain.output_load_ff) == pytest.approx((18, 4))


def test_slowest_condition_counts(toy, netlist):
    xor = {"g": ("XOR2", {"A": "a", "B": "b", "Y": "y"})}
    result = static_timing(netlist(xor, ["a", "b"], ["y"]), toy)
    assert result.critical.kind == "in-to-out"
    assert result.critical_path_ns * 1000 == pytest.approx(50)
    assert [(s.pin, s.edge) for s in result.path] == [("A", "fall")]
    tied = {"g": ("XOR2", {"A": "1", "B": "b", "Y": "y"})}  # nothing arrives at A
    assert static_timing(netlist(tied, ["b"], ["y"]), toy).critical_path_ns * 1000 == pytest.approx(35)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"a": ("INV", {"A": "y", "Y": "n"}), "b": ("INV", {"A": "n", "Y": "y"})}, "no combinational loop; . is in or"),
        ({"l": ("LATCH", {"G": "clk", "D": "a", "Q": "y"})}, "gates and flip-flops only; l is a LATCH"),
        ({"t": ("TRI", {"A": "clk", "E": "a", "Y": "y"})}, "gates and flip-flops only; t is a TRI"),
        ({"g": ("NOR9", {"A": "clk", "Y": "y"})}, "library 'toy' has no cell 'NOR9'"),
        ({"g": ("TIE0", {"Y": "y"})}, "must have a path"),
        ({"g": ("INV", {"A": "clk", "Y": "n"}), "f": ("DFF", {"CK": "n", "D": "a", "Q": "y"})}, "an input port"),
        ({"f": ("DFF", {"CK": "clk", "D": "a", "Q": "n"}), "g": ("DFF", {"CK": "a", "D": "n", "Q": "y"})},
         "one clock and edge; f and g differ"),
    ],
)  # fmt: skip
def test_netlists_that_cannot_be_timed(toy, netlist, cells, message):
    present = {net for _, pins in cells.values() for net in pins.values()}
    with pytest.raises(ValueError, match=message):
        static_timing(netlist(cells, sorted({"clk", "a"} & present), ["y"]), toy)


def test_arguments(toy, netlist):
    path = netlist(PIPELINE, ["clk", "a"], ["y"])
    with pytest.raises(ValueError, match="input_slew must be a number of at least 0, not -1"):
        static_timing(path, toy, input_slew=-1)


UNITS = (("fp16", {"level": "pe"}), ("int8", {"level": "core", "lanes": "2"}), ("anda-m6", {"level": "pe"}))
MISSING = [what for what, there in (("OpenSTA (sta)", shutil.which("sta")), ("$GEMMSMITH_LIBERTY", os.environ.get(
    "GEMMSMITH_LIBERTY"))) if not there]  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=f"needs {' and '.join(MISSING)}")
@pytest.mark.parametrize("name", ["asap7", "ihp-sg13g2"])
@pytest.mark.parametrize(("scheme", "choices"), UNITS, ids=[scheme for scheme, _ in UNITS])
def test_agrees_with_opensta(tmp_path, name, scheme, choices):
    cells = library(name)
    config = BuildConfig.resolve(scheme, choices)
    (tmp_path / "unit.v").write_text(emit_build(config).verilog)
    for style, gating in (*((style, False) for style in STYLES), ("area", True)):
        mapped = synthesize_asic([tmp_path / "unit.v"], config.name, cells, style=style, clock_gating=gating)
        ours = static_timing(mapped.netlist, cells)
        period = opensta(tmp_path, mapped.verilog, config.name, cells, ours)
        assert ours.critical.kind == "reg-to-reg"
        assert ours.critical_path_ns == pytest.approx(period, rel=0.05), (style, gating)


def opensta(directory, verilog, top, cells, ours):
    """The least period by OpenSTA, ns, under the same conditions."""
    unit = {"asap7": 1, "ihp-sg13g2": 1000}[cells.name]  # ps, and fF, in the units of the files
    long = 1e6 / unit
    script = [f"read_liberty {unpacked(directory, Path(file))}" for file in cells.files]
    script += [
        f"read_verilog {verilog}",
        f"link_design {top}",
        f"create_clock -name clk -period {long} [get_ports {ours.clock}]",
        f"set_clock_transition {ours.input_slew_ps / unit} [get_clocks clk]",
        f"set_input_transition {ours.input_slew_ps / unit} [all_inputs]",
        f"set_load {ours.output_load_ff / unit} [all_outputs]",
        *(["set_wire_load_model -name Zero"] if cells.name == "ihp-sg13g2" else []),  # it guesses wires by default
        "report_checks -from [all_registers -clock_pins] -to [all_registers -data_pins] -path_delay max -digits 6",
    ]
    (directory / "run.tcl").write_text("\n".join([*script, "exit"]))
    done = subprocess.run(["sta", "-no_splash", "-exit", directory / "run.tcl"], capture_output=True, text=True)
    slack = re.search(r"(-?[\d.]+)\s+slack", done.stdout)
    assert slack, done.stdout[-2000:] + done.stderr[-2000:]
    return (long - float(slack[1])) * unit / 1000


def unpacked(directory, file):
    path = directory / file.name.removesuffix(".gz")
    if not path.exists():
        path.write_bytes(read_liberty(file))
    return path
