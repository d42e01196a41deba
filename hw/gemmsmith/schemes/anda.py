"""Anda: grouped block floating point activations in bit planes × INT4 weights (HPCA 2025, arXiv
2411.15982)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from gemmsmith.schemes.prealigned import Prealigned


@dataclass(frozen=True, kw_only=True)
class Anda(Prealigned):
    """Anda activations, stored and computed in bit planes, × INT4 weights: ``Prealigned`` with ``m`` as the run-time
    mode of the hardware."""

    family: ClassVar[str] = "anda"
    summary: ClassVar[str] = "Anda activations (shared exponent, m-bit mantissas in bit planes), INT4 weights in groups"
    source: ClassVar[str] = "Anda, HPCA 2025, arXiv 2411.15982; rounding points where the paper is silent are ours"

    m: int = 6

    @classmethod
    def compared(cls) -> tuple[Anda, ...]:
        return tuple(cls(m=m) for m in range(4, 14))

    def ladder(self) -> tuple[Anda, ...]:
        """The lengths of the paper's search, 4..13."""
        return tuple(self.replace(m=m) for m in range(4, 14))

    @classmethod
    def build_choices(cls, schemes: Sequence[Self]) -> dict[str, int]:
        """m is the run-time mode, so one build computes every length up to ``m_max``."""
        if not all(scheme.shares_weights(schemes[0]) for scheme in schemes):
            raise cls._mixed(schemes, "schemes that differ in m and round alone")
        longest = max(scheme.m for scheme in schemes)
        return {"m": longest, "m_max": longest}
