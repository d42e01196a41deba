"""Energy of units that were really mapped: to a toy library here, to a published one in the long tier."""

import json
import os
import random
import shutil
from dataclasses import replace

import gate_toys as toys
import numpy as np
import pytest
from test_measure_gates import icarus

from gemmsmith.emit import BuildConfig, emit
from gemmsmith_sim.measure.asic import synthesize_asic
from gemmsmith_sim.measure.energy import measure_energy
from gemmsmith_sim.measure.gates import MeanTables, Netlist, Simulator, delays_of
from gemmsmith_sim.measure.gates.bench import Bench, MismatchError
from gemmsmith_sim.measure.liberty import library
from gemmsmith_sim.measure.liberty.boundary import boundary
from gemmsmith_sim.measure.stimulus import make_stimulus

SMALL = {"blocks": 2, "k": 32, "lanes": 64, "glitch_cycles": 6, "glitch_lanes": 16}


def _config(scheme: str, **choices: str) -> BuildConfig:
    return BuildConfig.resolve(scheme, {"level": "pe", "name": "unit", **choices})


def _mapped(config: BuildConfig, cells, directory):
    source = directory / "unit.v"
    source.write_text(emit(config.top(), name="unit").verilog)
    return synthesize_asic([source], "unit", cells).netlist


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return toys.library(tmp_path_factory.mktemp("liberty"))


@pytest.fixture(scope="module")
def unit(cells, tmp_path_factory):
    """An INT8 unit of one lane: its build, and its netlist of toy cells."""
    config = _config("int8", lanes="1")
    return config, _mapped(config, cells, tmp_path_factory.mktemp("unit"))


@pytest.fixture(scope="module")
def measured(unit, cells):
    config, netlist = unit
    return measure_energy(netlist, config, cells, **SMALL)


def test_figures_add_up(measured, unit, cells):
    assert measured.outputs_checked == 3 * 64
    assert (measured.macs, measured.cycles, measured.lanes) == (64, 64, 64)
    assert (measured.glitch_cycles, measured.glitch_lanes) == (6, 16)
    assert list(measured.breakdown) == ["switching", "internal", "clock", "leakage"]
    assert all(energy > 0 for energy in measured.breakdown.values())
    assert sum(measured.breakdown.values()) == pytest.approx(measured.fj_per_mac_glitch)
    assert sum(measured.modules.values()) == pytest.approx(measured.fj_per_mac_glitch)
    assert measured.fj_per_mac_glitch > measured.fj_per_mac
    assert measured.toggles_glitch > measured.toggles
    instances = sum(len(part.instances) for part in Netlist.load(unit[1], cells).parts)
    # nW · ns = 10⁻³ fJ: one cycle of 2 ns for each multiply-accumulate.
    assert measured.breakdown["leakage"] == pytest.approx(instances * toys.LEAKAGE_NW * 2e-3)


def test_clock_energy_is_that_of_all_flip_flops(measured, unit, cells):
    """Between what they cost if every state were the dearest and if it were the cheapest."""
    flops = sum(len(part.instances) for part in Netlist.load(unit[1], cells).flops)
    pins = toys.CLOCK_FF * toys.VOLTAGE**2
    falls = [fall for _, fall in toys.CLOCK_FJ.values()]
    assert flops * (pins + min(falls)) < measured.breakdown["clock"]
    assert measured.breakdown["clock"] < flops * (pins + max(map(sum, toys.CLOCK_FJ.values())))


def test_results_are_kept_by_content(measured, unit, cells):
    config, netlist = unit
    again = measure_energy(netlist, config, cells, **SMALL)
    assert again == replace(measured, cached=True)
    assert json.loads(json.dumps(measured.to_dict())) == measured.to_dict()
    fresh = measure_energy(netlist, config, cells, **SMALL, fresh=True)
    assert replace(fresh, seconds=0) == replace(measured, seconds=0)


def test_glitches_may_be_left_out(measured, unit, cells):
    config, netlist = unit
    plain = measure_energy(netlist, config, cells, **SMALL, glitches=False)
    assert plain.fj_per_mac == measured.fj_per_mac == pytest.approx(sum(plain.breakdown.values()))
    assert (plain.fj_per_mac_glitch, plain.toggles_glitch, plain.glitch_cycles) == (None, None, 0)
    slow = measure_energy(netlist, config, cells, **SMALL, glitches=False, frequency_mhz=100)
    assert slow.breakdown == plain.breakdown | {"leakage": pytest.approx(5 * plain.breakdown["leakage"])}


SWAPS = {"NAND": "NOR", "NOR": "NAND", "XOR": "NAND", "INV": "BUF", "BUF": "INV"}


@pytest.mark.parametrize("seed", range(6))
def test_a_netlist_with_one_wrong_cell_is_found_out(seed, unit, cells, tmp_path):
    """Of cells that some output of the unit depends on: those between the operands and the accumulator."""
    config, netlist = unit
    text = json.loads(netlist.read_text())
    module = text["modules"]["unit"]["cells"]
    names = sorted(name for name, cell in module.items() if cell["type"] in SWAPS and ".core_0" in name)
    assert len(names) > 50
    chosen = module[random.Random(seed).choice(names)]
    chosen["type"] = SWAPS[chosen["type"]]
    mutant = tmp_path / "netlist.json"
    mutant.write_text(json.dumps(text))
    with pytest.raises(MismatchError, match=r"output \d+ of lane \d+ is 0x[0-9a-f]{8} and must be 0x|differs between "
                                            "lanes|is stuck|was saturated|TLAST|too many"):
        measure_energy(mutant, config, cells, **SMALL, glitches=False)


def test_what_cannot_be_measured_is_refused(unit, cells):
    config, netlist = unit
    with pytest.raises(ValueError, match="energy is measured at level pe or tile, not core"):
        measure_energy(netlist, _config("int8", level="core"), cells)
    with pytest.raises(ValueError, match="must have an input s_axis_a_code_tdata of 16 bits: is it of this unit"):
        measure_energy(netlist, _config("fp16"), cells, **SMALL)
    with pytest.raises(ValueError, match="frequency_mhz must be positive, not 0"):
        measure_energy(netlist, config, cells, frequency_mhz=0)
    with pytest.raises(ValueError, match="lanes must be a multiple of 64, not 65"):
        measure_energy(netlist, config, cells, **{**SMALL, "lanes": 65})


# The long tier: published cells.


@pytest.fixture(scope="module")
def asap7():
    if not os.environ.get("GEMMSMITH_LIBERTY"):
        pytest.skip("GEMMSMITH_LIBERTY names no directory with the files of ASAP7")
    return library("asap7")


@pytest.mark.slow
def test_one_netlist_serves_all_modes(asap7, tmp_path):
    """Anda at M = 3 and 8 on hardware for M ≤ 8: more planes take more cycles and energy, but not in proportion."""
    netlist = _mapped(_config("anda-m8", m_max="8"), asap7, tmp_path)
    short, long = (measure_energy(netlist, _config(scheme, m_max="8"), asap7, blocks=2, lanes=64, glitches=False)
                   for scheme in ("anda-m3", "anda-m8"))
    assert long.cycles == 2 * 4 * 9
    assert 2 * 4 * 4 <= short.cycles < long.cycles
    assert 1.2 < long.fj_per_mac / short.fj_per_mac < 9 / 4


@pytest.mark.slow
def test_a_tile_is_measured(asap7, tmp_path):
    config = _config("int8", level="tile", rows="2", cols="2", lanes="4")
    result = measure_energy(_mapped(config, asap7, tmp_path), config, asap7, **SMALL)
    assert result.outputs_checked == 3 * 4 * 64
    assert result.macs == 2 * 4 * 32


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
def test_a_unit_glitches_as_in_icarus(asap7, tmp_path):
    """Transitions of FP16 on real tensors, delays from the tables: all nets together, and each by itself."""
    config = _config("fp16")
    netlist = Netlist.load(_mapped(config, asap7, tmp_path), asap7)
    bench = Bench(Simulator(netlist), make_stimulus(config.element(), rows=1, cols=1, blocks=2, k=64, lanes=64))
    states = []
    for _ in range(60):
        bench.drive()
        states.append(bench.simulator.state.copy())
        bench.take()
    delays = delays_of(netlist, MeanTables(), slew_ps=boundary(asap7).input_slew_ps).delays
    ours, theirs = icarus(netlist, delays, states[-9:], [0, 33], tmp_path, steps=960)
    assert theirs.sum() > 10_000
    assert abs(ours.sum() / theirs.sum() - 1) < 0.05
    assert np.abs(ours - theirs).sum() / theirs.sum() < 0.05
