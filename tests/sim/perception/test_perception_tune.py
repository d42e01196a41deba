"""A precision for each layer of the image network."""

import pytest

from gemmsmith.schemes import Fp16, XrNpe, parse
from gemmsmith_sim.llm.quantized import GoldenLinear, WeightOnlyLinear
from gemmsmith_sim.perception import LAYERS, MODULES, Network, load, make_scenes, score
from gemmsmith_sim.perception.measure import (
    calibration_scenes,
    feedback_scenes,
    heldout_scenes,
    layer_moments,
)
from gemmsmith_sim.perception.tune import tune
from gemmsmith_sim.quantise import ErrorFeedback, one_scale
from gemmsmith_sim.search import PrecisionMap


def test_each_layer_gets_the_shortest_format_that_keeps_the_bound(tmp_path):
    model, scenes, others = load(), make_scenes(60, seed=11), make_scenes(40, seed=12)
    shares = []
    found = tune(model, parse("xrnpe-posit8"), loss=0.03, calibration=scenes, heldout=others,
                 progress=lambda done, total: shares.append(done / total))
    assert shares == sorted(shares)
    assert 0 < shares[-1] < 1
    path = tmp_path / "p.json"
    path.write_text(found.precisions.to_json())
    assert PrecisionMap.load(path, MODULES) == found.precisions
    for pictures, told in ((scenes, found.calibration), (others, found.heldout)):
        assert score(Network(model.parameters, GoldenLinear(found.precisions)), pictures) == told
    assert found.calibration.accuracy >= 0.97 * found.calibration_reference.accuracy
    bits = {name: scheme.operand_bits[0] for name, scheme in found.precisions.schemes.items()}
    assert min(bits.values()) < 16
    cost = sum(layer.macs * bits[layer.name]**2 for layer in LAYERS)
    assert found.reduction == pytest.approx(256 * sum(layer.macs for layer in LAYERS) / cost)

    # FP4 and Posit(4, 1) cost the same: each layer tried both, and keeps the better one wherever it has four bits.
    tried = found.adapted.alternatives
    assert len(tried) == 2 * len(LAYERS)
    for index, layer in enumerate(LAYERS):
        pair = tried[2 * index: 2 * index + 2]
        assert [step.precisions.schemes[layer.name].format for step in pair] == ["fp4", "posit4"]
        assert {scheme.format for step in pair for name, scheme in step.precisions.schemes.items()
                if name != layer.name} == {"posit16"}
        better = max(pair, key=lambda step: step.accuracy)
        assert [step.accepted for step in pair] == [step is better for step in pair]
        if bits[layer.name] == 4:
            assert found.precisions.schemes[layer.name] == better.precisions.schemes[layer.name]


def test_what_is_tuned_is_of_the_quantiser():
    model, scenes, others = load(), make_scenes(20, seed=11), make_scenes(15, seed=12)
    data = {"calibration": scenes, "heldout": others, "loss": 0.5, "iterations": 2}
    told = {}
    for name, quantiser in (("tensor", one_scale), ("feedback", ErrorFeedback(layer_moments(model)))):
        found = tune(model, parse("xrnpe-posit8"), quantiser=name, **data)
        assert found.precisions.quantiser == name
        due = [score(Network(model.parameters, GoldenLinear(step.precisions, quantiser)), scenes)
               for step in (*found.adapted.alternatives, *found.adapted.trace)]
        count = len(found.adapted.alternatives)
        assert [step.accuracy for step in found.adapted.alternatives] == [-score.nats for score in due[:count]]
        assert [step.accuracy for step in found.adapted.trace] == [score.accuracy for score in due[count:]]
        linear = GoldenLinear(found.precisions, quantiser)
        assert score(Network(model.parameters, linear), others) == found.heldout
        reference = WeightOnlyLinear(found.adapted.trace[-1].precisions.base.ladder()[-1], quantiser)
        assert score(Network(model.parameters, reference), scenes) == found.calibration_reference
        told[name] = tuple(due[:count])
    assert told["tensor"] != told["feedback"]


def test_feedback_reads_pictures_of_its_own():
    kinds = [{image.tobytes() for image in scenes.images}
             for scenes in (feedback_scenes(), calibration_scenes(), heldout_scenes(), make_scenes(500, seed=1))]
    assert [len(images) for images in kinds] == [500, 2000, 2000, 500]
    assert not kinds[0] & (kinds[1] | kinds[2] | kinds[3])


@pytest.mark.parametrize(("scheme", "loss", "says"), [
    (Fp16(), 0.1, "fp16 has one precision only"), (XrNpe(), 1.0, "loss must be at least 0 and below 1")])
def test_refused(scheme, loss, says):
    with pytest.raises(ValueError, match=says):
        tune(load(), scheme, loss=loss)
