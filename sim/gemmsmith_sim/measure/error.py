"""What a scheme costs in accuracy: its products on real tensors against float64."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import Scheme
from gemmsmith_sim.golden import EncodeError, for_scheme

from .tensors import Recorded, recorded

__all__ = ["NumericalError", "numerical_error"]

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class NumericalError:
    """Distance of a scheme's outputs from the float64 products of the operands before encoding.

    Parameters
    ----------
    relative_rms: ‖output − exact‖ / ‖exact‖ over all outputs of all layers.
    worst: largest |output − exact|, divided by the RMS of the exact outputs of its layer.
    outputs: how many were compared.
    by_layer: ``relative_rms`` of each layer alone.
    encoding: ‖decoded − exact‖ / ‖exact‖, ``decoded`` the float64 products of the operands as encoded: what is
        lost before the hardware begins.
    arithmetic: ‖output − decoded‖ / ‖exact‖: what the hardware's roundings add. The two add up like squares where
        they do not depend on each other.
    """

    relative_rms: float
    worst: float
    outputs: int
    by_layer: Mapping[str, float]
    encoding: float
    arithmetic: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {"relative_rms": self.relative_rms, "worst": self.worst, "outputs": self.outputs,
                "by_layer": dict(self.by_layer), "encoding": self.encoding, "arithmetic": self.arithmetic}


def numerical_error(scheme: Scheme, *, tensors: Sequence[Recorded] | None = None) -> NumericalError:
    """Error of the golden model of ``scheme``, hence of its hardware, on ``tensors`` (default: ``recorded()``).

    Raises
    ------
    ValueError: if there are no tensors, or all exact outputs of a layer are zero.
    EncodeError: for values that the scheme cannot hold, with the layer's name.
    """
    layers = recorded() if tensors is None else tensors
    if not layers:
        raise ValueError("tensors must hold at least one layer")
    measured = {tensor.layer: _measure(scheme, tensor) for tensor in layers}
    total = np.sum([layer.squares for layer in measured.values()], axis=0)
    return NumericalError(
        relative_rms=_ratio(total, _ERROR),
        worst=max(layer.worst for layer in measured.values()),
        outputs=sum(layer.outputs for layer in measured.values()),
        by_layer={name: _ratio(layer.squares, _ERROR) for name, layer in measured.items()},
        encoding=_ratio(total, _ENCODING),
        arithmetic=_ratio(total, _ARITHMETIC),
    )


_EXACT, _ERROR, _ENCODING, _ARITHMETIC = range(4)


@dataclass(frozen=True)
class _Layer:
    """Sums over the outputs of one layer; ``squares`` are those of the exact outputs and of the three errors."""

    squares: Doubles
    worst: float
    outputs: int


def _measure(scheme: Scheme, tensor: Recorded) -> _Layer:
    golden = for_scheme(scheme)
    try:
        a, w = golden.encode_activations(tensor.activations), golden.encode_weights(tensor.weights)
    except EncodeError as error:
        raise EncodeError(f"{tensor.layer}: {error}") from error
    exact = tensor.activations.astype(np.float64) @ tensor.weights.astype(np.float64).T
    decoded = a.values @ w.values.T
    output = golden.output_values(golden.matmul(a, w))
    scale = float(np.sqrt(np.mean(exact**2)))
    if scale == 0:
        raise ValueError(f"{tensor.layer}: all exact outputs are zero, so no error is relative to them")
    parts = {_EXACT: exact, _ERROR: output - exact, _ENCODING: decoded - exact, _ARITHMETIC: output - decoded}
    squares = np.array([np.sum(parts[part] ** 2) for part in sorted(parts)])
    return _Layer(squares, float(np.abs(output - exact).max()) / scale, output.size)


def _ratio(squares: Doubles, part: int) -> float:
    """‖part‖ / ‖exact‖."""
    return float(np.sqrt(squares[part] / squares[_EXACT]))
