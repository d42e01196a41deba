"""Synthetic pictures: one marker of ten kinds among clutter, as a head-mounted camera might meet it.

A marker has a random place, size, tilt, skew and brightness; lines and spots that belong to no marker lie over and
under it, and noise over all. Everything is drawn here, from a seed; nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["CLASSES", "GROUND", "SIDE", "Scenes", "make_scenes"]

Points = NDArray[np.float64]
Floats = NDArray[np.float32]

SIDE = 20
"""Pixels along an edge of a picture."""
FINE = 2
"""Points along an edge of a pixel at which a marker is sampled."""
LINES, SPOTS = 1, 1
"""Of clutter, at most, in a picture."""
NOISE = 0.07
"""Standard deviation, where black is 0 and white 1."""
GROUND = 0.4
"""Taken from all pixels, so that a picture's mean is about 0."""


@dataclass(frozen=True)
class Scenes:
    """``images``, float32 (count, SIDE, SIDE, 1), mean about 0; ``labels``, indices of ``CLASSES``."""

    images: Floats
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, part: slice | NDArray[np.int64]) -> Scenes:
        return Scenes(self.images[part], self.labels[part])


def _star(u: Points, v: Points) -> NDArray[np.bool_]:
    turn = np.abs((np.arctan2(u, v) * 5 / (2 * np.pi) + 0.5) % 1 - 0.5) * 2  # 0 at a tip, 1 between two
    return np.hypot(u, v) < 1 - 0.62 * turn


# In a square from −1 to 1, v upwards.
_INSIDE: dict[str, Callable[[Points, Points], NDArray[np.bool_]]] = {
    "disc": lambda u, v: np.hypot(u, v) < 0.8,
    "ring": lambda u, v: np.abs(np.hypot(u, v) - 0.68) < 0.22,
    "square": lambda u, v: np.maximum(np.abs(u), np.abs(v)) < 0.72,
    "triangle": lambda u, v: (v > -0.7) & (v + 1.8 * np.abs(u) < 0.9),
    "star": _star,
    "plus": lambda u, v: (np.minimum(np.abs(u), np.abs(v)) < 0.25) & (np.maximum(np.abs(u), np.abs(v)) < 0.9),
    "arrow": lambda u, v: ((v > 0.05) & (v + 1.1 * np.abs(u) < 0.95)) | ((np.abs(u) < 0.24) & (np.abs(v) < 0.9)
                                                                          & (v < 0.5)),
    "crescent": lambda u, v: (np.hypot(u, v) < 0.85) & (np.hypot(u - 0.42, v) > 0.6),
    "tee": lambda u, v: ((np.abs(u) < 0.24) & (np.abs(v) < 0.85)) | ((np.abs(v - 0.62) < 0.23) & (np.abs(u) < 0.85)),
    "ell": lambda u, v: ((np.abs(u + 0.5) < 0.24) & (np.abs(v) < 0.85)) | ((np.abs(v + 0.62) < 0.23)
                                                                           & (np.abs(u) < 0.74)),
}
CLASSES = tuple(_INSIDE)
"""Names of the markers."""


def make_scenes(count: int, *, seed: int) -> Scenes:
    """``count`` pictures; the same seed gives the same ones. Raises ``ValueError`` for fewer than one."""
    if count < 1:
        raise ValueError(f"count must be at least 1, not {count!r}")
    rng = np.random.default_rng(seed)
    labels = rng.integers(len(CLASSES), size=count)
    marker = _markers(labels, rng)
    ground = rng.uniform(0.0, 0.35, (count, 1, 1)) + _slopes(count, rng)
    bright = ground.mean(axis=(1, 2), keepdims=True) + rng.uniform(0.35, 0.6, (count, 1, 1))
    under, over = _clutter(count, rng), _clutter(count, rng)
    picture = ground + 0.35 * under
    picture = picture * (1 - marker) + bright * marker
    picture = picture * (1 - 0.8 * over) + rng.uniform(0.1, 0.9, (count, 1, 1)) * 0.8 * over
    picture = np.clip(picture + NOISE * rng.standard_normal(picture.shape), 0, 1) - GROUND
    return Scenes(picture.astype(np.float32)[..., None], labels)


def _markers(labels: NDArray[np.int64], rng: np.random.Generator) -> Points:
    """Share of each pixel (count, SIDE, SIDE) that a marker covers."""
    count = len(labels)
    angle, size = rng.uniform(-0.5, 0.5, count), rng.uniform(0.3, 0.44, count) * SIDE
    stretch, skew = rng.uniform(0.8, 1.25, count), rng.uniform(-0.2, 0.2, count)
    room = np.maximum(SIDE / 2 - size - 0.5, 0) + 1
    middle = SIDE / 2 + rng.uniform(-1, 1, (2, count)) * room
    line = (np.arange(SIDE * FINE) + 0.5) / FINE
    x, y = line[None, None, :] - middle[0][:, None, None], middle[1][:, None, None] - line[None, :, None]
    cos, sin = (turn(angle)[:, None, None] for turn in (np.cos, np.sin))
    u, v = (cos * x + sin * y) / size[:, None, None], (cos * y - sin * x) / size[:, None, None]
    u = u * stretch[:, None, None] + skew[:, None, None] * v
    covered = np.zeros(u.shape)
    for label, name in enumerate(CLASSES):
        mine = labels == label
        covered[mine] = _INSIDE[name](u[mine], v[mine])
    return covered.reshape(count, SIDE, FINE, SIDE, FINE).mean(axis=(2, 4))


def _slopes(count: int, rng: np.random.Generator) -> Points:
    """Light that falls from one side."""
    across, down = rng.uniform(-0.15, 0.15, (2, count, 1, 1))
    line = np.linspace(-1, 1, SIDE)
    return across * line[None, None, :] + down * line[None, :, None]


def _clutter(count: int, rng: np.random.Generator) -> Points:
    """Cover (count, SIDE, SIDE) by thin lines and small spots."""
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    cover = np.zeros((count, SIDE, SIDE))
    for _ in range(LINES):
        angle, offset = rng.uniform(0, np.pi, (count, 1, 1)), rng.uniform(-0.6, 0.6, (count, 1, 1)) * SIDE
        distance = np.abs(np.cos(angle) * (x - SIDE / 2) + np.sin(angle) * (y - SIDE / 2) - offset)
        cover = np.maximum(cover, np.clip(1 - distance, 0, 1) * (rng.random((count, 1, 1)) < 0.5))
    for _ in range(SPOTS):
        middle, radius = rng.uniform(0, SIDE, (2, count, 1, 1)), rng.uniform(0.8, 2.0, (count, 1, 1))
        spot = np.clip(radius + 0.5 - np.hypot(x - middle[0], y - middle[1]), 0, 1)
        cover = np.maximum(cover, spot * (rng.random((count, 1, 1)) < 0.5))
    return cover
