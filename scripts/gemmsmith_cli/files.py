"""Matrices from files, and files that are written whole or not at all."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemmsmith_cli.errors import InputError
from gemmsmith_sim.cache import atomic_write


def load_matrix(path: Path) -> NDArray[Any]:
    """A float matrix (float16, float32 or float64, native byte order) from a ``.npy`` file.

    Raises ``InputError`` for anything else, ``OSError`` if the file cannot be read. Values are the encoder's matter.
    """
    try:
        matrix = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, MemoryError) as error:
        raise InputError(f"{path}: not a complete .npy file of numbers: {error}") from None
    if not isinstance(matrix, np.ndarray):
        raise InputError(f"{path}: an archive; a single matrix (.npy) is wanted")
    if matrix.dtype.kind != "f" or matrix.dtype.itemsize > 8:
        raise InputError(f"{path}: must hold float16, float32 or float64, not {matrix.dtype}")
    if matrix.ndim != 2 or matrix.size == 0:
        raise InputError(f"{path}: must be a matrix with rows and columns, not of shape {matrix.shape}")
    return np.ascontiguousarray(matrix, dtype=matrix.dtype.newbyteorder("="))


def check_output(path: Path) -> None:
    """Raises ``InputError`` if ``path`` cannot become a file: before long work."""
    if path.is_dir():
        raise InputError(f"{path}: is a directory; name a file")
    if not path.parent.is_dir():
        raise InputError(f"{path}: cannot be written, {path.parent} is not a directory")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{path}: cannot be written, {path.parent} is not writable")


def save_matrix(path: Path, matrix: NDArray[Any]) -> None:
    """Writes a ``.npy`` file."""
    buffer = io.BytesIO()
    np.save(buffer, matrix)
    atomic_write(path, buffer.getvalue())


def save_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Writes a ``.npz`` file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    atomic_write(path, buffer.getvalue())
