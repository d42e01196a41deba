"""compare."""

import copy
import json
import re
from pathlib import Path

import pytest

from gemmsmith_sim.measure.bench.compare import parse_bounds


def _record():
    row = {"unit": "int8", "scheme": "int8", "level": "core", "target": "ecp5", "variant": "no-dsp",
           "macs_per_cycle": 4, "latency_cycles": 7, "eq": 1000,
           "fmax_mhz": {"median": 50, "q1": 49, "q3": 51, "seeds": {"1": 48, "2": 50, "3": 52}}}  # fmt: skip
    provenance = {"gemmsmith": "0", "tools": {}, "scripts": {}, "seeds": [1, 2, 3], "notes": []}
    return {"schema": "gemmsmith-bench-1", "provenance": provenance, "rows": [row]}


@pytest.fixture
def records(folder):
    """base/bench.json and head.json, whose area is 5 % larger."""
    base, head = _record(), copy.deepcopy(_record())
    head["rows"][0]["eq"] = 1050
    (folder / "base").mkdir()
    (folder / "base/bench.json").write_text(json.dumps(base))
    (folder / "head.json").write_text(json.dumps(head))
    return "base", "head.json"


def test_table(run, records, folder):
    ran = run("compare", *records, "-o", "comment.md")
    assert ran.code == 0
    assert "| int8 | core | ecp5/no-dsp | area (eq) | 1000 | 1050 | +5.00 % | **worse** |" in ran.out
    assert "latency" not in ran.out
    assert (folder / "comment.md").read_text() == ran.out
    assert "latency" in run("compare", *records, "--all").out


def test_broken_bounds_fail_after_the_table(run, records):
    assert run("compare", *records, "--fail-on", "area=+5%,fmax=-5%").code == 0
    ran = run("compare", *records, "--fail-on", "area=+4.9%,fmax=-5%")
    assert ran.code == 1
    assert "breaks area=+4.9%" in ran.out
    assert ran.err == ("gemmsmith: error: bound area=+4.9% is broken by area of int8 (core, ecp5/no-dsp)\n")


def test_json(run, records):
    report = json.loads(run("compare", *records, "--json").out)
    assert (report["rows"], report["broken"]) == (1, [])
    (area,) = (change for change in report["changes"] if change["label"] == "area")
    assert (area["base"], area["head"], area["verdict"]) == (1000, 1050, "worse")


def test_history(run, records, folder):
    ran = run("compare", "head.json", "--history", "kept/history")
    assert (ran.code, ran.out) == (0, "")
    smaller = json.loads((folder / "kept/history/smaller.json").read_text())
    assert [entry["value"] for entry in smaller if entry["name"].endswith(": area")] == [1050]
    (fmax,) = json.loads((folder / "kept/history/bigger.json").read_text())
    assert (fmax["value"], fmax["range"]) == (50, "49 to 51")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("base", "head.json", "--fail-on", "area"), "bounds are written METRIC=+N%"),
        (("base", "head.json", "--fail-on", "speed=+1%"), "not 'speed'"),
        (("base",), "name two records"),
        (("base", "--history", "h", "--fail-on", "area=+1%"), "compare two records"),
        (("base", "missing.json"), "missing.json: No such file"),
        (("base", "a.npy"), "a.npy: not JSON"),
        (("base", "head.json", "-o", "."), "is a directory"),
        (("base", "head.json", "-o", "nowhere/x.md"), "nowhere/x.md"),
    ],
)
def test_refusals(refused, records, folder, arguments, says):
    before = set(folder.rglob("*"))
    assert says in refused("compare", *arguments)
    assert set(folder.rglob("*")) == before


def test_runs_without_a_common_row_are_refused(refused, records, folder):
    head = _record()
    head["rows"][0]["unit"] = "int4"
    (folder / "head.json").write_text(json.dumps(head))
    assert "have no row in common" in refused("compare", *records)


def test_the_workflow_calls_what_there_is(run, records):
    """Its bounds are understood, and its options are those of the verbs."""
    text = (Path(__file__).parents[2] / ".github/workflows/bench.yml").read_text()
    bounds = re.search(r"^  BOUNDS: (.*)$", text, re.MULTILINE)[1]
    assert [bound.metric for bound in parse_bounds(bounds)]
    common = re.search(r"^  OPTIONS: (.*)$", text, re.MULTILINE)[1]
    calls = re.findall(r"bin/gemmsmith (\w+) (.*)", text.replace("$OPTIONS", common))
    assert {verb for verb, _ in calls} == {"bench", "compare"}
    for verb, line in calls:
        options = re.findall(r"(?<!\S)--?[a-z-]+", line)
        known = run(verb, "--help").out
        assert options
        assert all(option in known for option in options), options
