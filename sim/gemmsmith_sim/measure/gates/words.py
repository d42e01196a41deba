"""Bits of many lanes in 64-bit words: lane i is bit i mod 64 of word i div 64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ALL", "WORD", "Words", "count_ones", "lanes_of", "pack_lanes", "unpack_lanes"]

Words = NDArray[np.uint64]
WORD = 64
ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)


def pack_lanes(bits: NDArray[Any]) -> Words:
    """Words (..., lanes / 64) of bits (..., lanes), which are 0 or 1. Raises ``ValueError`` for a part of a word."""
    if bits.shape[-1] % WORD:
        raise ValueError(f"lanes must be a multiple of {WORD}, not {bits.shape[-1]}")
    packed = np.packbits(bits.astype(bool), axis=-1, bitorder="little")
    return np.ascontiguousarray(packed).view("<u8").astype(np.uint64, copy=False)


def unpack_lanes(words: Words) -> NDArray[np.uint8]:
    """Bits (..., lanes) of words (..., lanes / 64)."""
    stored = np.ascontiguousarray(words, dtype="<u8").view(np.uint8)
    return np.unpackbits(stored, axis=-1, bitorder="little")


def lanes_of(words: Words, lanes: NDArray[np.intp]) -> Words:
    """Of each chosen lane a whole word of its bit: (..., len(lanes)) of words (..., W)."""
    bits = words[..., lanes // WORD] >> (lanes % WORD).astype(np.uint64) & np.uint64(1)
    return np.uint64(0) - bits


def _count_swar(words: Words) -> NDArray[np.uint8]:
    """Ones of each word, by sums of neighbouring fields; numpy has an instruction for it from 2.0 on."""
    x = words - (words >> np.uint64(1) & np.uint64(0x5555_5555_5555_5555))
    pairs = np.uint64(0x3333_3333_3333_3333)
    x = (x & pairs) + (x >> np.uint64(2) & pairs)
    x = x + (x >> np.uint64(4)) & np.uint64(0x0F0F_0F0F_0F0F_0F0F)
    return (x * np.uint64(0x0101_0101_0101_0101) >> np.uint64(56)).astype(np.uint8)


_ones: Callable[[Words], NDArray[np.uint8]] = getattr(np, "bitwise_count", _count_swar)


def count_ones(words: Words) -> NDArray[np.int64]:
    """Ones in all but the first axis."""
    return _ones(words).reshape(len(words), -1).sum(axis=1, dtype=np.int64)
