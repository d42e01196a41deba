"""What layers see on calibration text, and texts that share a piece."""

import numpy as np
import pytest

from gemmsmith_sim.llm.calibrate import PIECE, feedback_tokens, layer_moments, overlap
from gemmsmith_sim.llm.checkpoint import CALIBRATION_TEXT, HELDOUT_TEXT, load
from gemmsmith_sim.llm.llama2c import convert
from oracle import llama2c


@pytest.mark.parametrize("context", [16, 24, 300])
def test_the_first_layer_sees_the_first_tokens(tmp_path, context):
    llama2c.write_model(tmp_path / "m.bin", context=context)
    convert(tmp_path / "m.bin", tmp_path / "model")
    model = load(tmp_path / "model")
    tokens = list(CALIBRATION_TEXT.read_bytes()[:2048])
    assert feedback_tokens(model) == tokens
    window = min(context, 128)
    embedded = model.embedding[tokens[:2048 // window * window]].astype(np.float64)
    x = embedded / np.sqrt(np.square(embedded).mean(axis=1, keepdims=True) + model.config.rms_norm_eps)
    x *= model.layers[0].attention_norm
    moments = layer_moments(model)
    assert set(moments) == {f"layers.{index}.{layer}" for index in range(2)
                            for layer in ("q", "k", "v", "o", "gate", "up", "down")}
    for layer in "qkv":
        np.testing.assert_allclose(moments[f"layers.0.{layer}"], x.T @ x, rtol=1e-4, atol=1e-2)
    assert moments["layers.1.down"].shape == (12, 12)


def test_a_shared_piece_is_an_overlap_wherever_it_lies():
    rng = np.random.default_rng(3)
    read, other = rng.integers(0, 40_000, (2, 10 * PIECE)).tolist()
    assert not overlap(read, other)
    assert overlap(read, other[:77] + read[3 * PIECE:4 * PIECE] + other[77:])
    assert not overlap(read, other[:77] + read[3 * PIECE:4 * PIECE - 1] + other[77:])
    assert not overlap(read[:PIECE - 1], read)


def test_the_held_out_text_is_not_read():
    texts = [path.read_bytes() for path in (CALIBRATION_TEXT, HELDOUT_TEXT)]
    assert not overlap(*texts)
    assert overlap(texts[0][:2048], texts[0])
    assert not overlap(texts[0][:2048], texts[0][2048:])
