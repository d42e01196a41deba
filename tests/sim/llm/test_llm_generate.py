"""Sampling: determinism, streaming, sliding past the context, stopping."""

import itertools

import numpy as np
import pytest

from gemmsmith_sim.llm.checkpoint import load
from gemmsmith_sim.llm.generate import generate
from gemmsmith_sim.llm.model import FloatLinear, Llama


@pytest.fixture
def model(folder) -> Llama:
    return Llama(load(folder.write()), FloatLinear())


def slow_greedy(model: Llama, prompt: list[int], count: int) -> list[int]:
    """The documented rule without a cache: start anew from half a context whenever 16 tokens are exceeded."""
    window, tokens = prompt[:], []
    for _ in range(count):
        window = window if len(window) <= 16 else (prompt + tokens)[-8:]
        tokens.append(int(np.argmax(model.forward(window)[-1])))
        window.append(tokens[-1])
    return tokens


@pytest.mark.parametrize("length", [1, 15, 16, 17, 40])
def test_greedy_equals_cacheless_rule_beyond_the_context(model, length):
    prompt = np.random.default_rng(length).integers(0, 37, length).tolist()
    expected = slow_greedy(model, prompt, 30)
    assert list(generate(model, prompt, count=30, temperature=0)) == expected
    assert len(set(expected)) > 1


def test_seed_decides(model):
    first, again, other = (list(generate(model, [1], count=40, seed=seed)) for seed in (5, 5, 6))
    assert first == again != other


def test_sampling_follows_the_softmax(model):
    logits = model.forward([3])[-1].astype(np.float64) / 1.5
    expected = np.exp(logits) / np.exp(logits).sum()
    draws = [next(generate(model, [3], count=1, temperature=1.5, seed=seed)) for seed in range(1500)]
    counts = np.bincount(draws, minlength=37)
    deviations = (counts - 1500 * expected) / np.sqrt(1500 * expected)
    assert np.abs(deviations[expected > 0.02]).max() < 4.5


def test_yields_as_it_goes(model):
    calls = []
    forward = model.forward
    model.forward = lambda *args: calls.append(1) or forward(*args)
    tokens = generate(model, [1, 2], count=10)
    assert not calls
    list(itertools.islice(tokens, 3))
    assert len(calls) == 3


def test_stop_token_ends_the_text(model):
    tokens = list(generate(model, [1], count=20, seed=1))
    stop = tokens[4]
    assert list(generate(model, [1], count=20, seed=1, stop={stop})) == tokens[: tokens.index(stop)]


@pytest.mark.parametrize(
    ("prompt", "options", "says"),
    [
        ([], {}, "at least one token"),
        ([1], {"count": -1}, "count must not be negative, not -1"),
        ([1], {"temperature": -0.5}, "temperature must be finite and not negative, not -0.5"),
        ([1], {"temperature": float("nan")}, "temperature must be finite"),
    ],
)
def test_arguments_are_checked_at_the_call(model, prompt, options, says):
    with pytest.raises(ValueError, match=says):
        generate(model, prompt, **({"count": 1} | options))


def test_builtin_model_writes_english():
    model = Llama(load(), FloatLinear())
    text = bytes(generate(model, b"ROMEO:\n", count=200, temperature=0)).decode()
    assert len(text) == 200
    assert {"the", "of", "and"} & set(text.split())
