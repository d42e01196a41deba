"""INT4 weights with an FP16 scale per group along K, as several schemes take them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gemmsmith_sim.golden.base import Array, EncodeError, pad_k

FP16_SMALLEST_NORMAL = np.float16(2.0**-14)
SMALLEST_CODE, LARGEST_CODE = -8, 7


def encode_int4(values: Array, *, group: int) -> dict[str, Array]:
    """Symmetric INT4 with one FP16 scale per ``group``; both divisions are in float32.

    Gives ``codes``, int8 (rows, K), and ``scales``, float16 (rows, ⌈K/group⌉). Raises ``EncodeError`` for a group
    whose scale is beyond FP16.
    """
    quotients, scales = scaled(values, group=group, largest=LARGEST_CODE, part="seventh")
    codes = np.clip(np.rint(quotients), SMALLEST_CODE, LARGEST_CODE).astype(np.int8)
    return {"codes": codes, "scales": scales}


def scaled(values: Array, *, group: int, largest: int, part: str) -> tuple[Array, Array]:
    """``values`` (rows, K) divided by the scales of their groups, and these, float16 (rows, ⌈K/group⌉): FP16(absmax /
    largest), 1 for a group of zeros, at least the smallest normal number. Both divisions are in float32.

    Raises ``EncodeError``, which says what ``part`` of the largest value it is, for a scale beyond FP16.
    """
    with np.errstate(over="ignore", under="ignore"):
        groups = pad_k(values.astype(np.float32), group).reshape(len(values), -1, group)
        scales = (np.abs(groups).max(axis=2) / np.float32(largest)).astype(np.float16)
    if np.isinf(scales).any():
        row, index = np.argwhere(np.isinf(scales))[0]
        raise EncodeError(f"weights: row {row}, columns from {index * group}: "
                          f"a {part} of the group's largest magnitude is beyond the largest FP16, 65504")
    scales = np.where(groups.any(axis=2), np.maximum(scales, FP16_SMALLEST_NORMAL), np.float16(1))
    with np.errstate(under="ignore"):
        quotients = groups / scales.astype(np.float32)[:, :, None]
    return quotients.reshape(len(values), -1)[:, : values.shape[1]], scales


def check_int4(codes: NDArray[np.int8], scales: NDArray[np.float16], *, family: str) -> None:
    """Raise ``ValueError`` for a code outside −8..7, or a scale that is not a positive normal number."""
    check_range("weights", codes, SMALLEST_CODE, LARGEST_CODE)
    check_scales(scales, family=family)


def check_scales(scales: NDArray[np.float16], *, family: str) -> None:
    """Raise ``ValueError`` for a scale that is not a positive normal number."""
    if not ((scales >= FP16_SMALLEST_NORMAL) & np.isfinite(scales)).all():
        raise ValueError(f"scales of {family} weights must be positive normal FP16 numbers")


def check_range(name: str, codes: Array, low: int, high: int) -> None:
    """Raise ``ValueError`` for a code outside ``low`` … ``high``."""
    if codes.min() < low or codes.max() > high:
        raise ValueError(f"{name} must be {low}..{high}, not {codes.min()}..{codes.max()}")


def per_element(per_group: Array, size: int, shape: tuple[int, int]) -> NDArray[np.float64]:
    """A factor per group as one per element, (rows, K)."""
    return per_group.astype(np.float64).repeat(size, axis=1)[:, : shape[1]]
