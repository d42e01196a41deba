"""Linear backends in a scheme's arithmetic: on its golden model, on the hardware, or with its weights only.

All take one scheme, or a function from a layer's name (``layers.<index>.<q|k|v|o|gate|up|down>``) to its scheme, and a
quantiser for weights that are no codes yet. A packed weight that is not of its layer's scheme raises
``CheckpointError``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import Fp16, Scheme
from gemmsmith_sim.driver import Driver, Placed
from gemmsmith_sim.golden import Encoded, EncodeError, for_scheme
from gemmsmith_sim.llm.checkpoint import Weight
from gemmsmith_sim.quantise import AnyQuantiser, ErrorFeedback, PackedWeight, round_to_nearest

__all__ = ["GoldenLinear", "RtlLinear", "SchemeOf", "WeightOnlyLinear"]

Floats = NDArray[np.float32]
SchemeOf = Callable[[str], Scheme]
"""The scheme of a layer, by the layer's name."""


class GoldenLinear:
    """Every product on the golden model of its layer's scheme, bit for bit what the hardware computes.

    Weights are encoded once, activations at every call. ``outputs`` counts the output elements computed so far.
    ``scheme_of`` may be changed between products to one that shares the prepared weights.

    ``prepare`` and ``matmul`` raise ``EncodeError``, with the layer's name, for values the scheme cannot hold.
    """

    def __init__(self, scheme: Scheme | SchemeOf, quantiser: AnyQuantiser = round_to_nearest) -> None:
        self.scheme_of = _by_layer(scheme)
        self.outputs = 0
        self._quantiser = quantiser

    def prepare(self, name: str, weight: Weight) -> tuple[str, Encoded]:
        return name, _encode(name, weight, self.scheme_of(name), self._quantiser)

    def matmul(self, handle: tuple[str, Encoded], x: Floats) -> Floats:
        name, weight = handle
        golden = for_scheme(self.scheme_of(name))
        with _naming(name):
            activations = golden.encode_activations(x)
        product = golden.matmul(activations, weight)
        self.outputs += product.size
        return golden.output_values(product).astype(np.float32)


class RtlLinear:
    """Every product on the hardware behind ``driver``, each output compared with the golden model bit for bit.

    Weights are encoded once and stay in the hardware's memory; activations are encoded at every call.
    ``driver.total`` has the hardware's counters.

    Parameters
    ----------
    driver: connected to a co-processor.
    scheme: of each layer, such as the co-processor computes; by default the one that it was built for.

    Members
    -------
    outputs: output elements computed and compared so far. mismatches: those of them that differed.
    first_mismatch: the layer of the first that did, or None. macs: multiply-accumulates done.

    ``prepare`` and ``matmul`` raise ``EncodeError``, with the layer's name, for values the scheme cannot hold, and
    ``DriverError`` as the driver does.
    """

    def __init__(self, driver: Driver, scheme: Scheme | SchemeOf | None = None,
                 quantiser: AnyQuantiser = round_to_nearest) -> None:
        self.driver = driver
        self.outputs = self.mismatches = self.macs = 0
        self.first_mismatch: str | None = None
        self._scheme_of = _by_layer(scheme or driver.device.pe.scheme)
        self._quantiser = quantiser

    def prepare(self, name: str, weight: Weight) -> tuple[str, Placed]:
        return name, self.driver.load_weights(_encode(name, weight, self._scheme_of(name), self._quantiser))

    def matmul(self, handle: tuple[str, Placed], x: Floats) -> Floats:
        name, weight = handle
        golden = for_scheme(self._scheme_of(name))
        with _naming(name):
            activations = golden.encode_activations(x)
        product = self.driver.matmul(activations, weight)
        due = golden.matmul(activations, weight.encoded)
        bits = np.dtype(f"u{due.dtype.itemsize}")
        different = int(np.count_nonzero(product.view(bits) != due.view(bits)))
        if different and self.first_mismatch is None:
            self.first_mismatch = name
        self.mismatches += different
        self.outputs += product.size
        self.macs += product.size * x.shape[1]
        return golden.output_values(product).astype(np.float32)


class WeightOnlyLinear:
    """The weights of each layer's scheme with FP16 activations and float32 products.

    The reference that a scheme's activation format is held against; with four-bit weights it is the W4A16 of
    papers. It stands for no hardware and is not exact to the bit: the order of sums is the BLAS library's.

    ``prepare`` and ``matmul`` raise ``EncodeError``, with the layer's name, for values the formats cannot hold.
    """

    def __init__(self, scheme: Scheme | SchemeOf, quantiser: AnyQuantiser = round_to_nearest) -> None:
        self._scheme_of = _by_layer(scheme)
        self._quantiser = quantiser
        self._activations = for_scheme(Fp16())

    def prepare(self, name: str, weight: Weight) -> tuple[str, Floats]:
        encoded = _encode(name, weight, self._scheme_of(name), self._quantiser)
        return name, encoded.values.astype(np.float32)

    def matmul(self, handle: tuple[str, Floats], x: Floats) -> Floats:
        name, weight = handle
        with _naming(name):
            activations = self._activations.encode_activations(x).values.astype(np.float32)
        return activations @ weight.T


def _encode(layer: str, weight: Weight, scheme: Scheme, quantiser: AnyQuantiser) -> Encoded:
    """The weight's codes: its own if it is packed."""
    with _naming(layer):
        if isinstance(weight, PackedWeight):
            return weight.encode(scheme)
        if isinstance(quantiser, ErrorFeedback):
            return quantiser.encode(layer, scheme, weight)
        return quantiser(scheme, weight)


def _by_layer(scheme: Scheme | SchemeOf) -> SchemeOf:
    if isinstance(scheme, Scheme):
        return lambda name: scheme
    return scheme


@contextmanager
def _naming(layer: str) -> Iterator[None]:
    """Put the layer's name in front of what an encoder refuses."""
    try:
        yield
    except EncodeError as error:
        raise EncodeError(f"{layer}: {error}") from error
