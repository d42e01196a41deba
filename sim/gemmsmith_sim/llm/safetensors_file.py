"""Read tensors from a safetensors file, as float32 or as they are stored."""

from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401  (teaches numpy BF16, which the library then hands out)
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from gemmsmith_sim.llm.errors import CheckpointError

__all__ = ["SafetensorsFile"]

_SUPPORTED = ("F16", "BF16", "F32")


class SafetensorsFile:
    """An opened safetensors file. The header is checked at once, data are read tensor by tensor.

    Raises
    ------
    CheckpointError
        The file cannot be read, is no safetensors file, or is shorter or longer than its header says.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = safe_open(path, framework="numpy")
        except OSError as error:
            raise self.error(f"cannot be read: {error.strerror or error}") from None
        except SafetensorError as error:
            reason = str(error).rpartition("header: ")[2]
            raise self.error(f"is truncated, damaged or no safetensors file: {reason}") from None

    @property
    def names(self) -> frozenset[str]:
        """Names of all tensors in the file."""
        return frozenset(self._file.keys())

    def read(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Read one tensor as float32.

        Raises
        ------
        CheckpointError
            Its shape is not ``shape``, its dtype is not F16, BF16 or F32, or it holds a NaN or an infinity.
        """
        tensor: NDArray[np.float32] = self.stored(name, shape, *_SUPPORTED).astype(np.float32)
        if not np.isfinite(tensor).all():
            raise self.error(f"{name} holds a NaN or an infinity, every weight must be finite")
        return tensor

    def stored(self, name: str, shape: tuple[int, ...], *dtypes: str) -> NDArray[Any]:
        """Read one tensor as it is.

        Raises
        ------
        CheckpointError
            Its shape is not ``shape``, or its dtype none of ``dtypes``, named as in the file (F16, I32).
        """
        stored = self._file.get_slice(name)
        if tuple(stored.get_shape()) != shape:
            raise self.error(f"{name} has shape {stored.get_shape()}, config.json asks for {list(shape)}")
        if stored.get_dtype() not in dtypes:
            raise self.error(f"{name} has dtype {stored.get_dtype()}, supported are {', '.join(dtypes)}")
        tensor: NDArray[Any] = self._file.get_tensor(name)
        return tensor

    def error(self, what: str) -> CheckpointError:
        """An error that names the file."""
        return CheckpointError(f"{self._path}: {what}")
