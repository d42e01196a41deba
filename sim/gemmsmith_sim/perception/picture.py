"""A sheet of the pictures, each kind in a column: ``python -m gemmsmith_sim.perception.picture -o shapes.png``."""

from __future__ import annotations

import argparse
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gemmsmith_sim.cache import atomic_write
from gemmsmith_sim.perception.measure import heldout_scenes
from gemmsmith_sim.perception.scenes import CLASSES, GROUND, SIDE, Scenes

__all__ = ["png", "sheet"]

GRAY_8 = bytes([8, 0, 0, 0, 0])
"""PNG header: eight bits a pixel, gray, the only compression and filter there are, not interlaced."""


def sheet(scenes: Scenes, *, rows: int = 4, zoom: int = 3) -> NDArray[np.uint8]:
    """The first ``rows`` pictures of each kind, kinds side by side, a pixel as ``zoom`` × ``zoom``."""
    chosen = np.stack([scenes.images[scenes.labels == label][:rows, :, :, 0] for label in range(len(CLASSES))])
    whole = chosen.transpose(1, 2, 0, 3).reshape(rows * SIDE, len(CLASSES) * SIDE)
    gray = np.rint((whole + GROUND) * 255).astype(np.uint8)
    return np.repeat(np.repeat(gray, zoom, axis=0), zoom, axis=1)


def png(gray: NDArray[np.uint8]) -> bytes:
    """A PNG file of gray values (height, width)."""
    lines = np.pad(gray, ((0, 0), (1, 0))).tobytes()  # each line says first that it is not filtered
    parts = ((b"IHDR", struct.pack(">II", *gray.shape[::-1]) + GRAY_8), (b"IDAT", zlib.compress(lines, 9)),
             (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts)


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw a sheet of the pictures.")
    parser.add_argument("-o", "--output", type=Path, required=True, help="PNG file")
    atomic_write(parser.parse_args().output, png(sheet(heldout_scenes())))


if __name__ == "__main__":
    main()
