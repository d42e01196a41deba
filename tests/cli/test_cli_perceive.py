"""perceive, and tune shapes."""

import json

import pytest

from gemmsmith.schemes import Anda, XrNpe
from gemmsmith_sim.perception import LAYERS, MODULES, measure
from gemmsmith_sim.search import PrecisionMap

MIXED = {"conv1": {"format": "fp4"}, "conv2": {"format": "posit8"}, "point": {"format": "posit4"},
         "head": {"format": "posit16"}}


@pytest.fixture
def mixed(folder):
    path = folder / "mixed.json"
    path.write_text(PrecisionMap(XrNpe(), MIXED, modules=MODULES).to_json())
    return path.name


def test_a_table_of_formats(run, folder):
    ran = run("perceive", "--pictures", 30)
    assert ran.code == 0, ran.err
    assert "30 pictures of 10 kinds" in ran.out
    reports = json.loads(run("perceive", "--pictures", 30, "--json").out)
    assert [report["scheme"] for report in reports] == [None, "fp16", "int8", "xrnpe-posit16", "xrnpe-posit8",
                                                        "xrnpe-posit4", "xrnpe-fp4"]
    for report in reports:
        assert (report["scheme"] or "float32") in ran.out
        assert report["correct"] / 30 == report["accuracy"] > 0.4
        assert f"{report['nats']:.4f}" in ran.out


def test_schemes_quantisers_and_files(run, folder, mixed):
    line = ("perceive", "--pictures", 40, "--json")
    lines = [("--scheme", "xrnpe-posit4"), ("--scheme", "xrnpe-posit4", "--quantiser", "feedback"),
             ("--scheme", "xrnpe-posit4", "--quantiser", "tensor"), ("--precision", mixed),
             ("--precision", mixed, "--quantiser", "feedback"), ("--scheme", "w4a8", "--quantiser", "clip", "group=32"),
             ("--scheme", "anda-m6", "--backend", "weights"), ("--scheme", "xrnpe-posit4", "out=posit16"),
             ("--backend", "float")]
    reports = [json.loads(run(*line, *more).out) for more in lines]
    nats = [report["nats"] for report in reports]
    assert len(set(nats)) == len(nats)
    assert nats[-1] == min(nats[0], nats[1], nats[-1])
    assert reports[3]["modules"]["point"].startswith("xrnpe-posit4")
    assert "golden conv1 xrnpe-fp4, conv2 xrnpe-posit8" in run(*line[:-1], "--precision", mixed).out


def test_a_file_says_its_quantiser_and_the_option_another(run, folder):
    (folder / "q.json").write_text(PrecisionMap(XrNpe(), MIXED, modules=MODULES, quantiser="feedback").to_json())
    line = ("perceive", "--pictures", 40, "--json", "--precision", "q.json")
    told, again, other = (json.loads(run(*line, *more).out)
                          for more in ((), ("--quantiser", "feedback"), ("--quantiser", "nearest")))
    assert (told["quantiser"], told["nats"]) == ("feedback", again["nats"])
    assert other["quantiser"] == "nearest"
    assert other["nats"] != told["nats"]
    assert run("build", "--precision", "q.json", "level=core", "-o", "b").code == 0


def test_shapes_are_perceived_as_they_were_tuned(run, folder, monkeypatch):
    monkeypatch.setattr(measure, "CALIBRATION", 30)
    monkeypatch.setattr(measure, "HELDOUT", 20)
    line = ("tune", "shapes", "--scheme", "xrnpe", "--loss", "20%", "--iterations", 8, "--quantiser", "feedback", "-o",
            "p.json")
    assert "p.json: conv1 xrnpe-" in (out := run(*line).out)
    assert "; quantiser feedback" in out
    report = json.loads(run(*line, "--json").out)
    assert report["quantiser"] == json.loads((folder / "p.json").read_text())["quantiser"] == "feedback"
    again = json.loads(run("perceive", "--precision", "p.json", "--json").out)
    assert again["quantiser"] == "feedback"
    assert (again["accuracy"], again["nats"]) == (report["heldout"]["accuracy"], report["heldout"]["nats"])


def test_on_rtl(run, folder, mixed):
    build = "rows=2", "cols=4", "axi_data_width=64", "buffer_k=64"
    line = ("perceive", "--precision", mixed, "--pictures", 1, "--json")
    report = json.loads(run(*line, "--backend", "rtl", *build).out)
    assert report["compared"] == sum(layer.rows * layer.outputs for layer in LAYERS)
    assert report["cycles"] > 0
    assert report["nats"] == json.loads(run(*line).out)["nats"]


def test_tune_shapes(run, folder, monkeypatch):
    monkeypatch.setattr(measure, "CALIBRATION", 30)
    monkeypatch.setattr(measure, "HELDOUT", 20)
    line = ("tune", "shapes", "--scheme", "xrnpe", "--loss", "5%", "-o", "p.json")
    ran = run(*line)
    assert ran.code == 0, ran.err
    assert "Rungs of equal cost" in ran.out
    assert "held-out pictures (20)" in ran.out
    report = json.loads(run(*line, "--json").out)
    assert set(report["modules"]) == set(MODULES)
    assert len(report["alternatives"]) == 8
    assert report["calibration"]["accuracy"] >= 0.95 * report["calibration"]["reference_accuracy"]
    again = json.loads(run("perceive", "--precision", "p.json", "--json").out)
    assert again["accuracy"] == report["heldout"]["accuracy"]
    assert again["pictures"] == 20
    config = json.loads(run("build", "--precision", "p.json", "level=core", "-o", "b", "--json").out)["config"]
    assert config["scheme"].startswith("xrnpe-")


@pytest.mark.parametrize(("arguments", "says"), [
    (("perceive", "--pictures", "2001"), "pictures must be 1..2000, not 2001"),
    (("perceive", "--scheme", "posit"), "no scheme is called 'posit'"),
    (("perceive", "--backend", "rtl"), "needs a --scheme or --precision"),
    (("perceive", "shapes"), "key=value"), (("perceive", "lanes=3"), "has no choice 'lanes'"),
    (("perceive", "--precision", "llama.json"), "modules must be conv1, conv2, point, head, not qkv"),
    (("perceive", "--precision", "other.json"), "is not the model that the precisions were chosen for"),
    (("run", "--precision", "mixed.json"), "modules must be qkv, o, u, d, not conv1"),
    (("perceive", "--scheme", "int8", "--quantiser", "tensor"),
     "quantiser tensor serves the xrnpe schemes (xrnpe-posit8 …), not int8"),
    (("perceive", "--scheme", "xrnpe-fp4", "--quantiser", "clip"), "clip serves the mixpe schemes"),
    (("perceive", "--scheme", "xrnpe-fp4", "--quantiser", "median"), "called 'median'; there are nearest"),
    (("perceive", "--precision", "median.json"), "median.json: no quantiser is called 'median'"),
    (("tune", "shapes", "--quantiser", "feedback"), "feedback serves the xrnpe schemes (xrnpe-posit8 …), not anda"),
    (("tune", "shapes", "--text", "a.npy"), "takes no --text"), (("tune", "shapes", "--workers", "2"), "no --workers"),
    (("tune", "shapes", "--scheme", "int8"), "one precision only")])
def test_refused(refused, folder, mixed, arguments, says):
    (folder / "llama.json").write_text(PrecisionMap(Anda(), {name: {} for name in ("qkv", "o", "u", "d")}).to_json())
    (folder / "other.json").write_text(PrecisionMap(XrNpe(), MIXED, "0" * 64, modules=MODULES).to_json())
    (folder / "median.json").write_text(json.dumps({"quantiser": "median", **json.loads((folder / mixed).read_text())}))
    assert says in refused(*arguments)
