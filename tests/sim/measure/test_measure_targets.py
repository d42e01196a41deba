import pytest

from gemmsmith_sim.measure.routers import ROUTERS
from gemmsmith_sim.measure.targets import KINDS, TARGETS, get_target, yosys_share
from gemmsmith_sim.measure.tools import find_tool


@pytest.mark.parametrize("name", TARGETS)
def test_targets_are_consistent(name):
    target = get_target(name)
    assert target.name == name
    assert set(target.cells) <= set(KINDS)
    assert (yosys_share() / target.models).is_file()
    assert all(target.kind(cell) == "lutrams" for cell in target.lutram_luts)
    assert all(target.kind(cell) == "luts" for cell in target.luts_per_cell)
    assert all(target.kind(cell) in ("dsps", "brams") for cell in target.unmodelled)
    assert target.dsp_on or target.dsp_off


@pytest.mark.parametrize("name", ROUTERS)
def test_routers_are_consistent(name):
    router = ROUTERS[name]
    assert name in TARGETS
    assert router.device in router.packages
    assert find_tool(router.tool).extra == "synth"
    assert bool(router.pins) == bool(router.pin_line) == ("pins.txt" in router.command(router.device, 400))
    assert router.framed == bool(TARGETS[name].clock_pins)
    for device, package in router.packages.items():
        assert device in router.command(device, 400)
        assert package in router.command(device, 400)


def test_command_of_synthesis():
    nexus = get_target("nexus")
    assert nexus.synth_command("top", dsp=True, flatten=False, pads=True, options=["-nobram"]) == (
        "synth_nexus -noflatten -nobram -top top -json netlist.json"
    )
    assert nexus.synth_command("top", dsp=False, flatten=True) == (
        "synth_nexus -noiopad -nodsp -top top -json netlist.json"
    )
