"""estimate."""

import json
import os
import subprocess
import sys

import pytest

from gemmsmith_sim.measure.estimate import estimate


def test_figures_are_those_of_the_model(run):
    report = json.loads(run("estimate", "int8", "rows=2", "cols=4", "lanes=4", "--json").out)
    from gemmsmith.emit import BuildConfig

    config = BuildConfig.resolve("int8", {"rows": "2", "cols": "4", "lanes": "4"})
    said = estimate(config, "ecp5")
    assert report["config"] == config.model_dump()
    assert report["cells"] == dict(said.cells)
    assert report["band"] == dict(said.band)
    assert report["macs_per_cycle"] == 2 * 4 * 4
    assert {device["device"] for device in report["devices"]} >= {"LFE5U-25F", "LFE5U-85F"}
    for device in report["devices"]:
        assert device["share"]["bram"] > 0


def test_table_says_what_it_is(run):
    ran = run("estimate", "anda-m6", "rows=16", "cols=4")
    assert ran.code == 0
    assert "±" in ran.out
    assert "LFE5U-85F" in ran.out
    assert "Median error on" in ran.out
    assert "designs it has not seen" in ran.out
    assert "Outside the calibrated range: rows = 16" in ran.out
    assert ran.err == ""


def test_it_fits_or_not(run):
    def fits(*choices):
        report = json.loads(run("estimate", "int8", *choices, "--json").out)
        return {device["device"]: device["fits"] for device in report["devices"]}

    small, large = fits("level=pe", "lanes=1"), fits("rows=64", "cols=64", "lanes=64")
    assert set(small.values()) == {"yes"}
    assert set(large.values()) == {"no"}


def test_without_dsp_blocks(run):
    report = json.loads(run("estimate", "anda-m6", "--no-dsp", "--json").out)
    assert report["dsp_blocks"] is False
    assert report["cells"]["dsp"] == 0
    assert json.loads(run("estimate", "anda-m6", "--json").out)["cells"]["dsp"] >= 1


def test_cycles_of_an_array(run):
    """8 × 8 outputs on 4 × 4 are four blocks; of a block, the schedule's cycles."""
    report = json.loads(run("estimate", "fp16", "level=tile", "m=8", "n=8", "k=100", "--json").out)
    product = report["product"]
    assert (product["m"], product["n"], product["k"]) == (8, 8, 100)
    assert 400 <= product["cycles"] < 500
    assert product["of_peak"] == pytest.approx(8 * 8 * 100 / product["cycles"] / 16)


def test_cycles_of_a_coprocessor(run):
    ran = run("estimate", "int8", "lanes=4", "m=16", "n=16", "k=1024")
    assert "16 × 16 × 1024 (m × n × k):" in ran.out
    assert "% of the peak" in ran.out


def test_m_alone_is_the_mantissa(run):
    report = json.loads(run("estimate", "anda-m6", "m=4", "--json").out)
    assert report["config"]["scheme"].startswith("anda-m4-")
    assert "product" not in report


def test_refusals(refused):
    assert "m, n and k are given together" in refused("estimate", "int8", "n=4")
    assert "m, n and k are given together" in refused("estimate", "int8", "m=4", "n=4", "k=0")
    assert "there is no" not in refused("estimate", "int8", "rows=0")
    assert "target must be one of" in refused("estimate", "int8", "--target", "tpu")
    assert "no choice 'speed'" in refused("estimate", "int8", "speed=9")
    assert "no scheme" in refused("estimate", "int9")


def test_nothing_is_elaborated_and_it_is_quick():
    """A second of wall time is the aim; on a busy machine only the processor's own time can be held to it."""
    code = ("import sys; from gemmsmith_cli.main import main; code = main(['estimate', 'int8', 'rows=64', 'cols=64']); "
            "import resource; use = resource.getrusage(resource.RUSAGE_SELF); "
            "print(use.ru_utime + use.ru_stime, 'numpy' in sys.modules, file=sys.stderr); sys.exit(code)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env={**os.environ, "COLUMNS": "120"}, timeout=120)
    seconds, numpy = done.stderr.split()
    assert float(seconds) < 2
    assert numpy == "False"
