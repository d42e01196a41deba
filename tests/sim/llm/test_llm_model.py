"""The forward pass against formulas written out by position and head, and against itself in other pieces."""

import math

import numpy as np
import pytest

from gemmsmith_sim.llm.checkpoint import Checkpoint, load
from gemmsmith_sim.llm.model import FloatLinear, KVCache, Llama

CLOSE = {"rtol": 1e-4, "atol": 1e-4}


def oracle(checkpoint: Checkpoint, tokens: list[int]) -> np.ndarray:
    """Logits in float64, one position and one head at a time, without cache; RoPE as complex rotation."""
    config = checkpoint.config
    size, shared = config.head_dim, config.num_attention_heads // config.num_key_value_heads

    def norm(x, weight):
        return x / math.sqrt(float(np.dot(x, x)) / len(x) + config.rms_norm_eps) * weight

    def rotate(head, position):
        pairs = head[: size // 2] + 1j * head[size // 2 :]
        angles = [position * config.rope_theta ** (-2 * i / size) for i in range(size // 2)]
        turned = pairs * np.exp(1j * np.array(angles))
        return np.concatenate([turned.real, turned.imag])

    states = [checkpoint.embedding[token].astype(np.float64) for token in tokens]
    for layer in checkpoint.layers:
        weights = {name: weight.astype(np.float64) for name, weight in layer.linear.items()}
        normed = [norm(state, layer.attention_norm) for state in states]
        queries = [(weights["q"] @ x).reshape(-1, size) for x in normed]
        keys = [(weights["k"] @ x).reshape(-1, size) for x in normed]
        values = [(weights["v"] @ x).reshape(-1, size) for x in normed]
        for now in range(len(tokens)):
            heads = []
            for head in range(config.num_attention_heads):
                query = rotate(queries[now][head], now)
                past = range(now + 1)
                scores = [query @ rotate(keys[t][head // shared], t) / math.sqrt(size) for t in past]
                shares = [math.exp(score) for score in scores]
                mixed = sum(share * values[t][head // shared] for t, share in zip(past, shares, strict=True))
                heads.append(mixed / sum(shares))
            states[now] = states[now] + weights["o"] @ np.concatenate(heads)
        for now, state in enumerate(states):
            x = norm(state, layer.ffn_norm)
            gate = weights["gate"] @ x
            states[now] = state + weights["down"] @ (gate / (1 + np.exp(-gate)) * (weights["up"] @ x))
    return np.array([checkpoint.head.astype(np.float64) @ norm(state, checkpoint.norm) for state in states])


@pytest.fixture
def model(folder) -> Llama:
    return Llama(load(folder.write()), FloatLinear())


@pytest.mark.parametrize("tied", [False, True])
def test_random_model_equals_oracle(folder, tied):
    checkpoint = load(folder.write(tie_word_embeddings=tied))
    tokens = np.random.default_rng(0).integers(0, 37, 16)
    expected = oracle(checkpoint, tokens.tolist())
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(Llama(checkpoint, FloatLinear()).forward(tokens), expected, **CLOSE)


def test_builtin_model_equals_oracle():
    checkpoint = load()
    tokens = list(b"First Citizen:\nBefore we proceed")
    logits = Llama(checkpoint, FloatLinear()).forward(tokens)
    np.testing.assert_allclose(logits, oracle(checkpoint, tokens), **CLOSE)


@pytest.mark.parametrize("pieces", [[1] * 16, [5, 1, 10], [15, 1]], ids=str)
def test_cache_in_pieces_equals_whole(model, pieces):
    tokens = np.random.default_rng(1).integers(0, 37, 16)
    cache, parts = model.cache(), []
    for piece in np.split(tokens, np.cumsum(pieces)[:-1]):
        parts.append(model.forward(piece, cache))
    assert cache.length == 16
    np.testing.assert_allclose(np.concatenate(parts), model.forward(tokens), **CLOSE)


def test_batch_equals_single(model):
    tokens = np.random.default_rng(2).integers(0, 37, (3, 9))
    cache = model.cache(batch=3)
    batch = np.concatenate([model.forward(tokens[:, :5], cache), model.forward(tokens[:, 5:], cache)], axis=1)
    assert batch.shape == (3, 9, 37)
    for row, expected in zip(tokens, batch, strict=True):
        np.testing.assert_allclose(model.forward(row), expected, **CLOSE)


class Recorder(FloatLinear):
    def __init__(self) -> None:
        self.prepared: dict[str, tuple[int, ...]] = {}
        self.seen: list[tuple[str, tuple[int, ...]]] = []

    def prepare(self, name, weight):
        assert name not in self.prepared
        self.prepared[name] = weight.shape
        return name, weight

    def matmul(self, handle, x):
        name, weight = handle
        assert x.dtype == np.float32
        assert x.flags.c_contiguous
        self.seen.append((name, x.shape))
        return super().matmul(weight, x)


def test_backend_computes_every_linear_layer(folder):
    recorder = Recorder()
    model = Llama(load(folder.write()), recorder)
    order = ["q", "k", "v", "o", "gate", "up", "down"]
    assert set(recorder.prepared) == {f"layers.{index}.{name}" for index in (0, 1) for name in order}
    assert recorder.prepared["layers.1.down"] == (20, 28)
    assert model.forward([[1, 2, 3], [4, 5, 6]]).dtype == np.float32
    inputs = dict.fromkeys(order, 20) | {"o": 24, "down": 28}
    assert sorted(recorder.seen) == sorted((f"layers.{i}.{n}", (6, inputs[n])) for i in (0, 1) for n in order)


@pytest.mark.parametrize(
    ("tokens", "says"),
    [
        ([], "tokens must be integers"),
        ([[[1]]], "tokens must be integers"),
        ([1.0], "tokens must be integers"),
        ([-1], "from 0 to 36, not from -1"),
        ([3, 37], "from 0 to 36, not from 3 to 37"),
        ([1] * 17, "position 17 is past the context of 16"),
        ([[1], [2]], "tokens hold 2 sequences, the cache 1"),
    ],
)
def test_forward_checks_its_arguments(model, tokens, says):
    cache = model.cache()
    with pytest.raises(ValueError, match=says):
        model.forward(tokens, cache)
    assert cache.length == 0


def test_cache_needs_a_sequence(model):
    with pytest.raises(ValueError, match="batch must be at least 1, not 0"):
        KVCache(model.config, 0)


def test_large_activations_do_not_overflow(folder, tensors):
    for name in tensors:
        if "gate_proj" in name or "q_proj" in name:
            tensors[name] *= 1e4
    with np.errstate(over="raise", invalid="raise"):
        assert np.isfinite(Llama(load(folder.write(tensors)), FloatLinear()).forward([1, 2, 3])).all()
