"""What every golden model offers: encode, multiply, pack. See ``Golden``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from gemmsmith.schemes import Axis, Operand, Scheme
from gemmsmith_sim.golden.floats import round_fp16

S = TypeVar("S", bound=Scheme)
Array = NDArray[Any]
Layout = dict[str, tuple[DTypeLike, tuple[int, ...]]]
"""Array name → dtype and shape."""

FLOATS = (np.float16, np.float32, np.float64)
MATRICES = {Axis.ROW: "activations", Axis.COLUMN: "weights"}

_families: dict[str, type[Golden]] = {}


class EncodeError(ValueError):
    """A value that the scheme's operand format cannot hold. The message names the value and its position."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """A matrix in a scheme's codes: what the hardware sees, and all that ``Golden.matmul`` looks at.

    Made by ``Golden.encode_activations`` / ``encode_weights``, or from codes that come from elsewhere; the
    arrays are checked and become read-only.

    Parameters
    ----------
    scheme: whose codes these are.
    axis: ``ROW`` for activations, ``COLUMN`` for weights.
    shape: (rows, K); rows is M for activations, N for weights.
    arrays: the codes; names, dtypes and shapes as the family's golden model documents them.

    Raises
    ------
    ValueError: if an array is missing, unknown, of the wrong dtype or shape, or holds an impossible code.
    """

    scheme: Scheme
    axis: Axis
    shape: tuple[int, int]
    arrays: dict[str, Array]
    _kept: dict[str, Array] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        golden, name = for_scheme(self.scheme), MATRICES[self.axis]
        if len(self.shape) != 2 or min(self.shape) < 1:
            raise ValueError(f"{name} must be a matrix with rows and columns, not of shape {self.shape}")
        layout = golden.layout(self.axis, self.shape)
        if set(self.arrays) != set(layout):
            raise ValueError(f"{name} of {self.scheme.short} have the arrays {', '.join(layout)}, "
                             f"not {', '.join(self.arrays)}")
        for key, (dtype, shape) in layout.items():
            array = self.arrays[key]
            if array.dtype != dtype or array.shape != shape:
                raise ValueError(f"{key} must be {np.dtype(dtype)} of shape {shape}, "
                                 f"not {array.dtype} of shape {array.shape}")
        golden.check(self)
        object.__setattr__(self, "arrays", {name: _read_only(array) for name, array in self.arrays.items()})

    @property
    def values(self) -> NDArray[np.float64]:
        """What the codes mean, exactly; float64 of the matrix's shape."""
        return for_scheme(self.scheme).decode(self)

    def keep(self, name: str, make: Callable[[], Array]) -> Array:
        """``make()``, computed once: weights are multiplied many times and keep the form that BLAS wants."""
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]


class Golden(ABC, Generic[S]):
    """The reference of one scheme family: exact to the bit, written from the scheme's docstring.

    A subclass names its ``family`` and is thereby registered; ``for_scheme`` finds it.
    """

    family: ClassVar[str]
    """The scheme family that this class models."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "family" not in cls.__dict__:  # a base of families
            return
        if cls.family in _families:
            raise ValueError(f"family {cls.family!r} has a golden model already, "
                             f"{_families[cls.family].__qualname__}")
        _families[cls.family] = cls

    def __init__(self, scheme: S) -> None:
        self.scheme = scheme

    # What users call.

    def encode_activations(self, x: Array) -> Encoded:
        """Codes of the activations ``x`` (M × K, float16, float32 or float64).

        Raises
        ------
        EncodeError: for NaN, infinities and values that the format cannot hold.
        ValueError: if ``x`` is not a float matrix, or is empty.
        """
        return self._encoded(Axis.ROW, x)

    def encode_weights(self, w: Array) -> Encoded:
        """Codes of the weights ``w`` (N × K); otherwise like ``encode_activations``."""
        return self._encoded(Axis.COLUMN, w)

    def matmul(self, a: Encoded, w: Encoded) -> Array:
        """O = A · Wᵀ, bit for bit as the hardware gives it: M × N, float32, (``out=fp16``) float16, or what the family
        says of an output format of its own.

        ``w`` may have been encoded for any scheme that shares this one's weights (another mantissa length, say).
        Raises ``ValueError`` if the operands are not activations and weights of this scheme with one K.
        """
        for operand, axis in ((a, Axis.ROW), (w, Axis.COLUMN)):
            self._claim(operand)
            if operand.axis is not axis:
                raise ValueError(f"matmul takes activations, then weights, not {MATRICES[operand.axis]} "
                                 f"as {MATRICES[axis]}")
        if a.shape[1] != w.shape[1]:
            raise ValueError(f"K of activations ({a.shape[1]}) and weights ({w.shape[1]}) must be equal")
        product = self.product(a, w)
        return round_fp16(product) if self.scheme.out == "fp16" else product

    def pack(self, encoded: Encoded, operands: Iterable[Operand]) -> dict[str, NDArray[np.uint8]]:
        """Those ``operands`` that belong to the matrix, as they lie in memory: name → bytes (rows, row_bytes).

        K is padded with zero codes to whole words. The space between rows (the stride) is the caller's.

        Raises ``ValueError`` for an operand, or a width of one, that the family does not have.
        """
        self._claim(encoded)
        groups = -(-encoded.shape[1] // self.scheme.k_multiple)
        return {operand.name: in_memory(self._contained(encoded, operand), operand, groups=groups)
                for operand in operands if operand.axis is encoded.axis}

    def stream(self, encoded: Encoded, operands: Iterable[Operand]) -> dict[str, NDArray[np.uint8]]:
        """The same in the order in which an array takes them, every word in a little-endian container: name → bytes
        (rows, words, container bytes)."""
        self._claim(encoded)
        return {operand.name: self._contained(encoded, operand)
                for operand in operands if operand.axis is encoded.axis}

    def _contained(self, encoded: Encoded, operand: Operand) -> NDArray[np.uint8]:
        words = self.words(encoded, operand)
        return np.pad(words, ((0, 0), (0, 0), (0, operand.container // 8 - words.shape[2])))

    # What a family says.

    @abstractmethod
    def layout(self, axis: Axis, shape: tuple[int, int]) -> Layout:
        """Arrays that an ``Encoded`` of this axis and shape has. Raises ``ValueError`` if K is too large."""

    def check(self, encoded: Encoded) -> None:
        """Raise ``ValueError`` if a code is outside its range. By default every code exists."""

    @abstractmethod
    def encode(self, axis: Axis, values: Array) -> dict[str, Array]:
        """Arrays of finite float ``values``. Raises ``EncodeError``."""

    @abstractmethod
    def decode(self, encoded: Encoded) -> NDArray[np.float64]:
        """What the codes mean."""

    @abstractmethod
    def product(self, a: Encoded, w: Encoded) -> Any:
        """The product, float32 before the output rounding, or in an output format of the family's own; operands have
        been checked. Zeros must be +0."""

    @abstractmethod
    def words(self, encoded: Encoded, operand: Operand) -> NDArray[np.uint8]:
        """Words of one operand: bytes (rows, words, at most container bytes), little-endian."""

    def output_values(self, outputs: Array) -> NDArray[np.float64]:
        """What outputs of ``matmul`` mean: float64 of their shape."""
        return outputs.astype(np.float64)

    # Helpers.

    def _encoded(self, axis: Axis, values: Array) -> Encoded:
        name = MATRICES[axis]
        if not isinstance(values, np.ndarray) or values.dtype not in FLOATS:
            kind = values.dtype if isinstance(values, np.ndarray) else type(values).__name__
            raise ValueError(f"{name} must be an array of float16, float32 or float64, not {kind}")
        if values.ndim != 2 or values.size == 0:
            raise ValueError(f"{name} must be a matrix with rows and columns, not of shape {values.shape}")
        self.layout(axis, values.shape)  # refuses a K that is too large before any work
        refuse(axis, values, ~np.isfinite(values), f"{self.scheme.short} takes finite values")
        return Encoded(self.scheme, axis, values.shape, self.encode(axis, values))

    def _claim(self, encoded: Encoded) -> None:
        shared = encoded.axis is Axis.COLUMN and self.scheme.shares_weights(encoded.scheme)
        if encoded.scheme != self.scheme and not shared:
            raise ValueError(f"{MATRICES[encoded.axis]} are encoded as {encoded.scheme.name}, "
                             f"not {self.scheme.name}")


def for_scheme(scheme: Scheme) -> Golden:
    """The golden model of a scheme. Raises ``ValueError`` if its family has none."""
    if scheme.family not in _families:
        raise ValueError(f"family {scheme.family!r} has no golden model; {', '.join(sorted(_families))} have")
    return _families[scheme.family](scheme)


def refuse(axis: Axis, values: Array, bad: NDArray[np.bool_], reason: str) -> None:
    """Raise ``EncodeError`` with the first position at which ``bad`` is true, if any."""
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise EncodeError(f"{MATRICES[axis]}: {values[row, column]} at row {row}, column {column}: {reason}")


def to_fp16(axis: Axis, values: Array) -> NDArray[np.uint16]:
    """FP16 codes of finite ``values``, nearest even, every zero +0. Raises ``EncodeError`` beyond 65504."""
    with np.errstate(over="ignore", under="ignore"):
        halves = values.astype(np.float16) + np.float16(0)  # −0 + 0 = +0
    refuse(axis, values, np.isinf(halves), "beyond the largest FP16, 65504")
    return halves.view(np.uint16)


def to_fp32(axis: Axis, values: Array) -> NDArray[np.float32]:
    """Finite ``values`` to nearest even. Raises ``EncodeError`` beyond the largest FP32."""
    with np.errstate(over="ignore", under="ignore"):
        x = values.astype(np.float32)
    refuse(axis, values, np.isinf(x), "beyond the largest FP32")
    return x


def expect(operand: Operand, *, width: int | None = None, multiple: int = 1) -> None:
    """Raise ``ValueError`` unless the operand is ``width`` bits, or a multiple of ``multiple`` bits, wide."""
    if (width is not None and operand.width != width) or operand.width % multiple:
        wanted = f"{width}" if width is not None else f"a multiple of {multiple}"
        raise ValueError(f"width of {operand.name} must be {wanted}, not {operand.width}")


def unknown(scheme: Scheme, operand: Operand) -> ValueError:
    """The error for an operand that the family does not have."""
    return ValueError(f"{scheme.family} has no {operand.axis.value} operand called {operand.name!r}")


def in_memory(words: NDArray[np.uint8], operand: Operand, *, groups: int) -> NDArray[np.uint8]:
    """Words (rows, words, container bytes) in the order in which an array takes them, as bytes (rows, row_bytes) in
    memory: see ``Operand``."""
    rows = len(words)
    if operand.descending:
        beats = words.reshape(rows, groups, -1, words.shape[2])
        words = np.concatenate([beats[:, :, :1], beats[:, :, :0:-1]], axis=2)
    if operand.dense:
        bits = np.unpackbits(words, axis=2, count=operand.width, bitorder="little")
        words = np.packbits(bits.reshape(rows, -1), axis=1, bitorder="little")
    return np.ascontiguousarray(words.reshape(rows, -1))


def pad_k(codes: Array, multiple: int) -> Array:
    """``codes`` (rows, K) with zero codes added until K is a multiple of ``multiple``."""
    return np.pad(codes, ((0, 0), (0, -codes.shape[1] % multiple)))


def little_endian(words: Array) -> NDArray[np.uint8]:
    """Bytes (rows, words, bytes per word) of an array (rows, words) of integers or floats."""
    stored = np.ascontiguousarray(words, dtype=words.dtype.newbyteorder("<"))
    return stored.view(np.uint8).reshape(*words.shape, words.dtype.itemsize)


def _read_only(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view
