"""The cost model: against measured designs, and what its calibration file must say."""

import json
import statistics
import time

import pytest

from gemmsmith.emit import BuildConfig, ConfigError
from gemmsmith_sim.measure.estimate import DEVICES, estimate, shipped
from gemmsmith_sim.measure.estimate.designs import WHOLE, Design, designs, held_back
from gemmsmith_sim.measure.estimate.memories import FABRICS, Footprint
from gemmsmith_sim.measure.estimate.parts import inventory, part_features

RESOURCES = ("lut", "carry", "ff", "dsp", "bram", "eq")
UNSEEN = [Design(WHOLE, "fp16", "level=tile rows=1 cols=1"),
          Design(WHOLE, "anda-m4", "rows=1 cols=1 m_max=8 buffer_k=256")]
"""Two designs of the held-back set that synthesise within a minute."""


def config(scheme, **choices):
    return BuildConfig.resolve(scheme, {name: str(value) for name, value in choices.items()})


def design(key):
    """The design of this name."""
    return next(one for one in designs() if one.key == key)


def measured(target="ecp5", dsp=True):
    """Measured points of a target, as (design, cells)."""
    found = [(design(point["design"]), point) for point in shipped()["points"]
             if (point["target"], point["dsp_blocks"]) == (target, dsp)]
    assert len(found) >= 45
    return found


def check_live(one, point):
    """A point of the shipped calibration is what synthesis says today."""
    from gemmsmith_sim.measure.estimate.points import measure

    today = measure(one, "ecp5", dsp=True)
    assert {r: today[r] for r in RESOURCES[:-1]} == {r: point[r] for r in RESOURCES[:-1]}


def test_every_design_is_measured_once():
    points = [(point["design"], point["dsp_blocks"]) for point in shipped()["points"]]
    assert len(set(points)) == len(points)
    assert [key for key, dsp in points if dsp] == [one.key for one in designs()]
    multiplying = {point["design"] for point in shipped()["points"] if point["dsp"]}
    without = {key for key, dsp in points if not dsp}
    assert without
    assert without == multiplying & {one.key for one in designs(dsp=False)}


def test_held_back_designs_are_many_and_no_parts():
    whole = [one for one in designs() if one.kind == WHOLE]
    unseen = [one for one in whole if held_back(one.key)]
    assert len(unseen) >= 15
    assert len(whole) - len(unseen) >= 10
    assert not any(held_back(one.key) for one in designs() if one.kind != WHOLE)
    assert {one.config.parsed_scheme().family for one in unseen} == {"fp16", "int8", "anda"}
    assert {one.config.level for one in unseen} >= {"tile", "coprocessor"}


def test_error_on_unseen_designs():
    """Recomputed here from the measured points: at most 15 % at the median, and what the file says of itself."""
    unseen = [(one, point) for one, point in measured() if held_back(one.key)]
    stated = shipped()["models"]["ecp5"]["held_back"]
    assert stated["count"] == len(unseen) >= 15
    for resource in RESOURCES:
        off = []
        for one, point in unseen:
            truth = point["lut"] + 2 * point["carry"] if resource == "eq" else point[resource]
            off.append(abs(estimate(one.config, "ecp5").cells[resource] - truth) / max(1, truth))
        assert statistics.median(off) <= 0.15, resource
        assert statistics.median(off) == pytest.approx(stated["errors"][resource]["median"], abs=0.002)
        assert max(off) == pytest.approx(stated["errors"][resource]["worst"], abs=0.002)
        assert sum(error <= stated["errors"][resource]["p90"] + 0.002 for error in off) >= 0.9 * len(off)


def test_block_rams_follow_from_shapes():
    """The rule of block RAM or LUTs, against every measured design: exact."""
    for one, point in measured():
        if one.kind == WHOLE:
            assert inventory(one.config, FABRICS["ecp5"]).block_rams == point["bram"], one.key


def test_memories_of_a_family():
    ecp5 = FABRICS["ecp5"]
    assert ecp5.footprint(32, 1024, clocked=True).block_rams == 2
    assert ecp5.footprint(36, 512, clocked=True).block_rams == 1
    assert ecp5.footprint(32, 2, clocked=True) == Footprint(luts=48, ffs=32)
    assert ecp5.footprint(256, 32, clocked=True) == Footprint(luts=768, ffs=256, choices=256)
    assert ecp5.footprint(32, 1024, clocked=False).block_rams == 0  # block RAM cannot be read without a clock


def test_more_costs_more():
    for scheme in ("fp16", "int8", "anda-m6"):
        last = None
        for rows, cols in ((1, 1), (2, 1), (2, 2), (4, 4), (8, 16), (64, 64)):
            cells = estimate(config(scheme, rows=rows, cols=cols), "ecp5").cells
            assert last is None or all(cells[r] > last[r] for r in ("lut", "carry", "ff", "eq"))
            last = cells
    lanes = [estimate(config("int8", lanes=n, level="pe"), "ecp5").cells["eq"] for n in (1, 2, 4, 8, 16, 32, 64)]
    assert lanes == sorted(set(lanes))


def test_core_alone_is_what_synthesis_says():
    """A configuration that is in no list: synthesised here, within the band."""
    one = Design(WHOLE, "int8", "level=core lanes=8")
    from gemmsmith_sim.measure.estimate.points import measure

    truth, said = measure(one, "ecp5", dsp=True), estimate(one.config, "ecp5")
    for resource in ("lut", "carry", "ff"):
        assert abs(said.cells[resource] - truth[resource]) <= 0.1 * truth[resource]
    assert said.cells["dsp"] == truth["dsp"] == 0


@pytest.mark.parametrize("key", ["feeder fp16", "tail fp16"])
def test_calibration_is_of_this_hardware(key):
    """If this fails the hardware has changed: calibrate again."""
    check_live(*next((one, point) for one, point in measured() if one.key == key))


@pytest.mark.slow
@pytest.mark.parametrize("one", UNSEEN, ids=lambda one: one.key)
def test_unseen_designs_are_within_the_band(one):
    from gemmsmith_sim.measure.estimate.points import measure

    assert held_back(one.key)
    truth, said = measure(one, "ecp5", dsp=True), estimate(one.config, "ecp5")
    for resource in ("lut", "ff", "carry", "bram", "dsp"):
        assert abs(said.cells[resource] - truth[resource]) <= said.band[resource] * truth[resource] + 1, resource


@pytest.mark.slow
def test_without_multiplications_dsp_blocks_change_nothing():
    """Why a design without DSP blocks is measured once for both variants."""
    from gemmsmith_sim.measure.estimate.points import measure

    one = design("loader int8 lanes=16 rows=2 cols=4")
    with_blocks, without = measure(one, "ecp5", dsp=True), measure(one, "ecp5", dsp=False)
    assert with_blocks["dsp"] == 0
    assert all(with_blocks[r] == without[r] for r in ("lut", "carry", "ff", "bram"))


def test_fit_is_reproducible():
    pytest.importorskip("scipy", reason="scipy fits the model (pip install 'gemmsmith[dev]')")
    from gemmsmith_sim.measure.estimate.calibrate import calibrate

    again, known = calibrate(shipped()), shipped()
    assert again["points"] == known["points"]
    for name, model in known["models"].items():
        for resource, sizes in model["assembly"].items():
            assert again["models"][name]["assembly"][resource] == pytest.approx(sizes, rel=1e-3, abs=1e-6)
        assert again["models"][name]["range"] == model["range"]


def test_fit_wants_whole_designs():
    pytest.importorskip("scipy", reason="scipy fits the model (pip install 'gemmsmith[dev]')")
    from gemmsmith_sim.measure.estimate.fit import fit

    parts = [(one, point) for one, point in measured() if one.kind != WHOLE]
    with pytest.raises(ValueError, match="whole builds"):
        fit(parts, FABRICS["ecp5"])


def test_outside_the_range_is_said():
    assert estimate(config("int8", rows=4, cols=4), "ecp5").outside == ()
    outside = estimate(config("int8", rows=200, cols=4, lanes=64, axi_data_width=512), "ecp5").outside
    assert [line.split(" = ")[0] for line in outside] == ["lanes", "rows", "axi_data_width"]
    assert "rows = 200, calibrated 1 to" in outside[1]
    # A tile has no bus, so its width does not matter.
    assert estimate(config("int8", level="tile", axi_data_width=512), "ecp5").outside == ()


def test_refusals(monkeypatch):
    with pytest.raises(ValueError, match="target must be one of ecp5"):
        estimate(config("int8"), "tpu")
    with pytest.raises(ConfigError):
        config("int8", lanes=3)
    with pytest.raises(ValueError, match="kind must be one of core"):
        part_features(config("int8"), "chip", FABRICS["ecp5"])
    content = json.loads(json.dumps(shipped()))
    for model in content["models"].values():
        model["parts"] = {key: part for key, part in model["parts"].items() if not key.endswith("/fp16")}
    monkeypatch.setattr("gemmsmith_sim.measure.estimate.calibration.shipped", lambda: content)
    with pytest.raises(ValueError, match="not calibrated for fp16, only for anda, int8"):
        estimate(config("fp16"), "ecp5")


def test_a_build_that_compresses_is_refused():
    with pytest.raises(ValueError, match="the estimate does not know compress=8"):
        estimate(config("fp16", out="fp16", compress=8), "ecp5", dsp=False)


def test_devices_have_what_is_estimated():
    for device in DEVICES:
        share = device.share({"lut": 1000, "eq": 1200, "ff": 900, "dsp": 0, "bram": 2})
        assert all(0 <= part < 1 for part in share.values())
        assert device.source


def test_an_estimate_takes_milliseconds():
    build = config("int8", rows=64, cols=64)
    estimate(build, "ecp5")
    start = time.process_time()
    for _ in range(10):
        estimate(build, "ecp5")
    assert time.process_time() - start < 1
