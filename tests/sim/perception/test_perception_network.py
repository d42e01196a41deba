"""The network against convolutions written out, its gradients against differences, its pictures, its score."""

import zlib
from itertools import pairwise

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from gemmsmith.schemes import parse
from gemmsmith_sim.llm.errors import CheckpointError
from gemmsmith_sim.llm.quantized import GoldenLinear
from gemmsmith_sim.perception import CLASSES, LAYERS, Network, load, make_scenes, score
from gemmsmith_sim.perception.columns import columns, pool, pool_back, uncolumns
from gemmsmith_sim.perception.measure import heldout_scenes
from gemmsmith_sim.perception.network import WEIGHTS, Parameters
from gemmsmith_sim.perception.picture import png, sheet
from gemmsmith_sim.perception.scenes import SIDE
from gemmsmith_sim.perception.train import gradients, train


def by_hand(parameters, image):
    """Scores of one picture, one output pixel at a time, in float64."""
    x = image.astype(np.float64)
    for layer in LAYERS:
        weights, biases = parameters.weights[layer.name].astype(np.float64), parameters.biases[layer.name]
        if layer.kind == "dense":
            x = weights @ x.reshape(-1) + biases
            continue
        kernel, edge, out = layer.kernel, layer.kernel // 2, np.zeros((layer.side, layer.side, layer.outputs))
        filters = weights.reshape(layer.outputs, kernel, kernel, layer.inputs)
        for y, column, dy, dx in np.ndindex(layer.side, layer.side, kernel, kernel):
            row, place = y + dy - edge, column + dx - edge
            if 0 <= row < layer.side and 0 <= place < layer.side:
                out[y, column] += filters[:, dy, dx] @ x[row, place]
        x = np.maximum(out + biases, 0)
        if layer.pooled:
            x = np.maximum.reduce([x[dy::2, dx::2] for dy in (0, 1) for dx in (0, 1)])
    return x


def test_scores_are_those_of_convolutions_written_out():
    model, scenes = load(), make_scenes(2, seed=5)
    scores = Network(model.parameters).scores(scenes.images)
    for image, found in zip(scenes.images, scores, strict=True):
        np.testing.assert_allclose(found, by_hand(model.parameters, image), atol=2e-4)


def test_every_kind_of_layer_is_there_and_sizes_fit():
    assert {layer.kind for layer in LAYERS} == {"convolution", "pointwise", "dense"}
    for layer, following in pairwise(LAYERS):
        assert following.inputs == layer.outputs
        assert following.side == layer.side // (2 if layer.pooled else 1)
    assert sum(layer.macs for layer in LAYERS) == 400 * 9 * 8 + 100 * 72 * 16 + 25 * 16 * 32 + 800 * 10


@pytest.mark.parametrize("kernel", [1, 3])
def test_uncolumns_is_the_transpose(kernel):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2, 6, 4, 3)).astype(np.float32)
    g = rng.normal(size=(2 * 6 * 4, kernel**2 * 3)).astype(np.float32)
    assert (columns(x, kernel) * g).sum() == pytest.approx((x * uncolumns(g, x.shape, kernel)).sum(), rel=1e-4)


def test_pooling_sends_gradients_to_the_largest():
    x = np.array([[1, 2, 0, 9], [4, 3, 0, 9]], np.float32).reshape(1, 2, 4, 1)
    pooled = pool(x)
    np.testing.assert_array_equal(pooled.ravel(), [4, 9])
    back = pool_back(np.float32([5, 7]).reshape(1, 1, 2, 1), x, pooled)
    np.testing.assert_array_equal(back[0, :, :, 0], [[0, 0, 0, 3.5], [5, 0, 0, 3.5]])


@pytest.mark.parametrize("layer", [layer.name for layer in LAYERS])
def test_gradients_against_differences(layer):
    parameters, scenes = load().parameters, make_scenes(6, seed=6)
    slopes = gradients(parameters, scenes)[1]
    for which in ("weights", "biases"):
        slope = getattr(slopes, which)[layer]
        step = (3e-4 / np.linalg.norm(slope) * slope).astype(np.float32)
        losses = []
        for sign in (1, -1):
            moved = Parameters(dict(parameters.weights), dict(parameters.biases))
            getattr(moved, which)[layer] = getattr(parameters, which)[layer] + sign * step
            losses.append(gradients(moved, scenes)[0])
        assert losses[0] - losses[1] == pytest.approx(2 * float((slope * step).sum()), rel=0.05, abs=1e-6)


def test_pictures_come_back_and_show_every_kind():
    scenes = make_scenes(200, seed=7)
    assert scenes.images.shape == (200, SIDE, SIDE, 1)
    assert scenes.images.dtype == np.float32
    assert set(scenes.labels) == set(range(len(CLASSES)))
    np.testing.assert_array_equal(scenes.images, make_scenes(200, seed=7).images)
    assert (scenes.images != make_scenes(200, seed=8).images).any()
    assert len(np.unique(scenes.images.reshape(200, -1), axis=0)) == 200
    for count in (0, -1):
        with pytest.raises(ValueError, match="count must be at least 1"):
            make_scenes(count, seed=1)
        with pytest.raises(ValueError, match=r"pictures must be 1\.\.2000"):
            heldout_scenes(count)


def test_what_formats_cost():
    """Chance is a tenth; posit16 decides as floats do, and of four bits FP4's evenly spaced numbers lose least."""
    model, scenes = load(), heldout_scenes(400)
    done = []
    right = {"float": score(Network(model.parameters), scenes, progress=lambda *counts: done.append(counts))}
    for name in ("xrnpe-posit16", "xrnpe-posit8", "xrnpe-posit4", "xrnpe-fp4"):
        right[name.rpartition("-")[2]] = score(Network(model.parameters, GoldenLinear(parse(name))), scenes)
    accuracy = {name: reached.accuracy for name, reached in right.items()}
    assert 0.88 < accuracy["float"] < 0.97
    assert accuracy["posit16"] == pytest.approx(accuracy["float"], abs=0.005)
    assert accuracy["posit8"] > accuracy["float"] - 0.02
    assert accuracy["float"] - 0.1 < accuracy["fp4"] < accuracy["float"] - 0.01
    assert 0.5 < accuracy["posit4"] < accuracy["fp4"] - 0.05
    assert right["float"].nats < right["fp4"].nats < right["posit4"].nats
    assert done[-1] == (400, 400)


def test_batches_change_nothing():
    model, scenes = load(), make_scenes(5, seed=9)
    whole, single = (score(Network(model.parameters, GoldenLinear(parse("xrnpe-posit8"))), scenes, batch=batch)
                     for batch in (5, 1))
    assert whole.correct == single.correct
    assert whole.nats == pytest.approx(single.nats, rel=1e-12)


def test_a_sheet_of_pictures():
    scenes = make_scenes(200, seed=14)
    gray = sheet(scenes, rows=2, zoom=3)
    assert gray.shape == (2 * SIDE * 3, len(CLASSES) * SIDE * 3)
    second = scenes.images[scenes.labels == 1][1, :, :, 0]
    np.testing.assert_allclose(gray[SIDE * 3 + 1::3, SIDE * 3 + 1:2 * SIDE * 3:3] / 255 - 0.4, second, atol=0.003)
    data = png(gray)
    at = data.index(b"IDAT")
    length = int.from_bytes(data[at - 4:at], "big")
    lines = np.frombuffer(zlib.decompress(data[at + 4:at + 4 + length]), np.uint8).reshape(len(gray), -1)
    np.testing.assert_array_equal(lines[:, 1:], gray)
    assert not lines[:, 0].any()
    assert zlib.crc32(data[at:at + 4 + length]) == int.from_bytes(data[at + 4 + length:at + 8 + length], "big")


def test_files_of_other_networks_are_refused(tmp_path):
    tensors, path = load_file(WEIGHTS), tmp_path / "n.safetensors"
    for change, says in (({"head.bias": np.zeros(3, np.float32)}, "head.bias has shape"),
                         ({"more": np.zeros(1)}, "must hold the tensors conv1.bias, ")):
        save_file({**tensors, **change}, path)
        with pytest.raises(CheckpointError, match=says):
            load(path)
    path.write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match=r"n\.safetensors"):
        load(path)


def test_training_learns():
    before, after = (score(Network(train(pictures=640, epochs=epochs)), make_scenes(200, seed=10))
                     for epochs in (0, 6))
    assert after.correct > 2 * before.correct
    assert after.nats < before.nats


@pytest.mark.slow
def test_the_weights_that_come_along_can_be_made_again():
    scenes = heldout_scenes()
    made, shipped = (score(Network(parameters), scenes) for parameters in (train(), load().parameters))
    assert made.accuracy == pytest.approx(shipped.accuracy, abs=0.015)
