"""The window convention on a model small enough to do it by hand, and the shipped model's known figure."""

import numpy as np
import pytest

from gemmsmith_sim.llm.checkpoint import HELDOUT_TEXT, load
from gemmsmith_sim.llm.model import FloatLinear, Llama
from gemmsmith_sim.llm.perplexity import perplexity


@pytest.mark.parametrize("length", [9, 16, 17, 18, 300])
def test_convention(folder, length):
    model = Llama(load(folder.write()), FloatLinear())
    ids = np.random.default_rng(length).integers(0, 37, length)
    losses, reports = [], []
    for start in range(0, length - 8, 8):
        for seen in range(1, 9):
            logits = model.forward(ids[start : start + seen])[-1].astype(np.float64)
            losses.append(np.log(np.exp(logits).sum()) - logits[ids[start + seen]])
    result = perplexity(model, ids, window=8, progress=lambda *done: reports.append(done))
    assert result.tokens == len(losses) > 0
    assert result.nats == pytest.approx(np.mean(losses), rel=1e-5)
    assert result.value == pytest.approx(np.exp(result.nats))
    assert reports[-1] == (len(losses), len(losses))
    assert [done for done, _ in reports] == sorted({done for done, _ in reports})


@pytest.mark.parametrize(
    ("length", "window", "says"),
    [(8, 8, "at least 9 tokens"), (50, 0, "window must be from 1"), (50, 17, "the context of 16, not 17")],
)
def test_arguments(folder, length, window, says):
    model = Llama(load(folder.write()), FloatLinear())
    with pytest.raises(ValueError, match=says):
        perplexity(model, np.zeros(length, int), window=window)


def test_builtin_model_on_heldout_text():
    """The figure was measured when the model was trained, by other code."""
    ids = np.frombuffer(HELDOUT_TEXT.read_bytes(), np.uint8)
    result = perplexity(Llama(load(), FloatLinear()), ids)
    assert result.tokens == 111_488
    assert result.nats == pytest.approx(1.5104, abs=5e-5)
    assert result.value == pytest.approx(4.528, abs=5e-4)
