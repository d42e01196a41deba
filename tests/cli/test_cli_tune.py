"""tune, convert, and --precision of run, perplexity and build."""

import json

import pytest

from gemmsmith.schemes import Anda
from gemmsmith_sim.llm.checkpoint import CALIBRATION_TEXT
from gemmsmith_sim.search import PrecisionMap
from oracle import llama2c

LENGTHS = {"qkv": {"m": 4}, "o": {"m": 2}, "u": {"m": 3}, "d": {"m": 1}}


@pytest.fixture
def model(folder, run):
    llama2c.write_model(folder / "m.bin", context=16)
    assert "config.json, model.safetensors" in run("convert", "m.bin", "-o", "model").out
    (folder / "text.txt").write_text("A man, a plan, a canal: Panama! " * 20)
    return "model"


@pytest.fixture
def mixed(folder):
    path = folder / "mixed.json"
    path.write_text(PrecisionMap(Anda(), LENGTHS).to_json())
    return path.name


def test_tune(run, model, folder, monkeypatch):
    monkeypatch.setenv("GEMMSMITH_CACHE", str(folder / "cache"))
    line = ("tune", model, "--text", "text.txt", "--loss", "5%", "--workers", 1, "-o", "p.json")
    ran = run(*line)
    assert ran.code == 0, ran.err
    assert "held-out text (144 tokens)" in ran.out
    assert "best" in ran.out
    report = json.loads(run(*line, "--json").out)
    assert report["measured"] == 0
    assert report["calibration"]["tokens"] == 464
    assert report["calibration"]["perplexity"] * 0.95 <= report["calibration"]["reference_perplexity"]
    written = json.loads((folder / "p.json").read_text())
    assert written["modules"] == report["modules"]
    assert written["tuning"]["loss"] == report["loss"] == 0.05
    assert [step["accepted"] for step in report["trace"]].count(True) >= 1
    (folder / "rest.txt").write_text((folder / "text.txt").read_text()[480:])
    again = json.loads(run("perplexity", model, "--precision", "p.json", "--text", "rest.txt", "--json").out)
    assert again["perplexity"] == pytest.approx(report["heldout"]["perplexity"], rel=1e-5)
    assert again["modules"]["d"] == Anda(m=written["modules"]["d"]["m"]).name


def test_a_model_runs_with_the_quantiser_that_it_was_tuned_with(run, model, folder, monkeypatch):
    monkeypatch.setenv("GEMMSMITH_CACHE", str(folder / "cache"))
    line = ("tune", model, "--scheme", "xrnpe", "--tokens", 200, "--heldout", "text.txt", "--loss", "90%", "--workers",
            1, "--iterations", 6, "-o", "p.json", "--json")
    reports = [json.loads(run(*line, *more).out) for more in ((), ("--quantiser", "feedback"))]
    assert [report.get("quantiser") for report in reports] == [None, "feedback"]
    assert reports[1]["measured"] == len(reports[1]["alternatives"] + reports[1]["trace"]) + 3
    assert json.loads((folder / "p.json").read_text())["quantiser"] == "feedback"
    report = json.loads(run("perplexity", model, "--precision", "p.json", "--text", "text.txt", "--json").out)
    assert report["quantiser"] == "feedback"
    assert report["perplexity"] == pytest.approx(reports[1]["heldout"]["perplexity"], rel=1e-5)
    assert report["perplexity"] != pytest.approx(reports[0]["heldout"]["perplexity"], rel=1e-5)


def test_perplexity_with_a_precision_file(run, model, mixed):
    def measure(*more):
        return json.loads(run("perplexity", model, "--text", "text.txt", "--json", *more).out)["perplexity"]

    golden, weights = measure("--precision", mixed), measure("--precision", mixed, "--backend", "weights")
    assert len({golden, weights, measure("--scheme", "anda-m4"), measure()}) == 4
    assert weights == measure("--scheme", "anda-m4", "--backend", "weights")
    assert "qkv anda-m4, o anda-m2" in run("perplexity", model, "--text", "text.txt", "--precision", mixed).out


def test_run_on_rtl_with_a_precision_file(run, model, mixed):
    line = ("run", model, "--precision", mixed, "--prompt", "A", "--tokens", 2, "--json")
    report = json.loads(run(*line, "--backend", "rtl", "rows=1", "cols=1", "axi_data_width=32", "buffer_k=64").out)
    assert report["compared"] == 2 * 2 * (8 + 4 + 4 + 8 + 12 + 12 + 8)
    assert report["text"] == json.loads(run(*line).out)["text"]


def test_build_takes_the_greatest_length(run, mixed, folder):
    line = "build", "--precision", mixed, "level=core"
    config = json.loads(run(*line, "-o", "b1", "--json").out)["config"]
    assert config["scheme"] == Anda(m=4).name
    assert config["options"]["m_max"] == 4
    config = json.loads(run(*line, "m_max=6", "-o", "b2", "--json").out)["config"]
    assert config["options"]["m_max"] == 6


@pytest.mark.parametrize(("arguments", "says"), [
    (("run", "--precision", "mixed.json", "--scheme", "anda-m6"), "exclude each other"),
    (("run", "--precision", "a.npy"), "a.npy: "), (("run", "--precision", "none.json"), "none.json: cannot be read"),
    (("run", "--precision", "mixed.json", "--backend", "float"), "takes no --scheme"),
    (("run", "--precision", "mixed.json", "weight_group=64"), "has no choice 'weight_group'"),
    (("build", "int8", "--precision", "mixed.json"), "not both"), (("build",), "SCHEME"),
    (("build", "--precision", "mixed.json", "m_max=2"), "m_max must be at least"),
    (("tune", "--loss", "much"), "--loss must be a share"), (("tune", "--loss", "100%"), "below 100%"),
    (("tune", "--scheme", "int8"), "one precision only"), (("tune", "--scheme", "posit"), "no scheme"),
    (("tune", "-o", "no/p.json"), "no/p.json"), (("tune", "--text", "none.txt"), "none.txt"),
    (("tune", "--quantiser", "tensor"), "quantiser tensor serves the xrnpe schemes (xrnpe-posit8 …), not anda-m6"),
    (("tune", "--scheme", "xrnpe", "--quantiser", "feedback", "--heldout", str(CALIBRATION_TEXT)),
     "the held-out text holds text that the quantiser feedback reads"),
    (("tune", "frob=1"), "no choice 'frob'"), (("tune", "--tokens", "9"), "a window of 128 needs 129"),
    (("convert", "a.npy", "-o", "out"), "a.npy: "), (("convert", "none.bin", "-o", "out"), "none.bin: cannot be read")])
def test_refused(refused, mixed, arguments, says):
    assert says in refused(*arguments)
