"""Clock gates: in libraries, in synthesis, in the simulation of netlists and its energy, and in static timing."""

import json
import os
import random
from dataclasses import replace

import gate_toys as toys
import numpy as np
import pytest

from gemmsmith.emit import BuildConfig, emit
from gemmsmith_sim.measure.asic import synthesize_asic
from gemmsmith_sim.measure.energy import measure_energy
from gemmsmith_sim.measure.gates import Activity, MeanTables, Netlist, PowerModel, Simulator, delays_of
from gemmsmith_sim.measure.gates.bench import MismatchError
from gemmsmith_sim.measure.gates.words import ALL, unpack_lanes
from gemmsmith_sim.measure.liberty import ClockGate, library, load_liberty
from gemmsmith_sim.measure.liberty.gating import MIN_REGISTERS, clock_gate_cell
from gemmsmith_sim.measure.liberty.write import mapping_liberty
from gemmsmith_sim.measure.timing import static_timing


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return toys.library(tmp_path_factory.mktemp("liberty"))


# Libraries.


def _gates(tmp_path, *texts):
    path = tmp_path / "gates.lib"
    path.write_text(toys.liberty().rstrip()[:-1] + "".join(texts) + "}")
    return load_liberty(path)


def test_pins_of_a_clock_gate_are_known(cells):
    gate = cells.cells["ICG"].clock_gate
    assert gate == ClockGate("latch_posedge_precontrol", "CK", "EN", "TE", "GCK")
    assert gate.passes == "EN | TE"
    assert not cells.cells["ICGN"].clock_gate.latched
    assert all(cell.clock_gate is None for name, cell in cells.cells.items() if not name.startswith("ICG"))
    assert "ICG" not in mapping_liberty(replace(cells, cells={
        name: replace(cell, dont_use=False) for name, cell in cells.cells.items()}))


def test_pins_that_no_attribute_marks_are_told_by_what_is_left(tmp_path):
    plain = """cell (ICG{}) {{ area : 1; clock_gating_integrated_cell : latch_posedge; pin (E) {{ direction : input; }}
      {} pin (C) {{ direction : input; clock : true; }} pin (G) {{ direction : output; }} }}"""
    found = _gates(tmp_path, plain.format("A", ""), plain.format("B", "pin (F) { direction : input; }"))
    gate = found.cells["ICGA"].clock_gate
    assert gate == ClockGate("latch_posedge", "C", "E", None, "G")
    assert gate.passes == "E"
    assert found.cells["ICGB"].clock_gate is None  # which of two inputs enables?


def test_the_smallest_gate_with_a_latch_for_the_rising_edge_is_chosen(cells, tmp_path):
    kinds = {"latch_posedge": 7, "latch_posedge_postcontrol": 5, "latch_posedge_precontrol_obs": 1, "none_posedge": 1}
    sized = _gates(tmp_path, *(toys.clock_gate(f"ICG_{kind}", kind, area) for kind, area in kinds.items()))
    assert clock_gate_cell(sized).name == "ICG_latch_posedge_postcontrol"
    without = replace(cells, cells={name: cell for name, cell in cells.cells.items() if name != "ICG"})
    with pytest.raises(ValueError, match=r"needs an integrated clock gate .* library 'toys' does not have"):
        clock_gate_cell(without)


@pytest.mark.parametrize(("name", "cell", "test"), [("asap7", "ICGx1_ASAP7_75t_R", "SE"),
                                                    ("ihp-sg13g2", "sg13g2_lgcp_1", None)])
def test_published_libraries_have_one(name, cell, test):
    if not os.environ.get("GEMMSMITH_LIBERTY"):
        pytest.skip("GEMMSMITH_LIBERTY names no directory with the files of the libraries")
    found = clock_gate_cell(library(name))
    assert (found.name, found.clock_gate.test) == (cell, test)


# Synthesis.


REGISTERS = """
module registers(input clk, rst, en, input [4:0] d, output reg [4:0] a, b, c, e, s, output reg [2:0] few);
  always @(posedge clk) if (rst) a <= 5'h0a; else if (en) a <= d;
  always @(posedge clk) if (!rst) b <= 5'h15; else if (!en) b <= d;
  always @(posedge clk) if (en) begin if (rst) c <= 5'h13; else c <= d; end
  always @(posedge clk) if (en) e <= d;
  always @(posedge clk) if (rst) s <= 0; else s <= d;
  always @(posedge clk) if (en & d[4]) few <= d[2:0];
endmodule
"""


def _bits(value, width):
    return np.where(np.array([value >> bit & 1 for bit in range(width)], bool)[:, None], ALL, np.uint64(0))


def _chosen(condition, then, other):
    return condition & then | ~condition & other


def test_registers_with_resets_and_enables_do_as_written(source, cells):
    result = synthesize_asic([source("registers.v", REGISTERS)], "registers", cells, clock_gating=True)
    plain = synthesize_asic([source("registers.v", REGISTERS)], "registers", cells)
    # Gates: en | rst, !en | !rst, en. Too few share the last enable, and one register has none.
    assert (result.clock_gating, result.clock_gates, result.gated_flip_flops) == (True, 3, 20)
    assert (plain.clock_gating, plain.clock_gates, plain.gated_flip_flops) == (False, 0, 0)
    assert result.cells["ICG"] == 3
    assert result.cells["DFF"] == plain.cells["DFF"] == 28
    assert result.sequential_area_um2 - plain.sequential_area_um2 == 3 * cells.cells["ICG"].area
    assert MIN_REGISTERS > 3
    assert "-min_net_size" in result.script
    simulator = Simulator(Netlist.load(result.netlist, cells))
    rng = np.random.default_rng(0)
    simulator.settle()
    state = {name: simulator.output(name).copy() for name in ("a", "b", "c", "e", "s", "few")}
    for _ in range(30):
        rst, en, d = (rng.integers(0, 1 << 64, (width, 1), np.uint64) for width in (1, 1, 5))
        for port, value in (("rst", rst), ("en", en), ("d", d)):
            simulator.set_input(port, value)
        simulator.settle()
        simulator.clock()
        state = {"a": _chosen(rst, _bits(0x0a, 5), _chosen(en, d, state["a"])),
                 "b": _chosen(~rst, _bits(0x15, 5), _chosen(~en, d, state["b"])),
                 "c": _chosen(en, _chosen(rst, _bits(0x13, 5), d), state["c"]),
                 "e": _chosen(en, d, state["e"]), "s": d & ~rst, "few": _chosen(en & d[4], d[:3], state["few"])}
        for name, value in state.items():
            np.testing.assert_array_equal(simulator.output(name), value, name)


def test_a_library_without_clock_gates_is_refused(source, cells):
    without = replace(cells, cells={name: cell for name, cell in cells.cells.items() if name != "ICG"})
    with pytest.raises(ValueError, match="clock_gating needs an integrated clock gate"):
        synthesize_asic([source("registers.v", REGISTERS)], "registers", without, clock_gating=True)


# Netlists.


def _gated(*flops, enable="a", **options):
    circuit = toys.Circuit("clk", "a", "b", "t")
    circuit.gate("gclk", enable, **options)
    for output, data in flops:
        circuit.add("DFF", output, data, clock="gclk")
    return circuit


def _behind_a_gate():
    circuit = _gated(("q", "b"))
    circuit.gate("again", "b", clock="gclk")
    return circuit


def _read_as_data():
    circuit = _gated(("q", "b"))
    circuit.add("INV", "y", "gclk")
    return circuit


@pytest.mark.parametrize(("circuit", "message"), [
    (_behind_a_gate(), "clock gate icg_again must be clocked by a port, not by another clock gate"),
    (_read_as_data(), "clock gclk must drive clock pins only, not cell inv_y"),
    (_gated(("q", "b"), cell="ICGN"), r"icgn_gclk \(ICGN\) is a latch_negedge_precontrol; only latch_posedge gates"),
    (_gated(("q", "b"), clock="b"), "clock b must drive clock pins only, not cell dff_q"),
])
def test_other_gated_clocks_are_refused(circuit, message, cells, tmp_path):
    with pytest.raises(ValueError, match=message) as error:
        circuit.netlist(tmp_path / "n.json", cells)
    assert "\n" not in str(error.value)


def test_loads_of_clocks(cells, tmp_path):
    circuit = _gated(("q", "b"), ("r", "q"), ("s", "r"))
    circuit.add("DFF", "free", "s")
    netlist = circuit.netlist(tmp_path / "n.json", cells, "free")
    assert netlist.clock == "clk"
    assert netlist.clock_loads().tolist() == [toys.CLOCK_FF + toys.GATE_CLOCK_FF, 3 * toys.CLOCK_FF]
    assert netlist.loads()[netlist.names.index("a")] == toys.PIN_FF


@pytest.mark.parametrize("seed", range(3))
def test_flip_flops_behind_gates_wait(seed, cells, tmp_path):
    """Against plain Python: some of the flip-flops behind three gates, whose enables are any nets."""
    rng = random.Random(seed)
    circuit = toys.random_circuit(rng)
    enables = {circuit.gate(f"g{index}", rng.choice(["a", "q0", "n5", "n40"]), rng.choice(["0", "b"])): index
               for index in range(3)}
    for name, (kind, pins) in list(circuit.cells.items()):
        if kind == "DFF":
            circuit.cells[name] = kind, pins | {"CK": rng.choice(["clk", *enables])}
    netlist = circuit.netlist(tmp_path / "n.json", cells, "q0")
    gates = {pins["GCK"]: pins for kind, pins in circuit.cells.values() if kind == "ICG"}
    simulator, inputs = Simulator(netlist, seed=seed), np.random.default_rng(seed)
    simulator.settle()
    held = 0
    for _ in range(10):
        before = dict(zip(netlist.names, unpack_lanes(simulator.state)[:, 7].tolist(), strict=True))
        simulator.clock()
        after = dict(zip(netlist.names, unpack_lanes(simulator.state)[:, 7].tolist(), strict=True))
        for kind, pins in circuit.cells.values():
            if kind == "DFF":
                gate = gates.get(pins["CK"])
                passes = gate is None or before[gate["EN"]] or before[gate["TE"]]
                assert after[pins["Q"]] == before[pins["D"] if passes else pins["Q"]]
                held += not passes and before[pins["D"]] != before[pins["Q"]]
        for port in netlist.inputs:
            simulator.set_input(port, inputs.integers(0, 1 << 64, (1, 1), np.uint64))
        simulator.settle()
    assert held


def test_energy_of_a_clock_gate_by_hand(cells, tmp_path):
    """The enable is 1 in every other cycle; behind the gate, one flip-flop toggles when it is clocked and two stand
    still at 0, on a load above what the gate may have. The flip-flop that makes the enable is on the port's clock.
    """
    circuit = toys.Circuit("clk")
    circuit.add("INV", "next", "en")
    circuit.add("DFF", "en", "next")
    circuit.gate("gclk", "en")
    circuit.add("INV", "other", "q")
    circuit.add("DFF", "q", "other", clock="gclk")
    for name in ("r", "s"):
        circuit.add("DFF", name, "0", clock="gclk")
    netlist = circuit.netlist(tmp_path / "n.json", cells)
    simulator, activity = Simulator(netlist), Activity(netlist, 64)
    simulator.settle()
    for cycle in range(8):
        before = simulator.state.copy()
        simulator.clock()
        simulator.settle()
        if cycle >= 4:
            activity.add(before, simulator.state)
    pulses = 2 * 64
    assert activity.pulses.tolist() == [2 * pulses, pulses]
    energies = PowerModel(netlist, delays_of(netlist, MeanTables(), slew_ps=8), MeanTables(), toys.VOLTAGE)
    energies = energies.energies(activity)
    charge = toys.VOLTAGE**2  # up and down
    pins = 2 * toys.CLOCK_FF + 2 * toys.GATE_CLOCK_FF + 3 * toys.CLOCK_FF
    # Before an edge that passes the enable is 1, after it 0, and the other way round.
    load = toys.GATE_MOST_FF
    passed = toys.GATE_PASSED_FJ["EN | TE"][0] + load + toys.GATE_PASSED_FJ["!EN & !TE"][1] + load
    stopped = toys.GATE_STOPPED_FJ["!EN & !TE"][0] + toys.GATE_STOPPED_FJ["EN | TE"][1]
    # Flip-flops that toggle: falling edges only, half of them at 1. Two stand at 0 through their pulses.
    falls = sum(fall for _, fall in toys.CLOCK_FJ.values())
    still = 2 * sum(toys.CLOCK_FJ["!IQ"])
    assert energies.total()["clock"] == pytest.approx(
        pulses * (pins * charge + passed + stopped + falls + falls / 2 + still))
    # EN is toggled in all cycles, q in half of them; both outputs of inverters, and hidden energies of D and EN.
    assert energies.total()["internal"] == pytest.approx(
        pulses * ((2 + 1) * (toys.OUTPUT_FJ + toys.FLOP_FJ + toys.HIDDEN_FJ) + 2 * toys.HIDDEN_FJ))
    assert energies.total()["switching"] == pytest.approx(
        pulses * charge / 2 * toys.PIN_FF * (2 * 3 + 2))  # en: INV, EN; next: D. q: INV; other: D.


# A unit.


SMALL = {"blocks": 2, "k": 32, "lanes": 64, "glitch_cycles": 6, "glitch_lanes": 16, "seed": 1}


@pytest.fixture(scope="module")
def unit(cells, tmp_path_factory):
    """An INT8 unit of one lane: its build, and its netlists without and with clock gates."""
    config = BuildConfig.resolve("int8", {"level": "pe", "name": "unit", "lanes": "1"})
    source = tmp_path_factory.mktemp("unit") / "unit.v"
    source.write_text(emit(config.top(), name="unit").verilog)
    return config, *(synthesize_asic([source], "unit", cells, clock_gating=gated) for gated in (False, True))


def test_a_gated_unit_computes_the_same_with_less(unit, cells):
    config, plain, gated = unit
    assert gated.clock_gates > 5
    assert gated.gated_flip_flops > gated.cells["DFF"] / 4
    free, less = (measure_energy(mapped.netlist, config, cells, **SMALL) for mapped in (plain, gated))
    assert free.outputs_checked == less.outputs_checked == 3 * 64
    assert (free.macs, free.cycles) == (less.macs, less.cycles)
    assert less.breakdown["clock"] < 0.9 * free.breakdown["clock"]
    assert sum(less.modules.values()) == pytest.approx(less.fj_per_mac_glitch)


@pytest.mark.parametrize("enable", "01")
def test_a_gate_that_never_opens_or_never_shuts_is_found_out(enable, unit, cells, tmp_path):
    config, _, gated = unit
    text = json.loads(gated.netlist.read_text())
    gates = {name: cell for name, cell in text["modules"]["unit"]["cells"].items() if cell["type"] == "ICG"}
    (held,) = (name for name in gates if "slice_a_scale" in name)  # of scales, which wait for their block
    gates[held]["connections"]["EN"] = [enable]
    faulty = tmp_path / "netlist.json"
    faulty.write_text(json.dumps(text))
    with pytest.raises(MismatchError):
        measure_energy(faulty, config, cells, **SMALL, glitches=False)


# Timing.


def test_an_enable_must_arrive_before_the_clock(cells, tmp_path):
    circuit = toys.Circuit("clk", "a")
    circuit.add("DFF", "q", "a")
    circuit.gate("gclk", circuit.add("INV", "stop", "q"))
    circuit.add("DFF", "r", "a", clock="gclk")
    path = tmp_path / "n.json"
    path.write_text(circuit.json("r"))
    result = static_timing(path, cells)
    assert result.critical_path_ns * 1000 == pytest.approx(toys.FLOP_PS + toys.CELLS["INV"][2] + toys.GATE_SETUP_PS)
    assert [(step.kind, step.cell, step.pin) for step in result.path] == [
        ("clk-to-q", "DFF", "CK"), ("logic", "INV", "A"), ("setup", "ICG", "EN")]
    assert result.clock == "clk"
    assert result.paths["reg-to-out"].delay_ns * 1000 == pytest.approx(toys.FLOP_PS)  # from the gated flip-flop
    circuit.gate("again", "a", clock="gclk")
    path.write_text(circuit.json("r"))
    with pytest.raises(ValueError, match="one clock and edge"):
        static_timing(path, cells)
