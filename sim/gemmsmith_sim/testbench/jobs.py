"""What the benches compute: products of seeded matrices, in golden codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from gemmsmith.pe import ProcessingElement, for_scheme
from gemmsmith_sim.golden import Encoded, EncodeError
from gemmsmith_sim.golden import for_scheme as golden_for

LARGEST = (65504.0, 448.0, 6.0, 1.0)
"""Extreme values to try, largest first: a format that cannot hold one may hold the next."""
SMALL = (0.0, -0.0, 2.0**-14, 1023 * 2.0**-24, 2.0**-24, -(2.0**-24))
"""Zeros, and FP16's smallest normal, largest and smallest subnormal."""
SHARE_SMALL, SHARE_LARGE = 1 / 16, 1 / 128
"""How many of the elements are such. An extreme hides the others of its group in most formats, hence few."""


@dataclass(frozen=True)
class Job:
    """O = A · Wᵀ in one run-time mode.

    Parameters
    ----------
    pe: the processing element as it computes this job (its ``mode`` is the job's). a, w: operands.
    outputs: codes of the outputs, M × N unsigned integers of the output's width.
    """

    pe: ProcessingElement
    a: Encoded
    w: Encoded
    outputs: NDArray[np.unsignedinteger]

    @property
    def m(self) -> int:
        return self.a.shape[0]

    @property
    def n(self) -> int:
        return self.w.shape[0]

    @property
    def k(self) -> int:
        return self.a.shape[1]

    @property
    def groups(self) -> int:
        return self.pe.groups(self.k)

    def __str__(self) -> str:
        return f"M = {self.m}, N = {self.n}, K = {self.k}, mode {self.pe.mode}"


def make_job(pe: ProcessingElement, m: int, n: int, k: int, rng: np.random.Generator) -> Job:
    """A job with seeded operands: normal numbers, zeros, subnormals and extremes; the last row of A is zero."""
    golden = golden_for(pe.scheme)
    x = _matrix(m, k, rng)
    if m > 1:
        x[-1] = 0
    a, w = _encode(golden.encode_activations, x, rng), _encode(golden.encode_weights, _matrix(n, k, rng), rng)
    width = pe.scheme.out_width // 8
    return Job(pe, a, w, golden.matmul(a, w).view(f"u{width}"))


def modes_of(pe: ProcessingElement) -> list[ProcessingElement]:
    """``pe`` in its own mode, and in the last and the first of its run-time modes if it has several."""
    others = {pe.modes[-1], pe.modes[0]} - {pe.mode}
    return [pe, *filter(None, (_in_mode(pe, mode) for mode in sorted(others, reverse=True)))]


def largest_k(wanted: int, size: Callable[[int], int], limit: int) -> int:
    """``wanted``, halved until ``size(k)`` is at most ``limit``; at least 1."""
    while wanted > 1 and size(wanted) > limit:
        wanted //= 2
    return wanted


def _in_mode(pe: ProcessingElement, mode: int) -> ProcessingElement | None:
    """The element as it computes ``mode``: its scheme with one number changed, or another one of those that are
    compared, on the same operands."""
    options = {option: getattr(pe, option) for option in pe.options}
    numbers = [field.name for field in fields(pe.scheme) if type(getattr(pe.scheme, field.name)) is int]
    others = [{name: mode} for name in numbers]
    others += [asdict(other) | {"out": pe.scheme.out} for other in type(pe.scheme).compared()]
    for choices in others:
        try:
            changed = for_scheme(pe.scheme.replace(**choices), **options)
        except ValueError:
            continue
        if changed.mode == mode and changed.operands == pe.operands:
            return changed
    return None


def _matrix(rows: int, k: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Normal numbers, each row of its own magnitude, with zeros and subnormals between them."""
    x = rng.normal(size=(rows, k)) * np.exp2(rng.integers(-6, 7, size=(rows, 1)))
    return np.where(rng.random(x.shape) < SHARE_SMALL, rng.choice(SMALL, size=x.shape), x).astype(np.float32)


def _encode(encode: Callable[[NDArray[np.float32]], Encoded], x: NDArray[np.float32],
            rng: np.random.Generator) -> Encoded:
    """``x`` with a few extremes, encoded."""
    extreme = (rng.random(x.shape) < SHARE_LARGE) & x.any(axis=1, keepdims=True)
    signs = rng.choice([-1, 1], size=x.shape)
    for largest in LARGEST:
        try:
            return encode(np.where(extreme, signs * largest, x).astype(np.float32))
        except EncodeError:
            pass
    return encode(x)
