"""Ladders on any model's modules: rungs of equal cost, assignments, files."""

import pytest

from gemmsmith.schemes import Fp16, XrNpe, parse
from gemmsmith_sim.llm.checkpoint import load
from gemmsmith_sim.llm.llama2c import convert
from gemmsmith_sim.search import Candidates, PrecisionError, PrecisionMap, adapt, tune
from oracle import llama2c

MODULES = {"first": ("a", "b"), "second": ("c",)}
MACS = {"first": 10, "second": 3}
LOST = {"first": {"fp4": 5, "posit4": 3, "posit8": 1, "posit16": 0},
        "second": {"fp4": 2, "posit4": 4, "posit8": 1, "posit16": 0}}


def accuracy(precisions):
    return 100.0 - sum(LOST[module][scheme.format] for module, scheme in precisions.schemes.items())


def formats(precisions):
    return tuple(scheme.format for scheme in precisions.schemes.values())


@pytest.mark.parametrize(("least", "best", "cost"), [
    (95, ("posit4", "fp4"), 13 * 16), (96, ("posit4", "posit8"), 160 + 192), (97, ("posit8", "fp4"), 640 + 48),
    (98, ("posit8", "posit8"), 13 * 64), (99, ("posit8", "posit16"), 640 + 768), (100, ("posit16", "posit16"), 3328)])
def test_both_rungs_of_equal_cost_are_tried_and_the_better_one_taken(least, best, cost):
    candidates = Candidates(XrNpe(), MODULES)
    found = adapt(candidates, MACS, accuracy=accuracy, least=least, loss=0.1)
    assert candidates.alternatives == len(found.alternatives) == 4
    assert [(formats(step.precisions), step.accepted) for step in found.alternatives] == [
        (("fp4", "posit16"), False), (("posit4", "posit16"), True),
        (("posit16", "fp4"), True), (("posit16", "posit4"), False)]
    assert (formats(found.best.precisions), found.best.bit_operations) == (best, cost)
    assert found.best.accuracy == accuracy(found.best.precisions) >= least
    assert found.exhausted


def test_equally_good_rungs_go_to_the_first_and_another_measure_may_tell_them_apart():
    def same(precisions):
        return 1.0

    found = adapt(Candidates(XrNpe(), MODULES), MACS, accuracy=same, least=1, loss=0.1)
    assert formats(found.best.precisions) == ("fp4", "fp4")
    found = adapt(Candidates(XrNpe(), MODULES), MACS, accuracy=same, compare=accuracy, least=1, loss=0.1)
    assert formats(found.best.precisions) == ("posit4", "fp4")


def test_a_ladder_without_such_rungs_is_searched_at_once():
    candidates = Candidates(parse("anda-m6"), MODULES)
    assert candidates.alternatives == 0
    tried = []

    def always(precisions):
        tried.append(precisions)
        return 1.0

    found = adapt(candidates, MACS, accuracy=always, least=1, loss=0)
    assert [step.precisions for step in found.trace] == tried
    assert found.alternatives == ()


def test_refused():
    with pytest.raises(ValueError, match="fp16 has one precision only"):
        Candidates(Fp16(), MODULES)
    with pytest.raises(ValueError, match=r"none of the \d+ assignments tried loses at most 1\.000%"):
        adapt(Candidates(XrNpe(), MODULES), MACS, accuracy=accuracy, least=101, loss=0.01)


def test_files_of_other_models(tmp_path):
    made = Candidates(XrNpe(), MODULES).longest
    assert {made(layer).format for layer in ("a", "layers.3.b", "c")} == {"posit16"}
    path = tmp_path / "p.json"
    path.write_text(made.to_json())
    assert PrecisionMap.load(path, MODULES) == made
    assert PrecisionMap.load(path, None).schemes == made.schemes
    with pytest.raises(PrecisionError, match="modules must be qkv, o, u, d, not first, second"):
        PrecisionMap.load(path)


def test_a_language_model_gets_mixed_formats(tmp_path, monkeypatch):
    monkeypatch.setenv("GEMMSMITH_CACHE", str(tmp_path / "cache"))
    llama2c.write_model(tmp_path / "m.bin", dim=16, hidden=20, heads=4, kv_heads=2)
    convert(tmp_path / "m.bin", tmp_path / "model")
    text = [(7 * n * n + n // 3) % 256 for n in range(300)]
    found = tune(load(tmp_path / "model"), XrNpe(), loss=0.02, window=16, workers=1, calibration=text,
                 heldout=text[::-1])
    assert len(found.alternatives) == 8
    assert found.measured == len(found.trace) + len(found.alternatives) + 3
    pairs = [found.alternatives[index: index + 2] for index in range(0, 8, 2)]
    for module, pair in zip(("qkv", "o", "u", "d"), pairs, strict=True):
        assert [trial.schemes[module].format for trial in pair] == ["fp4", "posit4"]
        assert sum(trial.accepted for trial in pair) == 1
        best = min(pair, key=lambda trial: trial.perplexity)
        assert best.accepted
        chosen = found.precisions.schemes[module]
        assert chosen.operand_bits != (4, 4) or chosen == best.schemes[module]
    assert 1 / found.calibration.value >= 0.98 / found.calibration_reference.value
    assert found.precisions.build_choices == {}
