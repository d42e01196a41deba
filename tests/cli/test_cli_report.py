"""report: which files it writes where, and what it refuses."""

import json
import sys

import pytest

ROW = {"unit": "fp16", "scheme": "fp16", "level": "core", "target": "ecp5", "variant": "no-dsp", "macs_per_cycle": 1.0,
       "latency_cycles": 7, "eq": 1000, "perplexity": 4.5}
RECORD = {"schema": "gemmsmith-bench-1", "baseline": None, "rows": [ROW],
          "provenance": {"gemmsmith": "0.1.0", "tools": {}, "scripts": {}, "seeds": [1], "notes": ["before layout"]}}


@pytest.fixture
def record(untouched, folder):
    """A benchmark in the directory ``run``; only what a test names may be written."""
    untouched("run").mkdir()
    path = untouched("run/bench.json")
    path.write_text(json.dumps(RECORD))
    return path


def test_both_files_beside_the_record(run, record, untouched):
    pytest.importorskip("altair")
    for given in ("run", "run/bench.json"):
        ran = run("report", given)
        assert (ran.code, ran.out) == (0, "written to run/report.html\nwritten to run/report.md\n")
    assert untouched("run/report.html").read_text().startswith("<!doctype html>")
    assert untouched("run/report.md").read_text().startswith("# gemmsmith benchmark\n")
    before = [(record.parent / name).read_bytes() for name in ("report.html", "report.md")]
    assert run("report", "run").code == 0
    assert before == [(record.parent / name).read_bytes() for name in ("report.html", "report.md")]


@pytest.mark.parametrize(("arguments", "file"), [
    (("--md",), "run/report.md"), (("-o", "x.md"), "x.md"), (("--md", "-o", "x.txt"), "x.txt")])
def test_markdown_alone(run, record, untouched, arguments, file):
    assert run("report", "run", *arguments).out == f"written to {file}\n"
    assert "| fp16 |" in untouched(file).read_text()


def test_the_page_alone(run, record, untouched):
    pytest.importorskip("altair")
    assert run("report", "run", "-o", "x.html").out == "written to x.html\n"
    assert "<td" in untouched("x.html").read_text()


@pytest.mark.parametrize(("arguments", "says"), [
    (("run", "-o", "x.pdf"), "ends in .html or .md"), (("run", "--html", "--md", "-o", "x"), "-o names one file"),
    (("run", "--md", "-o", "run"), "is a directory"), (("run", "--md", "-o", "nowhere/x.md"), "nowhere"),
    (("absent",), "absent: no such file"), ((".", "--md"), "bench.json: no such file; gemmsmith bench -o DIR"),
    (("a.npy", "--md"), "a.npy: not JSON")])
def test_what_is_refused(refused, record, arguments, says):
    assert says in refused("report", *arguments)


@pytest.mark.parametrize(("change", "says"), [
    ({"schema": "gemmsmith-bench-9"}, "gemmsmith-bench-1"), ({"rows": [ROW, ROW]}, "several rows of fp16"),
    ({"rows": [{**ROW, "level": "chip"}]}, "rows.0.level")])
def test_records_that_are_refused(refused, record, change, says):
    record.write_text(json.dumps({**RECORD, **change}))
    assert says in refused("report", "run")


def test_a_missing_library_is_named(refused, run, record, untouched, monkeypatch):
    monkeypatch.setitem(sys.modules, "altair", None)
    for name in [name for name in sys.modules if name.startswith("gemmsmith_sim.measure.bench.page.")]:
        monkeypatch.delitem(sys.modules, name)
    line = refused("report", "run", code=3)
    assert "altair" in line
    assert "pip install gemmsmith[report]; --md works without" in line
    assert run("report", "run", "--md").code == 0
    untouched("run/report.md")
