"""Integers with a scale per row of A and of W: what the families that compute with them have in common."""

from __future__ import annotations

from typing import ClassVar

from gemmsmith.schemes.base import Scheme


class RowScaled(Scheme):
    """Exact integer sums over the whole K, in 32 bits; an FP32 scale per row of A and per row of W."""

    max_k: ClassVar[int] = 131_072
    """The largest K whose sum is sure to fit."""

    @property
    def k_multiple(self) -> int:
        return 1
