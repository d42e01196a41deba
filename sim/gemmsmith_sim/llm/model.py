"""A Llama forward pass in numpy whose linear layers are computed by a replaceable backend.

Embedding, RMSNorm, rotary embedding, attention, SwiGLU and the classifier stay in float32 here: they are the
host's share. Numerics follow the Hugging Face implementation (rotate-half RoPE with float32 angles, epsilon
inside the root).
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gemmsmith_sim.llm.checkpoint import Checkpoint, Weight
from gemmsmith_sim.llm.config import LlamaConfig
from gemmsmith_sim.quantise.packed import PackedWeight

__all__ = ["FloatLinear", "KVCache", "LinearBackend", "Llama"]

Floats = NDArray[np.float32]


class LinearBackend(Protocol):
    """Computes ``x · weightᵀ`` for every linear layer of the blocks."""

    def prepare(self, name: str, weight: Weight) -> Any:
        """Take a weight of shape (N, K), once per layer, before any product.

        ``name`` is ``layers.<index>.<q|k|v|o|gate|up|down>``. What is returned comes back as ``handle``.
        """

    def matmul(self, handle: Any, x: Floats) -> Floats:
        """Multiply activations (M, K) by a prepared weight: (M, N). M differs from call to call."""


class FloatLinear:
    """The reference backend: a float32 matrix product, packed weights by their values."""

    def prepare(self, name: str, weight: Weight) -> Floats:
        return weight.values if isinstance(weight, PackedWeight) else weight

    def matmul(self, handle: Floats, x: Floats) -> Floats:
        return x @ handle.T


class KVCache:
    """Keys and values of the positions seen so far, for ``batch`` sequences of equal length.

    ``length`` is the number of positions held; ``keys`` and ``values`` are (layers, batch, KV heads, context,
    head_dim), of which the first ``length`` positions are valid.
    """

    def __init__(self, config: LlamaConfig, batch: int = 1) -> None:
        if batch < 1:
            raise ValueError(f"batch must be at least 1, not {batch!r}")
        shape = (
            config.num_hidden_layers,
            batch,
            config.num_key_value_heads,
            config.max_position_embeddings,
            config.head_dim,
        )
        self.keys = np.zeros(shape, np.float32)
        self.values = np.zeros(shape, np.float32)
        self.length = 0

    @property
    def batch(self) -> int:
        return self.keys.shape[1]

    def extend(self, layer: int, keys: Floats, values: Floats) -> tuple[Floats, Floats]:
        """Store T new positions (batch, KV heads, T, head_dim) of a layer; return all up to them."""
        stop = self.length + keys.shape[2]
        self.keys[layer, :, :, self.length : stop] = keys
        self.values[layer, :, :, self.length : stop] = values
        return self.keys[layer, :, :, :stop], self.values[layer, :, :, :stop]


class Llama:
    """A loaded model.

    Parameters
    ----------
    checkpoint
        Configuration and weights.
    linear
        Backend of the blocks' linear layers; its ``prepare`` is called here, once per layer.
    """

    def __init__(self, checkpoint: Checkpoint, linear: LinearBackend) -> None:
        self.config = checkpoint.config
        self._checkpoint = checkpoint
        self._linear = linear
        self._handles = {
            f"layers.{index}.{name}": linear.prepare(f"layers.{index}.{name}", weight)
            for index, layer in enumerate(checkpoint.layers)
            for name, weight in layer.linear.items()
        }
        self._cos, self._sin = _rope_tables(checkpoint.config)

    def cache(self, batch: int = 1) -> KVCache:
        """An empty cache of the model's context length."""
        return KVCache(self.config, batch)

    def forward(self, tokens: ArrayLike, cache: KVCache | None = None) -> Floats:
        """Run T new tokens per sequence; the cache, if given, supplies the earlier ones and takes these in.

        Parameters
        ----------
        tokens
            Token numbers, (T,) for one sequence or (batch, T).
        cache
            Changed in place. None computes from an empty context and keeps nothing.

        Returns
        -------
        Logits (T, vocabulary) or (batch, T, vocabulary), float32.

        Raises
        ------
        ValueError
            Tokens of the wrong shape or range, a cache of another batch, or more positions than the context.
        """
        ids = self._check_tokens(tokens)
        batch, count = (1, *ids.shape)[-2:]
        cache = self.cache(batch) if cache is None else cache
        context = self.config.max_position_embeddings
        if cache.batch != batch:
            raise ValueError(f"tokens hold {batch} sequences, the cache {cache.batch}")
        if cache.length + count > context:
            raise ValueError(f"position {cache.length + count} is past the context of {context} tokens")
        x = self._checkpoint.embedding[ids.reshape(batch, count)]
        for index, layer in enumerate(self._checkpoint.layers):
            x = x + self._attention(index, self._norm(x, layer.attention_norm), cache)
            x = x + self._feed_forward(index, self._norm(x, layer.ffn_norm))
        cache.length += count
        logits = self._norm(x, self._checkpoint.norm) @ self._checkpoint.head.T
        return logits.reshape(*ids.shape, -1)

    def _check_tokens(self, tokens: ArrayLike) -> NDArray[np.integer[Any]]:
        ids = np.asarray(tokens)
        if ids.ndim not in (1, 2) or ids.size == 0 or not np.issubdtype(ids.dtype, np.integer):
            raise ValueError(f"tokens must be integers (T,) or (batch, T), not {ids.dtype} {ids.shape}")
        low, high, last = ids.min(), ids.max(), self.config.vocab_size - 1
        if low < 0 or high > last:
            raise ValueError(f"tokens must be from 0 to {last}, not from {low} to {high}")
        return ids

    def _project(self, index: int, name: str, x: Floats) -> Floats:
        """One linear layer on (batch, T, K), which the backend sees as one matrix."""
        rows = np.ascontiguousarray(x.reshape(-1, x.shape[-1]))
        out = self._linear.matmul(self._handles[f"layers.{index}.{name}"], rows)
        return out.reshape(*x.shape[:-1], -1)

    def _norm(self, x: Floats, weight: Floats) -> Floats:
        mean_square = np.mean(x * x, axis=-1, keepdims=True)
        return x / np.sqrt(mean_square + np.float32(self.config.rms_norm_eps)) * weight

    def _attention(self, index: int, x: Floats, cache: KVCache) -> Floats:
        config, (batch, count, _) = self.config, x.shape
        heads, kv_heads, head_dim = config.num_attention_heads, config.num_key_value_heads, config.head_dim

        def split(name: str, heads: int) -> Floats:
            return self._project(index, name, x).reshape(batch, count, heads, head_dim).swapaxes(1, 2)

        query = self._rotate(split("q", heads), cache.length)
        key = self._rotate(split("k", kv_heads), cache.length)
        keys, values = cache.extend(index, key, split("v", kv_heads))
        # Query heads that share a key/value head lie side by side: fold them into its rows.
        query = query.reshape(batch, kv_heads, -1, head_dim)
        query *= np.float32(head_dim**-0.5)
        scores = query @ keys.swapaxes(2, 3)
        shares = _causal_softmax(scores.reshape(batch, heads, count, -1))
        mixed = shares.reshape(scores.shape) @ values
        mixed = mixed.reshape(batch, heads, count, head_dim).swapaxes(1, 2).reshape(batch, count, -1)
        return self._project(index, "o", mixed)

    def _rotate(self, x: Floats, start: int) -> Floats:
        """Rotary embedding of (batch, heads, T, head_dim), whose first token stands at position ``start``."""
        cos, sin = (table[start : start + x.shape[2]] for table in (self._cos, self._sin))
        low, high = np.split(x, 2, axis=-1)
        return np.concatenate([low * cos - high * sin, high * cos + low * sin], axis=-1)

    def _feed_forward(self, index: int, x: Floats) -> Floats:
        gate = self._project(index, "gate", x)
        # SiLU through tanh, which cannot overflow: sigmoid(g) = (1 + tanh(g / 2)) / 2.
        gate = gate * (np.float32(0.5) + np.float32(0.5) * np.tanh(np.float32(0.5) * gate))
        return self._project(index, "down", gate * self._project(index, "up", x))


def _causal_softmax(scores: Floats) -> Floats:
    """Softmax over the last axis of (…, T, S), in place. The T queries are the last of the S positions."""
    count, total = scores.shape[-2:]
    future = ~np.tri(count, total, total - count, dtype=bool)
    scores += np.where(future, np.float32(-np.inf), np.float32(0))
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return scores


def _rope_tables(config: LlamaConfig) -> tuple[Floats, Floats]:
    """Cosines and sines (context, head_dim / 2); angles in float32 as in Hugging Face's implementation."""
    exponents = np.arange(0, config.head_dim, 2, dtype=np.float32) / np.float32(config.head_dim)
    frequencies = np.float32(1) / np.float32(config.rope_theta) ** exponents
    angles = np.outer(np.arange(config.max_position_embeddings, dtype=np.float32), frequencies)
    return np.cos(angles), np.sin(angles)
