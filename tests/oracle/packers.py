"""GPTQ's and AWQ's 32-bit words, bit by bit from their published layouts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Matrix = Sequence[Sequence[int]]
AWQ_COLUMNS = (0, 2, 4, 6, 1, 3, 5, 7)
"""The nibble i of a word, from the lowest, holds this column of eight."""


def stream(codes: Sequence[int], bits: int) -> list[int]:
    """Codes one behind the other, the first in the lowest bits of the first word."""
    text = "".join(f"{code:0{bits}b}" for code in reversed(codes))
    return [int(text[max(0, end - 32) : end], 2) for end in range(len(text), 0, -32)]


def int32(words: Matrix) -> np.ndarray:
    return np.array(words, np.uint32).view(np.int32)


def gptq(codes: Matrix, zeros: Matrix, *, bits: int, minus_one: bool = True) -> dict[str, np.ndarray]:
    """``qweight`` and ``qzeros`` of codes (N, K) and zero points (N, groups)."""
    qweight = [stream(row, bits) for row in codes]  # (N, words along K)
    qzeros = [stream([zero - minus_one for zero in column], bits) for column in zip(*zeros, strict=True)]
    return {"qweight": np.ascontiguousarray(int32(qweight).T), "qzeros": int32(qzeros)}


def awq(codes: Matrix, zeros: Matrix) -> dict[str, np.ndarray]:
    """``qweight`` and ``qzeros`` of 4-bit codes (N, K) and zero points (N, groups)."""
    def words(column: Sequence[int]) -> list[int]:
        return [sum(column[start + place] << 4 * i for i, place in enumerate(AWQ_COLUMNS))
                for start in range(0, len(column), 8)]

    return {name: int32([words(column) for column in zip(*matrix, strict=True)])
            for name, matrix in (("qweight", codes), ("qzeros", zeros))}
