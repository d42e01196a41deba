"""Netlists and their simulators, against plain Python, an event queue and Icarus Verilog."""

import json
import random
import shutil
import subprocess
from dataclasses import replace
from itertools import pairwise

import gate_toys as toys
import numpy as np
import pytest

from gemmsmith_sim.measure.gates import Activity, GlitchSimulator, MeanTables, Netlist, PowerModel, Simulator, delays_of
from gemmsmith_sim.measure.gates import words as words_module
from gemmsmith_sim.measure.gates.words import count_ones, lanes_of, pack_lanes, unpack_lanes


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return toys.library(tmp_path_factory.mktemp("liberty"))


# Words.


def test_lanes_are_bits_of_words():
    bits = np.random.default_rng(0).integers(0, 2, (3, 128), np.uint8)
    words = pack_lanes(bits)
    assert words.shape == (3, 2)
    assert int(words[1, 1]) == sum(int(bit) << i for i, bit in enumerate(bits[1, 64:]))
    np.testing.assert_array_equal(unpack_lanes(words), bits)
    chosen = np.array([0, 70, 127])
    np.testing.assert_array_equal(lanes_of(words, chosen), np.where(bits[:, chosen], words_module.ALL, 0))
    with pytest.raises(ValueError, match="multiple of 64, not 65"):
        pack_lanes(np.zeros(65))


@pytest.mark.parametrize("count", [words_module._ones, words_module._count_swar])
def test_ones_are_counted(count, monkeypatch):
    monkeypatch.setattr(words_module, "_ones", count)
    words = np.random.default_rng(1).integers(0, 1 << 64, (5, 2, 3), np.uint64)
    words[0] = 0
    words[1] = words_module.ALL
    assert count_ones(words).tolist() == [sum(int(word).bit_count() for word in row.flat) for row in words]


# Reading.


def test_a_netlist_is_levelled(cells, tmp_path):
    circuit = toys.carry_chain(4)
    netlist = circuit.netlist(tmp_path / "n.json", cells, "s3")
    assert netlist.name == "toy"
    assert netlist.clock == "clk"
    assert sorted(netlist.inputs) == sorted(set(circuit.ports) - {"clk"})
    assert [netlist.names[net] for net in netlist.outputs["s3"]] == ["s3"]
    assert sum(len(part.instances) for part in netlist.parts) == len(circuit.cells)
    known = {0, 1, *np.concatenate(list(netlist.inputs.values())), *netlist.flop_nets}
    for gates in netlist.gates:
        assert all(set(nets) <= known for nets in gates.inputs.values())
        known |= {net for nets in gates.outputs.values() for net in range(nets.start, nets.stop)}
    loads = dict(zip(netlist.names, netlist.loads(), strict=True))
    assert loads["qa1"] == 2 * toys.PIN_FF
    assert loads["s3"] == 0
    assert netlist.clock_loads().tolist() == [12 * toys.CLOCK_FF]


def _with(*cells, ports=("clk", "a", "b")):
    circuit = toys.Circuit(*ports)
    for cell in cells:
        circuit.add(*cell)
    return circuit


@pytest.mark.parametrize(("circuit", "message"), [
    (_with(("INV", "x1", "x2"), ("INV", "x2", "x1")), "cell inv_x1 is in a combinational loop"),
    (_with(("INV", "y", "nowhere")), "cell inv_y reads net nowhere, which nothing drives"),
    (_with(("INV", "y", "a"), ("BUF", "y", "b")), "net y must have one driver, not several"),
    (_with(("INV", "a", "b")), "net a must have one driver"),
    (_with(("INV", "y", "x")), r"input A of cell inv_y \(INV\) must be connected to a net or 0 or 1"),
    (_with(("INV", "y", "clk"), ("DFF", "q", "y")), "clock clk must drive clock pins only, not cell inv_y"),
    (_with(("DFF", "q", "clk")), "clock clk must drive clock pins only, not cell dff_q"),
    (_with(("INV", "clk", "a"), ("DFF", "q", "b"), ports=("a", "b")), "clock clk must come straight from a port"),
    (_with(("DFFN", "q", "a")), r"flip-flop dffn_q \(DFFN\) is clocked on '!CK', not on a rising edge"),
    (_with(("DFFR", "q", "a", "b")), r"dffr_q \(DFFR\): its asynchronous !R must be tied off"),
    (_with(("ZERO", "zero"), ("DFFR", "q", "a", "zero")), "its asynchronous !R must be tied off"),
])
def test_netlists_that_cannot_be_simulated_are_refused(circuit, message, cells, tmp_path):
    with pytest.raises(ValueError, match=message) as error:
        circuit.netlist(tmp_path / "n.json", cells)
    assert str(error.value).startswith("netlist of toy: ")
    assert "\n" not in str(error.value)


def test_more_netlists_are_refused(cells, tmp_path):
    path = tmp_path / "n.json"
    text = json.loads(_with(("DFF", "q", "a"), ("DFF", "r", "b")).json())
    module = text["modules"]["toy"]

    def refuse(message):
        path.write_text(json.dumps(text))
        with pytest.raises(ValueError, match=message):
            Netlist.load(path, cells)

    module["cells"]["dff_r"]["connections"]["CK"] = module["ports"]["a"]["bits"]
    refuse("all flip-flops must have the same clock, or one gated from it, not a, clk")
    module["cells"]["dff_r"]["type"] = "SOMETHING"
    refuse("cell dff_r is a SOMETHING, which library toys does not have")
    module["cells"]["dff_r"]["type"] = "LATCH"
    refuse(r"cell dff_r \(LATCH\) is a latch")
    module["ports"]["a"]["direction"] = "inout"
    module["cells"].pop("dff_r")
    refuse("ports must be inputs or outputs, not inout")
    text["modules"]["another"] = module
    refuse("must be a flat netlist of one module")
    text.clear()
    refuse("must be a flat netlist of one module")


def test_a_reset_that_is_tied_off_is_simulated(cells, tmp_path):
    circuit = _with(("ONE", "one"), ("DFFR", "q", "a", "one"), ("DFFR", "r", "b", "1"))
    netlist = circuit.netlist(tmp_path / "n.json", cells, "q")
    simulator = Simulator(netlist)
    simulator.set_input("a", np.array([[5]], np.uint64))
    simulator.settle()
    simulator.clock()
    assert simulator.output("q").tolist() == [[5]]


# Without delays.


@pytest.mark.parametrize("seed", range(3))
def test_every_lane_is_what_python_computes(seed, cells, tmp_path):
    circuit = toys.random_circuit(random.Random(seed))
    netlist = circuit.netlist(tmp_path / "n.json", cells, "q0")
    simulator, activity = Simulator(netlist, lanes=128, seed=seed), Activity(netlist, 128)
    rng = np.random.default_rng(seed)
    watched = [0, 63, 64, 100]
    index = {name: net for net, name in enumerate(netlist.names)}
    counts = np.zeros((len(netlist.names), 128), int)
    simulator.settle()
    plain = [{name: int(lanes[lane]) for name, lanes in zip(netlist.names, unpack_lanes(simulator.state), strict=True)}
             for lane in watched]
    for _ in range(12):
        before = simulator.state.copy()
        simulator.clock()
        for port in netlist.inputs:
            simulator.set_input(port, rng.integers(0, 1 << 64, (1, 2), np.uint64))
        simulator.settle()
        activity.add(before, simulator.state)
        counts += unpack_lanes(before) != unpack_lanes(simulator.state)
        lanes = unpack_lanes(simulator.state)
        for lane, values in zip(watched, plain, strict=True):
            taken = {pins["Q"]: values[pins["D"]] for kind, pins in circuit.cells.values() if kind == "DFF"}
            values |= taken | {port: int(lanes[index[port], lane]) for port in netlist.inputs}
            toys.settle(circuit, values)
            assert values == {name: int(lanes[net, lane]) for name, net in index.items()}
    assert activity.cycles == 12
    assert counts.any()
    np.testing.assert_array_equal(activity.toggles, counts.sum(axis=1))


def test_lanes_must_fill_words(cells, tmp_path):
    netlist = toys.carry_chain(2).netlist(tmp_path / "n.json", cells)
    for lanes in (0, 32, 65):
        with pytest.raises(ValueError, match=f"positive multiple of 64, not {lanes}"):
            Simulator(netlist, lanes=lanes)


# With delays.


def _cycles(netlist, count, seed=0):
    """Settled states of consecutive cycles with random inputs."""
    simulator = Simulator(netlist, seed=seed)
    rng = np.random.default_rng(seed)
    simulator.settle()
    states = [simulator.state.copy()]
    for _ in range(count):
        simulator.clock()
        for port, nets in netlist.inputs.items():
            simulator.set_input(port, rng.integers(0, 1 << 64, (len(nets), 1), np.uint64))
        simulator.settle()
        states.append(simulator.state.copy())
    return states


@pytest.mark.parametrize("seed", range(4))
def test_transitions_are_those_of_an_event_queue(seed, cells, tmp_path):
    rng = random.Random(seed)
    circuit = toys.random_circuit(rng) if seed else toys.carry_chain(12)
    netlist = circuit.netlist(tmp_path / "n.json", cells, "q0" if seed else "s0")
    drawn = np.array([rng.choice((1, 2, 3, 7, 20, 64, 70, 131)) for _ in netlist.names])
    drawn[np.concatenate([[0, 1], *netlist.inputs.values()])] = 0
    simulator = GlitchSimulator(netlist, drawn.astype(float), steps=1)
    longest = round(simulator.step_ps)
    simulator = GlitchSimulator(netlist, drawn.astype(float), steps=longest)
    assert simulator.step_ps == 1
    np.testing.assert_array_equal(simulator.delays, drawn)
    delays = dict(zip(netlist.names, drawn.tolist(), strict=True))
    lanes = np.array([3, 17, 40])
    more, fewer = 0, 0
    for before, after in pairwise(_cycles(netlist, 6, seed)):
        with_delays, without = simulator.toggles(before, after, lanes)
        due = np.zeros(len(netlist.names), int)
        for lane in lanes:
            old, new = (dict(zip(netlist.names, unpack_lanes(state)[:, lane].tolist(), strict=True))
                        for state in (before, after))
            sources = {netlist.names[net]: new[netlist.names[net]] for net in
                       np.concatenate([*netlist.inputs.values(), netlist.flop_nets])}
            counted = toys.events(circuit, delays, old, sources)
            due += [counted[name] for name in netlist.names]
        np.testing.assert_array_equal(with_delays, due)
        assert ((with_delays - without) % 2 == 0).all()
        more, fewer = more + with_delays.sum(), fewer + without.sum()
    assert more > fewer > 0


@pytest.mark.parametrize(("wait", "others", "pulses"), [("BUF", "", 0), ("MAJ", "01", 0), ("XOR", "0", 2)])
def test_a_pulse_passes_if_it_lasts_as_long_as_the_gate_delay(wait, others, pulses, cells, tmp_path):
    """XOR (35 ps) of a signal and of its copy that comes 20, 30 or 35 ps later."""
    circuit = toys.Circuit("a")
    late = circuit.add(wait, "late", "a", *others)
    circuit.add("XOR", "y", "a", late)
    netlist = circuit.netlist(tmp_path / "n.json", cells, "y")
    delays = delays_of(netlist, MeanTables(), slew_ps=8)
    simulator = GlitchSimulator(netlist, delays.delays, steps=toys.CELLS[wait][2] + 35)
    before, after = Simulator(netlist), Simulator(netlist)
    after.set_input("a", np.full((1, 1), words_module.ALL))
    before.settle()
    after.settle()
    with_delays, without = simulator.toggles(before.state, after.state, np.arange(64))
    y = netlist.names.index("y")
    assert (with_delays[y], without[y]) == (64 * pulses, 0)


def test_states_that_do_not_follow_are_noticed(cells, tmp_path):
    netlist = toys.carry_chain(3).netlist(tmp_path / "n.json", cells)
    before, after = _cycles(netlist, 1)
    after[netlist.gate_nets[0]] ^= np.uint64(1)
    simulator = GlitchSimulator(netlist, delays_of(netlist, MeanTables(), slew_ps=8).delays)
    with pytest.raises(RuntimeError, match="do not settle as given"):
        simulator.toggles(before, after, np.arange(64))
    with pytest.raises(ValueError, match="steps must be at least 1, not 0"):
        GlitchSimulator(netlist, np.zeros(len(netlist.names)), steps=0)


def test_lanes_may_be_simulated_in_parts(cells, tmp_path, monkeypatch):
    netlist = toys.carry_chain(6).netlist(tmp_path / "n.json", cells)
    before, after = _cycles(netlist, 1)
    simulator = GlitchSimulator(netlist, delays_of(netlist, MeanTables(), slew_ps=8).delays)
    whole = simulator.toggles(before, after, np.arange(64))
    monkeypatch.setattr("gemmsmith_sim.measure.gates.glitch.MEMORY", 8 * len(netlist.names) * 100)
    parts = simulator.toggles(before, after, np.arange(64))
    np.testing.assert_array_equal(whole, parts)


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
def test_a_carry_chain_glitches_as_in_icarus(cells, tmp_path):
    netlist = toys.carry_chain(16).netlist(tmp_path / "n.json", cells)
    ours, theirs = icarus(netlist, delays_of(netlist, MeanTables(), slew_ps=8).delays, _cycles(netlist, 20), [0, 9],
                          tmp_path, steps=500)
    assert ours.sum() > 1.2 * sum(map(np.count_nonzero, ours))
    np.testing.assert_array_equal(ours, theirs)


def icarus(netlist, delays, states, lanes, directory, steps):
    """Transitions of every net: ours and those of Icarus Verilog, lanes added up."""
    simulator = GlitchSimulator(netlist, delays, steps=steps)
    ours = sum(simulator.toggles(before, after, np.array(lanes))[0]
               for before, after in pairwise(states))
    theirs = np.zeros(len(netlist.names), int)
    for lane in lanes:
        values = [unpack_lanes(state)[:, lane].tolist() for state in states]
        text = toys.verilog(netlist, simulator.delays.tolist(), values, 64 * (steps // 64 + 2))
        (directory / "toggles.v").write_text(text)
        for command in (["iverilog", "-o", "toggles", "toggles.v"], ["vvp", "-n", "toggles"]):
            subprocess.run(command, cwd=directory, check=True, capture_output=True, timeout=300)
        theirs += toys.vcd_toggles(directory / "toggles.vcd", len(netlist.names))
    return ours, theirs


# Delays and energy.


def test_delays_are_the_tables(cells, tmp_path):
    netlist = toys.carry_chain(3).netlist(tmp_path / "n.json", cells, "s2")
    delays = delays_of(netlist, MeanTables(), slew_ps=12, output_load_ff=4)
    of = dict(zip(netlist.names, delays.delays, strict=True))
    assert (of["qa0"], of["half1"], of["carry1"], of["a1"]) == (toys.FLOP_PS, 35, 30, 0)
    slews = dict(zip(netlist.names, delays.slews, strict=True))
    assert (slews["a1"], slews["half1"], slews["qa0"]) == (12, 8, 8)
    assert delays.loads[netlist.names.index("s2")] == 4


def test_energy_is_what_was_counted_times_what_it_costs(cells, tmp_path):
    """A flip-flop that toggles in every cycle, one that stands still at 1, and gates that do and do not follow."""
    circuit = _with(("INV", "next", "q"), ("DFF", "q", "next"), ("DFF", "still", "1"), ("NAND", "y", "q", "0"))
    netlist = circuit.netlist(tmp_path / "n.json", cells, "y")
    simulator, activity = Simulator(netlist), Activity(netlist, 64)
    simulator.clock()
    simulator.settle()
    for _ in range(10):
        before = simulator.state.copy()
        simulator.clock()
        simulator.settle()
        activity.add(before, simulator.state)
    delays = delays_of(netlist, MeanTables(), slew_ps=8)
    energies = PowerModel(netlist, delays, MeanTables(), toys.VOLTAGE).energies(activity)
    cycles = 10 * 64
    charge = toys.VOLTAGE**2 / 2
    total = energies.total()
    assert total["switching"] == pytest.approx(cycles * 3 * toys.PIN_FF * charge)  # INV, NAND, and D of the flip-flop
    # Output of INV, and of the flip-flop; D's transition and that of NAND's input change no output.
    assert total["internal"] == pytest.approx(cycles * (toys.OUTPUT_FJ + toys.FLOP_FJ + 2 * toys.HIDDEN_FJ))
    rise, fall = toys.CLOCK_FJ["IQ"]
    falls = (fall + toys.CLOCK_FJ["!IQ"][1]) / 2  # of the one that toggles; its rising edges are in the output's energy
    assert total["clock"] == pytest.approx(cycles * (rise + fall + falls + 2 * 2 * toys.CLOCK_FF * charge))
    doubled = PowerModel(netlist, delays, MeanTables(), toys.VOLTAGE).energies(activity, 2 * activity.toggles).total()
    assert doubled["switching"] == pytest.approx(2 * total["switching"])
    assert doubled["clock"] == total["clock"]


def test_tables_of_different_grids_are_averaged(cells):
    tables = MeanTables()
    pin = cells.cells["INV"].pins["Y"]
    rise = replace(pin.timings[0].cell_rise, index_1=np.array([0.0, 10.0]), values=np.array([[2.0], [4.0]]))
    changed = replace(pin, timings=(replace(pin.timings[0], cell_rise=rise),))
    cell = replace(cells.cells["INV"], pins={**cells.cells["INV"].pins, "Y": changed})
    mean = tables.delay(cell, "Y", "A")
    assert mean is not None
    assert float(mean.lookup(5, 0)) == pytest.approx((3 + 10) / 2)
    assert tables.delay(cell, "Y", "B") is None
