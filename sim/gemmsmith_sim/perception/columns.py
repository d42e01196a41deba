"""Convolution as a matrix product: what goes in, and how gradients come back. Images are (count, height, width,
channels), float32."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["columns", "pool", "pool_back", "uncolumns"]

Floats = NDArray[np.float32]


def columns(images: Floats, kernel: int) -> Floats:
    """im2col of a convolution of stride 1 that keeps the size: (count · height · width, kernel² · channels).

    A row has the neighbourhood of one pixel, line by line, channels last; outside the image are zeros.
    """
    count, height, width, channels = images.shape
    edge = kernel // 2
    padded = np.pad(images, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    shifted = [padded[:, y:y + height, x:x + width] for y in range(kernel) for x in range(kernel)]
    return np.stack(shifted, axis=3).reshape(count * height * width, kernel * kernel * channels)


def uncolumns(gradient: Floats, shape: tuple[int, ...], kernel: int) -> Floats:
    """The transpose of ``columns``: each element is added to the pixel of images of ``shape`` that it came from."""
    count, height, width, channels = shape
    edge = kernel // 2
    padded = np.zeros((count, height + 2 * edge, width + 2 * edge, channels), np.float32)
    parts = gradient.reshape(count, height, width, kernel * kernel, channels)
    for index in range(kernel * kernel):
        y, x = divmod(index, kernel)
        padded[:, y:y + height, x:x + width] += parts[:, :, :, index]
    return padded[:, edge:edge + height, edge:edge + width]


def pool(images: Floats) -> Floats:
    """The maximum of each 2 × 2 pixels; height and width are even."""
    return _blocks(images).max(axis=(2, 4))


def pool_back(gradient: Floats, images: Floats, pooled: Floats) -> Floats:
    """The gradient of ``pool``, to the pixel that was the maximum; equals share it."""
    largest = _blocks(images) == pooled[:, :, None, :, None]
    share = gradient / largest.sum(axis=(2, 4), dtype=np.float32)
    return (largest * share[:, :, None, :, None]).reshape(images.shape)


def _blocks(images: Floats) -> Floats:
    count, height, width, channels = images.shape
    return images.reshape(count, height // 2, 2, width // 2, 2, channels)
