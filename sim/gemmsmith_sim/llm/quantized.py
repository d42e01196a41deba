"""Linear backends that compute in a scheme's arithmetic: on its golden model, or with its weights only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import Fp16, Scheme
from gemmsmith_sim.golden import Encoded, EncodeError, for_scheme

__all__ = ["GoldenLinear", "WeightOnlyLinear"]

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
        try:
            return name, self._golden.encode_weights(weight)
        except EncodeError as error:
            raise EncodeError(f"{name}: {error}") from error

    def matmul(self, handle: tuple[str, Encoded], x: Floats) -> Floats:
        name, weight = handle
        try:
            activations = self._golden.encode_activations(x)
        except EncodeError as error:
            raise EncodeError(f"{name}: {error}") from error
        product = self._golden.matmul(activations, weight).astype(np.float32)
        self.outputs += product.size
        return product


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
        try:
            return name, self._weights.encode_weights(weight).values.astype(np.float32)
        except EncodeError as error:
            raise EncodeError(f"{name}: {error}") from error

    def matmul(self, handle: tuple[str, Floats], x: Floats) -> Floats:
        name, weight = handle
        try:
            activations = self._activations.encode_activations(x).values.astype(np.float32)
        except EncodeError as error:
            raise EncodeError(f"{name}: {error}") from error
        return activations @ weight.T
