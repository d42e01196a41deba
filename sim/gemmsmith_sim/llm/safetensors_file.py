"""Read tensors from a safetensors file, as float32.

The format (8-byte little-endian header length, JSON header, raw data) is read here rather than through the
``safetensors`` package because numpy has no BF16, and because a damaged file must be explained in one line.
Format: https://huggingface.co/docs/safetensors, "Format".
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemmsmith_sim.llm.errors import CheckpointError

__all__ = ["SafetensorsFile"]

# Stored type of each supported dtype. BF16 is the upper half of a float32.
_STORED: dict[str, np.dtype[Any]] = {"F16": np.dtype("<f2"), "BF16": np.dtype("<u2"), "F32": np.dtype("<f4")}

# The format's own limit on the header; a longer one is garbage read as a length.
_MAX_HEADER = 100_000_000


@dataclass(frozen=True)
class _Entry:
    """Where one tensor lies: absolute byte offset in the file."""

    dtype: str
    shape: tuple[int, ...]
    offset: int


class SafetensorsFile:
    """An opened safetensors file. The header is checked at once, data are read tensor by tensor.

    Parameters
    ----------
    path
        The file. It stays unopened between reads.

    Raises
    ------
    CheckpointError
        The file cannot be read, is no safetensors file, or is shorter or longer than its header says.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            size = path.stat().st_size
            header, base = self._read_header(size)
        except OSError as error:
            raise self._error(f"cannot be read: {error.strerror}") from error
        self._entries: dict[str, _Entry] = {}
        end = base
        for name, info in header.items():
            self._entries[name], stop = self._parse(name, info, base)
            end = max(end, stop)
        if size != end:
            state = "truncated" if size < end else "followed by data that are not its own"
            raise self._error(f"is {size} bytes long where its header describes {end}: {state}")

    @property
    def names(self) -> frozenset[str]:
        """Names of all tensors in the file."""
        return frozenset(self._entries)

    def read(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Read one tensor as float32.

        Raises
        ------
        CheckpointError
            Its shape is not ``shape``, its dtype is not F16, BF16 or F32, or it holds a NaN or an infinity.
        """
        entry = self._entries[name]
        if entry.shape != shape:
            raise self._error(f"{name} has shape {list(entry.shape)}, config.json asks for {list(shape)}")
        if entry.dtype not in _STORED:
            raise self._error(f"{name} has dtype {entry.dtype}, supported are {', '.join(_STORED)}")
        with self._path.open("rb") as file:
            file.seek(entry.offset)
            stored = np.fromfile(file, dtype=_STORED[entry.dtype], count=math.prod(shape)).reshape(shape)
        if entry.dtype == "BF16":
            tensor = (stored.astype(np.uint32) << 16).view(np.float32)
        else:
            tensor = stored.astype(np.float32)
        if not np.isfinite(tensor).all():
            raise self._error(f"{name} holds a NaN or an infinity, every weight must be finite")
        return tensor

    def _read_header(self, size: int) -> tuple[dict[str, Any], int]:
        """The header without its free-form metadata, and the offset of the data behind it."""
        with self._path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(size - 8, _MAX_HEADER):
                raise self._error(f"is truncated or no safetensors file: {size} bytes do not hold its header")
            text = file.read(length)
        try:
            header = json.loads(text)
        except ValueError as error:
            raise self._error("is damaged or no safetensors file: its header must be JSON") from error
        if not isinstance(header, dict):
            raise self._error("is damaged or no safetensors file: its header must be a JSON object")
        header.pop("__metadata__", None)
        return header, 8 + length

    def _parse(self, name: str, info: Any, base: int) -> tuple[_Entry, int]:
        """Check one header entry; return it and the byte after its data."""
        try:
            dtype, shape = str(info["dtype"]), tuple(int(side) for side in info["shape"])
            start, stop = (int(offset) for offset in info["data_offsets"])
        except (KeyError, TypeError, ValueError) as error:
            raise self._error(f"{name} must be described by dtype, shape and two data_offsets") from error
        if min(shape, default=0) < 0 or not 0 <= start <= stop:
            raise self._error(f"{name} must not have a negative size or offset")
        expected = math.prod(shape) * _STORED[dtype].itemsize if dtype in _STORED else stop - start
        if stop - start != expected:
            raise self._error(f"{name} takes {stop - start} bytes, {dtype} {list(shape)} takes {expected}")
        return _Entry(dtype, shape, base + start), base + stop

    def _error(self, what: str) -> CheckpointError:
        return CheckpointError(f"{self._path}: {what}")
