"""What a unit is fed while its energy is measured: real tensors, as words of its ports, with the outputs due.

Every lane of the simulation is a stream of its own: blocks of K elements, each another product of activations and
weights of the shipped model. All lanes run in lockstep, since no handshake depends on data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gemmsmith.pe import ProcessingElement
from gemmsmith.schemes import Axis, Operand
from gemmsmith_sim.golden import Encoded
from gemmsmith_sim.golden import for_scheme as golden_for

from .gates.words import WORD, Words, pack_lanes
from .tensors import Recorded, recorded

__all__ = ["Stimulus", "make_stimulus"]

TOKENS = 512
"""Rows of activations to choose from, of each layer."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Stimulus:
    """Blocks for a unit at level ``pe`` or ``tile``, back to back.

    Parameters
    ----------
    blocks, k, lanes: blocks per lane, elements along K of each, lanes.
    mode: of the processing element.
    block_word: the transfer of ``s_axis_block``, the same for all blocks.
    transfers: operand → bits of its transfers, words (transfers, bits, lanes / 64).
    outputs: bits of the outputs due, words (outputs, bits, lanes / 64), in the order in which they leave.
    outputs_per_block: rows × columns.
    """

    blocks: int
    k: int
    lanes: int
    mode: int
    block_word: int
    transfers: Mapping[str, Words]
    outputs: Words
    outputs_per_block: int

    @property
    def macs_per_block(self) -> int:
        """Useful multiply-accumulates of a block and lane."""
        return self.outputs_per_block * self.k


def make_stimulus(pe: ProcessingElement, *, rows: int, cols: int, blocks: int, k: int = 256, lanes: int = 512,
                  seed: int = 0) -> Stimulus:
    """Blocks of ``rows`` × ``cols`` outputs for an array of that size, in the mode of the element's scheme.

    64 lanes share a layer: they are the products of 8 × 8 choices of its activations and weights. Rows of a tensor
    that are shorter than K are joined with those that follow it. The tensors depend on ``seed``, ``k`` and the size
    only, not on the scheme, so that every unit is fed the same.

    Parameters
    ----------
    pe: as it computes its scheme; ``pe.mode`` is the mode.
    blocks: per lane. k: elements along K of a block. lanes: a multiple of 64.

    Raises
    ------
    ValueError: if a count is not positive, ``lanes`` is no multiple of 64, or the scheme cannot hold a tensor.
    """
    for name, value in (("rows", rows), ("cols", cols), ("blocks", blocks), ("k", k), ("lanes", lanes)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value!r}")
    if lanes % WORD:
        raise ValueError(f"lanes must be a multiple of {WORD}, not {lanes!r}")
    made = [_Products(pe, a, w, rows, cols) for a, w in _matrices(rows, cols, blocks * lanes // WORD, k, seed)]
    words = {o.name: _in_lanes([product.words(o) for product in made], blocks) for o in pe.operands}
    block_word = pe.groups(k) | rows - 1 << 24 | cols - 1 << 32
    return Stimulus(blocks, k, lanes, pe.mode, block_word, words,
                    _in_lanes([product.outputs() for product in made], blocks), rows * cols)


SIDE = 8
"""A word of lanes is a square of products: of so many choices of activations by so many of weights."""


def _matrices(rows: int, cols: int, count: int, k: int, seed: int) -> Iterator[tuple[Floats, Floats]]:
    """Activations (8 · rows, K) and weights (8 · cols, K), layer by layer in turn."""
    layers: tuple[Recorded, ...] = recorded(tokens=TOKENS, seed=seed)
    rng = np.random.default_rng(seed)
    for index in range(count):
        layer = layers[index % len(layers)]
        yield _rows(layer.activations, SIDE * rows, k, rng), _rows(layer.weights, SIDE * cols, k, rng)


def _rows(matrix: Floats, count: int, k: int, rng: np.random.Generator) -> Floats:
    """``count`` rows of K elements: rows of ``matrix`` from a random one on, joined where they are short."""
    joined = -(-k // matrix.shape[1])
    starts = rng.integers(0, len(matrix), count)
    chosen = (starts[:, None] + np.arange(joined)) % len(matrix)
    return np.ascontiguousarray(matrix[chosen].reshape(count, -1)[:, :k])


class _Products:
    """64 lanes of one block."""

    def __init__(self, pe: ProcessingElement, a: Floats, w: Floats, rows: int, cols: int) -> None:
        self._golden = golden_for(pe.scheme)
        self._a, self._w = self._golden.encode_activations(a), self._golden.encode_weights(w)
        self._rows, self._cols = rows, cols

    def words(self, operand: Operand) -> NDArray[np.uint8]:
        """Bits (lanes, transfers, bits of a transfer): the words of all rows or columns side by side."""
        row = operand.axis is Axis.ROW
        encoded: Encoded = self._a if row else self._w
        count = self._rows if row else self._cols
        taken = self._golden.stream(encoded, [operand])[operand.name]
        words = taken.reshape(SIDE, count, *taken.shape[1:]).transpose(0, 2, 1, 3)
        bits = np.unpackbits(words.reshape(SIDE, words.shape[1], -1), axis=-1, bitorder="little")
        return np.repeat(bits, SIDE, axis=0) if row else np.tile(bits, (SIDE, 1, 1))

    def outputs(self) -> NDArray[np.uint8]:
        """Bits (lanes, outputs, bits of an output), row by row."""
        product = self._golden.matmul(self._a, self._w)
        blocks = product.reshape(SIDE, self._rows, SIDE, self._cols).transpose(0, 2, 1, 3).reshape(WORD, -1)
        stored = np.ascontiguousarray(blocks, blocks.dtype.newbyteorder("<"))
        size = stored.dtype.itemsize
        return np.unpackbits(stored.view(np.uint8).reshape(WORD, -1, size), axis=-1, bitorder="little")


def _in_lanes(parts: list[NDArray[np.uint8]], blocks: int) -> Words:
    """Words (blocks · transfers, bits, W) of parts, each 64 lanes of a block: (64, transfers, bits); block by block."""
    bits = np.stack(parts).reshape(blocks, -1, *parts[0].shape)  # block, word, lane, transfer, bit
    ordered = bits.transpose(0, 3, 4, 1, 2)
    return pack_lanes(np.ascontiguousarray(ordered.reshape(-1, ordered.shape[2], ordered.shape[3] * WORD)))
