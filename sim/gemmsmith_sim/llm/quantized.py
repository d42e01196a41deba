"""Linear backends in a scheme's arithmetic: on its golden model, on the hardware, or with its weights only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import Fp16, Scheme
from gemmsmith_sim.driver import Driver, Placed
from gemmsmith_sim.golden import Encoded, EncodeError, for_scheme

__all__ = ["GoldenLinear", "RtlLinear", "WeightOnlyLinear"]

Floats = NDArray[np.float32]


class GoldenLinear:
    """Every product on the golden model of ``scheme``, bit for bit what its hardware computes.

    Weights are encoded once, activations at every call. ``outputs`` counts the output elements computed so far.

    ``prepare`` and ``matmul`` raise ``EncodeError``, with the layer's name, for values the scheme cannot hold.
    """

    def __init__(self, scheme: Scheme) -> None:
        self.scheme = scheme
        self.outputs = 0
        self._golden = for_scheme(scheme)

    def prepare(self, name: str, weight: Floats) -> tuple[str, Encoded]:
        with _naming(name):
            return name, self._golden.encode_weights(weight)

    def matmul(self, handle: tuple[str, Encoded], x: Floats) -> Floats:
        name, weight = handle
        with _naming(name):
            activations = self._golden.encode_activations(x)
        product = self._golden.matmul(activations, weight).astype(np.float32)
        self.outputs += product.size
        return product


class RtlLinear:
    """Every product on the hardware behind ``driver``, each output compared with the golden model bit for bit.

    Weights are encoded once and stay in the hardware's memory; activations are encoded at every call.
    ``driver.total`` has the hardware's counters.

    Parameters
    ----------
    driver: connected to a co-processor.
    scheme: one that the co-processor computes; by default the one that it was built for.

    Members
    -------
    outputs: output elements computed and compared so far. mismatches: those of them that differed.
    first_mismatch: the layer of the first that did, or None. macs: multiply-accumulates done.

    ``prepare`` and ``matmul`` raise ``EncodeError``, with the layer's name, for values the scheme cannot hold, and
    ``DriverError`` as the driver does.
    """

    def __init__(self, driver: Driver, scheme: Scheme | None = None) -> None:
        self.driver = driver
        self.scheme = scheme or driver.device.pe.scheme
        self.outputs = self.mismatches = self.macs = 0
        self.first_mismatch: str | None = None
        self._golden = for_scheme(self.scheme)

    def prepare(self, name: str, weight: Floats) -> tuple[str, Placed]:
        try:
            return name, self.driver.load_weights(self._golden.encode_weights(weight))
        except EncodeError as error:
            raise EncodeError(f"{name}: {error}") from error

    def matmul(self, handle: tuple[str, Placed], x: Floats) -> Floats:
        name, weight = handle
        try:
            activations = self._golden.encode_activations(x)
        except EncodeError as error:
            raise EncodeError(f"{name}: {error}") from error
        product = self.driver.matmul(activations, weight)
        due = self._golden.matmul(activations, weight.encoded)
        bits = np.dtype(f"u{due.dtype.itemsize}")
        different = int(np.count_nonzero(product.view(bits) != due.view(bits)))
        if different and self.first_mismatch is None:
            self.first_mismatch = name
        self.mismatches += different
        self.outputs += product.size
        self.macs += product.size * x.shape[1]
        return product.astype(np.float32)


class WeightOnlyLinear:
    """The weights of ``scheme`` with FP16 activations and float32 products.

    The reference that a scheme's activation format is held against; with four-bit weights it is the W4A16 of
    papers. It stands for no hardware and is not exact to the bit: the order of sums is the BLAS library's.

    ``prepare`` and ``matmul`` raise ``EncodeError``, with the layer's name, for values the formats cannot hold.
    """

    def __init__(self, scheme: Scheme) -> None:
        self.scheme = scheme
        self._weights = for_scheme(scheme)
        self._activations = for_scheme(Fp16())

    def prepare(self, name: str, weight: Floats) -> tuple[str, Floats]:
        with _naming(name):
            return name, self._weights.encode_weights(weight).values.astype(np.float32)

    def matmul(self, handle: tuple[str, Floats], x: Floats) -> Floats:
        name, weight = handle
        with _naming(name):
            activations = self._activations.encode_activations(x).values.astype(np.float32)
        return activations @ weight.T


@contextmanager
def _naming(layer: str) -> Iterator[None]:
    """Put the layer's name in front of what an encoder refuses."""
    try:
        yield
    except EncodeError as error:
        raise EncodeError(f"{layer}: {error}") from error
