"""Precision files, bit operations, and the search on a model."""

from __future__ import annotations

import itertools
import json
import os

import numpy as np
import pytest

from gemmsmith.schemes import Anda, Fp16, SchemeError, XrNpe, parse
from gemmsmith_sim.llm.calibrate import feedback_tokens, layer_moments
from gemmsmith_sim.llm.checkpoint import load
from gemmsmith_sim.llm.llama2c import convert
from gemmsmith_sim.llm.model import Llama
from gemmsmith_sim.llm.perplexity import perplexity
from gemmsmith_sim.llm.quantized import GoldenLinear, WeightOnlyLinear
from gemmsmith_sim.quantise import ErrorFeedback, round_to_nearest
from gemmsmith_sim.search import MODULES, PrecisionError, PrecisionMap, tune
from gemmsmith_sim.search.bops import bit_operations, full_bit_operations, multiplications
from oracle import llama2c

LENGTHS = {"qkv": {"m": 7}, "o": {"m": 5}, "u": {"m": 6}, "d": {"m": 4, "round": "nearest"}}


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setenv("GEMMSMITH_CACHE", str(tmp_path / "cache"))
    llama2c.write_model(tmp_path / "m.bin", dim=16, hidden=20, heads=4, kv_heads=2)
    convert(tmp_path / "m.bin", tmp_path / "model")
    return load(tmp_path / "model")


@pytest.fixture
def texts():
    rng = np.random.default_rng(5)
    return {"calibration": rng.integers(0, 256, 600), "heldout": rng.integers(0, 256, 300)}


# Files


def test_a_file_comes_back(tmp_path):
    base = parse("anda-m6", weight_group=64)
    made = PrecisionMap(base, LENGTHS, model="abc", tuning={"loss": 0.01})
    path = tmp_path / "p.json"
    path.write_text(made.to_json())
    assert PrecisionMap.load(path) == made
    assert PrecisionMap.load(path).to_json() == made.to_json()
    assert list(made.schemes) == list(MODULES) == ["qkv", "o", "u", "d"]
    layers = {"q": 7, "k": 7, "v": 7, "o": 5, "gate": 6, "up": 6, "down": 4}
    for layer, m in layers.items():
        scheme = made(f"layers.3.{layer}")
        assert scheme == base.replace(m=m, round="nearest" if layer == "down" else "trunc")
    assert made.build_choices == {"m": "7", "m_max": "7"}


def test_a_quantiser_comes_back(tmp_path):
    made = PrecisionMap(parse("xrnpe-posit8"), {name: {"format": "fp4"} for name in MODULES}, quantiser="feedback")
    (tmp_path / "p.json").write_text(made.to_json())
    assert PrecisionMap.load(tmp_path / "p.json") == made
    assert PrecisionMap.load(tmp_path / "p.json").quantiser == "feedback"
    assert "quantiser" not in PrecisionMap(Anda(), LENGTHS).to_json()


GOOD = json.loads(PrecisionMap(Anda(), LENGTHS).to_json())


@pytest.mark.parametrize(("change", "says"), [
    ("{", "JSON"), ({"schema": "gemmsmith.precision/2"}, "schema: .*gemmsmith.precision/1"),
    ({"scheme": "posit8"}, "no scheme is called 'posit8'"), ({"modules": {"qkv": {"m": 7}}}, "modules must be qkv, o"),
    ({"modules": LENGTHS | {"d": {"m": 17}}}, r"m of anda must be one of 1\.\.16, not 17"),
    ({"modules": LENGTHS | {"d": {"lanes": 2}}}, "anda has no choice 'lanes'"),
    ({"modules": LENGTHS | {"d": {"m": 4.5}}}, r"modules\.d\.m"),
    ({"modules": LENGTHS | {"e": {"m": 4}}}, "modules must"), ({"more": 1}, "more: "),
    ({"quantiser": "median"}, "no quantiser is called 'median'; there are nearest, clip, tensor, feedback"),
    ({"quantiser": "tensor"}, "quantiser tensor serves the xrnpe schemes"), ({"quantiser": 3}, "quantiser: "),
    ({"scheme": None}, "scheme: "), ("[]", "p.json: ")])
def test_bad_files_are_refused_in_one_line(tmp_path, change, says):
    path = tmp_path / "p.json"
    path.write_text(change if isinstance(change, str) else json.dumps(GOOD | change))
    with pytest.raises(PrecisionError, match=says) as caught:
        PrecisionMap.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_foreign_model(tmp_path, model):
    with pytest.raises(PrecisionError, match=r"none\.json: cannot be read"):
        PrecisionMap.load(tmp_path / "none.json")
    PrecisionMap(Anda(), LENGTHS).check_model(model)
    PrecisionMap(Anda(), LENGTHS, model.digest).check_model(model)
    with pytest.raises(PrecisionError, match="is not the model"):
        PrecisionMap(Anda(), LENGTHS, "0" * 64).check_model(model)


# Bit operations


def test_bit_operations(model):
    """Anda, HPCA 2025: OPT's modules weigh 3 : 1 : 4 : 4, LLaMA's 3 : 1 : 2f : f; here K and V are half as wide."""
    macs = multiplications(model)
    assert macs == {"qkv": 2 * (16 + 8 + 8) * 16, "o": 2 * 16 * 16, "u": 2 * 2 * 20 * 16, "d": 2 * 20 * 16}
    lengths = dict(zip(MODULES, (Anda(m=m) for m in (7, 5, 6, 4)), strict=True))
    assert bit_operations(macs, lengths) == 4 * (7 * 1024 + 5 * 512 + 6 * 1280 + 4 * 640)
    assert full_bit_operations(macs, lengths) == 64 * sum(macs.values())


# On a model


def accuracy_by_hand(model, ids, linear):
    return 1 / perplexity(Llama(model, linear), ids, window=16).value


def test_the_result_does_not_depend_on_workers_and_is_kept(model, texts, tmp_path, monkeypatch):
    results = []
    for workers in (1, 2):
        monkeypatch.setenv("GEMMSMITH_CACHE", str(tmp_path / f"cache{workers}"))
        results.append(tune(model, Anda(), loss=0.01, window=16, workers=workers, **texts))
    assert results[0] == results[1]
    found = results[0]
    assert found.measured == len(found.trace) + 3
    shares = []
    again = tune(model, Anda(), loss=0.01, window=16, workers=1, progress=lambda *done: shares.append(done), **texts)
    assert again.measured == 0
    assert (again.precisions, again.trace) == (found.precisions, found.trace)
    assert "OPENBLAS_NUM_THREADS" not in os.environ or os.environ["OPENBLAS_NUM_THREADS"] == "1"

    reference = accuracy_by_hand(model, texts["calibration"], WeightOnlyLinear(Anda()))
    assert 1 / found.calibration_reference.value == pytest.approx(reference, rel=1e-6)
    for trial in found.trace:
        schemes = PrecisionMap(Anda(), {module: {"m": scheme.m} for module, scheme in trial.schemes.items()})
        accuracy = accuracy_by_hand(model, texts["calibration"], GoldenLinear(schemes))
        assert 1 / trial.perplexity == pytest.approx(accuracy, rel=1e-6)
        assert trial.accepted == (accuracy >= 0.99 * reference)
    assert found.trace[0].schemes["qkv"].m == 4
    heldout = accuracy_by_hand(model, texts["heldout"], GoldenLinear(found.precisions))
    assert 1 / found.heldout.value == pytest.approx(heldout, rel=1e-6)
    assert found.precisions.model == model.digest
    assert found.precisions.tuning["heldout"]["perplexity"] == found.heldout.value
    macs = multiplications(model)
    mean = sum(macs[name] * scheme.m for name, scheme in found.precisions.schemes.items()) / sum(macs.values())
    assert found.reduction == pytest.approx(16 / mean)


def test_quantisers_are_told_apart_and_kept(model, texts):
    """The same cache for all: an evaluation of one is none of another."""
    quantisers = {None: round_to_nearest, "feedback": ErrorFeedback(layer_moments(model))}
    given = {"loss": 0.9, "iterations": 2, "window": 16, "workers": 1, **texts}
    found = {name: tune(model, XrNpe(), quantiser=name, **given) for name in quantisers}
    assert len({result.alternatives[0].perplexity for result in found.values()}) == len(found)
    for name, result in found.items():
        assert result.precisions.quantiser == name
        assert result.measured == len(result.alternatives) + len(result.trace) + 3
        for trial in (*result.alternatives, *result.trace):
            schemes = PrecisionMap(XrNpe(), {module: {"format": scheme.format}
                                             for module, scheme in trial.schemes.items()})
            due = accuracy_by_hand(model, texts["calibration"], GoldenLinear(schemes, quantisers[name]))
            assert 1 / trial.perplexity == pytest.approx(due, rel=1e-6)
        linear = WeightOnlyLinear(XrNpe(format="posit16"), quantisers[name])
        reference = accuracy_by_hand(model, texts["heldout"], linear)
        assert 1 / result.heldout_reference.value == pytest.approx(reference, rel=1e-6)
    again = tune(model, XrNpe(), quantiser="feedback", **given)
    assert (again.measured, again.trace) == (0, found["feedback"].trace)


@pytest.mark.parametrize("name", ["calibration", "heldout"])
def test_texts_that_feedback_reads_are_refused(model, texts, name):
    texts[name] = np.concatenate([texts[name], feedback_tokens(model)[500:700]])
    says = f"the {name.replace('out', '-out')} text holds text that the quantiser feedback reads, the first 2048 tokens"
    with pytest.raises(ValueError, match=says):
        tune(model, XrNpe(), loss=0.9, window=16, workers=1, quantiser="feedback", **texts)


@pytest.mark.parametrize(("scheme", "arguments", "says"), [
    (Fp16(), {}, "fp16 has one precision only"), (Anda(), {"loss": 1.0}, "loss must be"),
    (Anda(), {"quantiser": "clip"}, "quantiser clip serves the mixpe schemes"),
    (Anda(), {"workers": 0}, "workers must be at least 1"), (Anda(), {"window": 999}, "window must be from 1"),
    (Anda(), {"heldout": None}, "must differ")])
def test_what_cannot_be_tuned_is_refused(model, texts, scheme, arguments, says):
    given = {"loss": 0.01, "window": 16, "workers": 1, **texts, **arguments}
    if given["heldout"] is None:
        given["heldout"] = given["calibration"]
    with pytest.raises(ValueError, match=says):
        tune(model, scheme, **given)


class Grouped(Anda):
    """Another ladder, whose rungs differ in their weights: fewer groups are cheaper."""

    def ladder(self):
        return tuple(self.replace(weight_group=size) for size in (256, 128, 64))

    @property
    def operand_bits(self):
        return 6, {256: 4, 128: 5, 64: 6}[self.weight_group]


def test_a_ladder_of_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("GEMMSMITH_CACHE", str(tmp_path / "cache"))
    llama2c.write_model(tmp_path / "m.bin", dim=132, hidden=140)
    convert(tmp_path / "m.bin", tmp_path / "model")
    model, rng = load(tmp_path / "model"), np.random.default_rng(6)
    calibration, heldout = rng.integers(0, 256, 100), rng.integers(0, 256, 50)
    found = tune(model, Grouped(), loss=0.9, window=16, workers=1, calibration=calibration, heldout=heldout)
    assert len({trial.perplexity for trial in found.trace}) == len(found.trace) >= 1
    for trial in found.trace:
        choices = {module: {"weight_group": scheme.weight_group} for module, scheme in trial.schemes.items()}
        accuracy = accuracy_by_hand(model, calibration, GoldenLinear(PrecisionMap(Grouped(), choices)))
        assert 1 / trial.perplexity == pytest.approx(accuracy, rel=1e-6)
    assert set(found.precisions.choices["o"]) == {"weight_group"}


def test_a_loss_that_no_assignment_keeps(model):
    four = GoldenLinear(Anda(m=4))
    texts = (np.random.default_rng(seed).integers(0, 256, 100) for seed in itertools.count())
    text = next(ids for ids in texts
                if accuracy_by_hand(model, ids, four) < accuracy_by_hand(model, ids, WeightOnlyLinear(Anda())))
    with pytest.raises(ValueError, match=r"none of the 1 assignments tried loses at most 0\.000% of the accuracy"):
        tune(model, Anda(), loss=0.0, iterations=1, window=16, workers=1, calibration=text, heldout=text[:60])


def test_schemes_that_no_build_unites():
    mixed = PrecisionMap(Anda(), LENGTHS | {"o": {"weight_group": 64}})
    with pytest.raises(SchemeError, match="differ in m and round alone"):
        _ = mixed.build_choices
