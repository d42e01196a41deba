"""``gemmsmith bench``: what it writes, what it refuses."""

import json

import pytest

from gemmsmith_cli.errors import NO_TOOL
from gemmsmith_sim.measure.bench import Outcome, load

CORES = ("bench", "anda-m4,m_max=4", "--level", "core", "--seeds", "0", "--perplexity-tokens", "0", "--workers", "1")


def test_two_cores_side_by_side_and_again_from_the_store(run, tmp_path, monkeypatch):
    monkeypatch.setenv("GEMMSMITH_CACHE", str(tmp_path / "cache"))
    first = run(*CORES, "-o", tmp_path / "a")
    assert first.code == 0, first.err
    bench = load(tmp_path / "a")
    assert [row.unit for row in bench.rows] == ["fp16", "anda-m4,m_max=4"]  # the baseline was added
    small = bench.rows[1]
    assert small.eq > 100
    assert small.relative.area_per_throughput < 0.2
    assert small.error.outputs > 1000
    assert "synth_ecp5 -nodsp" in bench.provenance.scripts["ecp5/no-dsp"]
    assert "written to" in first.out
    second = run(*CORES, "-o", tmp_path / "b", "--json")
    assert (tmp_path / "b" / "bench.json").read_text() == (tmp_path / "a" / "bench.json").read_text()
    assert json.loads(second.out)["rows"][1]["eq"] == small.eq


def test_what_could_not_be_measured_is_told_and_the_rest_is_written(run, tmp_path, monkeypatch):
    def measured(plans, **_):
        failed = Outcome(failure="nextpnr: does not fit")
        return [plan.bench({job.name: failed for job in plan.jobs()}) for plan in plans]

    monkeypatch.setattr("gemmsmith_cli.bench.measure_all", measured)
    result = run("bench", "fp16", "-o", tmp_path / "out")
    assert result.code == NO_TOOL
    assert "gemmsmith: not measured: emit fp16 (pe): nextpnr: does not fit\n" in result.err
    assert load(tmp_path / "out").rows[0].failures == ["emit fp16 (pe): nextpnr: does not fit"]


@pytest.mark.parametrize(("arguments", "message"), [
    (("int9",), "no scheme is called 'int9'"),
    (("int8,lanes",), "units are written SCHEME,key=value"),
    (("int8", "--target", "virtex"), "target must be one of"),
    (("int8", "--target", "asic:nowhere"), "nowhere"),
    (("int8", "--liberty", "x.lib"), "--liberty goes with exactly one --target asic:NAME"),
    (("int8", "--clock-gating", "yes"), "--clock-gating goes with a --target asic:NAME, not with ecp5 alone"),
    (("--suite", "anda", "--clock-gating", "both", "--target", "xcup"), "not with xcup alone"),
    (("--suite", "andes"), "no suite is called 'andes'; there are anda"),
    (("int8", "--suite", "anda"), "the suite has no unit 'int8'; it has fp16, "),
    (("fp16", "--suite", "anda", "--precision", "nowhere.json"), "nowhere.json: cannot be read"),
    (("--suite", "anda", "--level", "core"), "--suite says itself what is built and compared"),
    (("fp16", "--precision", "x.json"), "--precision goes with --suite"),
])
def test_bad_input_is_refused_in_a_line(refused, tmp_path, arguments, message):
    assert message in refused("bench", *arguments, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_suite_is_written_in_three_files(run, tmp_path, monkeypatch):
    def measured(plans, **_):
        return [plan.bench({job.name: Outcome(failure="yosys: is missing") for job in plan.jobs()}) for plan in plans]

    monkeypatch.setattr("gemmsmith_cli.suite.measure_all", measured)
    result = run("bench", "fp16", "--suite", "anda", "-o", tmp_path / "out")
    assert result.code == NO_TOOL
    assert "yosys: is missing" in result.err
    record = json.loads((tmp_path / "out/suite.json").read_text())
    assert (record["schema"], record["units"], record["system"]) == ("gemmsmith-suite-1", [], [])
    assert "yosys: is missing" in (tmp_path / "out/suite.md").read_text()
    assert load(tmp_path / "out").rows == []
