"""Tensors recorded from the shipped model: whose they are, and that they are what the model really multiplied."""

import numpy as np
import pytest

from gemmsmith_sim.llm import checkpoint
from gemmsmith_sim.llm.model import FloatLinear, Llama
from gemmsmith_sim.measure.tensors import recorded

KINDS = ("q", "k", "v", "o", "gate", "up", "down")


def test_every_kind_of_layer_of_the_first_and_last_block_and_the_head():
    layers = recorded()
    expected = [f"layers.{block}.{kind}" for block in (0, 3) for kind in KINDS]
    assert [t.layer for t in layers] == [*expected, "head"]
    for t in layers:
        assert t.activations.dtype == t.weights.dtype == np.float32
        assert t.activations.shape == (128, t.weights.shape[1])
        assert np.isfinite(t.activations).all()
        assert not t.activations.flags.writeable
        assert not t.weights.flags.writeable


def test_weights_are_those_of_the_checkpoint():
    loaded = checkpoint.load()
    by_name = {t.layer: t.weights for t in recorded()}
    np.testing.assert_array_equal(by_name["layers.3.down"], loaded.layers[3].linear["down"])
    np.testing.assert_array_equal(by_name["head"], loaded.head)


def test_the_head_multiplies_what_the_model_classifies():
    """The product of the recorded operands is the model's own output on the same text."""
    text = np.frombuffer(checkpoint.HELDOUT_TEXT.read_bytes(), np.uint8).astype(np.int64)
    window = int(np.random.default_rng(0).permutation(len(text) // 128)[0])
    logits = Llama(checkpoint.load(), FloatLinear()).forward(text[128 * window:128 * window + 128])
    head = recorded()[-1]
    np.testing.assert_allclose(head.activations @ head.weights.T, logits, rtol=1e-4, atol=1e-4)


def test_same_seed_same_tensors_other_seed_others():
    first, other = recorded(tokens=16, seed=3), recorded(tokens=16, seed=4)
    assert all(np.array_equal(x.activations, y.activations)
               for x, y in zip(first, recorded(tokens=16, seed=3), strict=True))
    assert not np.array_equal(first[0].activations, other[0].activations)


def test_more_tokens_than_a_context_come_from_several_windows():
    assert {len(t.activations) for t in recorded(tokens=200)} == {200}


@pytest.mark.parametrize(("arguments", "message"), [
    ({"tokens": 0}, "tokens must be from 1"), ({"tokens": 10**9}, "tokens must be from 1"),
    ({"seed": -1}, "seed must be at least 0"),
])
def test_what_cannot_be_recorded_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        recorded(**arguments)
