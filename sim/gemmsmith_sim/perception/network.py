"""The network: convolutions as matrix products, and a fully connected head, computed by a replaceable backend.

Biases, ReLU and pooling stay in float32 here: they are the host's share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gemmsmith_sim.cache import digest
from gemmsmith_sim.llm.model import FloatLinear, LinearBackend
from gemmsmith_sim.llm.safetensors_file import SafetensorsFile
from gemmsmith_sim.perception.columns import columns, pool
from gemmsmith_sim.perception.scenes import CLASSES, SIDE

__all__ = ["LAYERS", "MODULES", "WEIGHTS", "Layer", "Network", "load"]

Floats = NDArray[np.float32]

WEIGHTS = Path(__file__).parent / "models" / "shapes.safetensors"
"""The trained network that comes along."""


@dataclass(frozen=True)
class Layer:
    """One matrix product of the network, and what follows it.

    Parameters
    ----------
    name: also of its weights, ``<name>.weight`` and ``<name>.bias``.
    kind: convolution over ``kernel`` × ``kernel`` pixels, pointwise (over channels alone), or dense.
    side: pixels along an edge of what comes in. inputs, outputs: channels.
    pooled: whether the maximum of each 2 × 2 outputs goes on. The last layer has no ReLU.
    """

    name: str
    kind: Literal["convolution", "pointwise", "dense"]
    side: int
    inputs: int
    outputs: int
    kernel: int = 1
    pooled: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Of the weights, N × K: K runs over lines, pixels, channels."""
        area = self.side**2 if self.kind == "dense" else self.kernel**2
        return self.outputs, area * self.inputs

    @property
    def rows(self) -> int:
        """Rows of activations for one picture."""
        return 1 if self.kind == "dense" else self.side**2

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one picture."""
        return self.rows * self.outputs * self.shape[1]

    def activations(self, x: Floats) -> Floats:
        """The matrix (count · rows, K) that the weights are multiplied by; x is (count, side, side, inputs)."""
        return x.reshape(len(x), -1) if self.kind == "dense" else columns(x, self.kernel)

    def after(self, product: Floats, bias: Floats, count: int) -> tuple[Floats, Floats]:
        """Biased product as images (or scores, (count, outputs)), and what the next layer sees."""
        biased = product + bias
        if self.kind == "dense":
            return biased, biased
        biased = np.maximum(biased.reshape(count, self.side, self.side, self.outputs), np.float32(0))
        return biased, pool(biased) if self.pooled else biased


LAYERS = (
    Layer("conv1", "convolution", SIDE, 1, 8, kernel=3, pooled=True),
    Layer("conv2", "convolution", SIDE // 2, 8, 16, kernel=3, pooled=True),
    Layer("point", "pointwise", SIDE // 4, 16, 32),
    Layer("head", "dense", SIDE // 4, 32, len(CLASSES)),
)
MODULES: Mapping[str, tuple[str, ...]] = {layer.name: (layer.name,) for layer in LAYERS}
"""The modules that have a precision of their own: the layers."""


@dataclass(frozen=True)
class Parameters:
    """``weights`` (N, K) and ``biases`` (N) of each layer, float32."""

    weights: dict[str, Floats]
    biases: dict[str, Floats]


class Network:
    """The network on a backend.

    Parameters
    ----------
    parameters: of all layers.
    linear: computes the layers' products; by default float32.
    """

    def __init__(self, parameters: Parameters, linear: LinearBackend | None = None) -> None:
        self.parameters = parameters
        self._linear = linear or FloatLinear()
        self._handles: dict[str, Any] = {name: self._linear.prepare(name, weight)
                                         for name, weight in parameters.weights.items()}

    def scores(self, images: Floats) -> Floats:
        """Scores (count, classes) of images (count, SIDE, SIDE, 1). Raises what the backend raises."""
        x = images
        for layer in LAYERS:
            product = self._linear.matmul(self._handles[layer.name], layer.activations(x))
            _, x = layer.after(product, self.parameters.biases[layer.name], len(images))
        return x


@dataclass(frozen=True)
class Trained:
    """Parameters from a file, and its name and content: what a precision file tells models by."""

    folder: Path
    parameters: Parameters

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file."""
        return digest(self.folder)


def load(path: Path = WEIGHTS) -> Trained:
    """Read parameters. Raises ``CheckpointError`` for a file that is damaged or not of this network."""
    file = SafetensorsFile(path)
    due = {name for layer in LAYERS for name in (f"{layer.name}.weight", f"{layer.name}.bias")}
    if file.names != due:
        raise file.error(f"must hold the tensors {', '.join(sorted(due))}")
    return Trained(path, Parameters({layer.name: file.read(f"{layer.name}.weight", layer.shape) for layer in LAYERS},
                                    {layer.name: file.read(f"{layer.name}.bias", layer.shape[:1]) for layer in LAYERS}))
