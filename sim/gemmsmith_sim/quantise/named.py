"""Quantisers by name, as a command line and a precision file say them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import Scheme
from gemmsmith_sim.quantise.powers import ErrorFeedback
from gemmsmith_sim.quantise.quantisers import QUANTISERS, Quantiser

__all__ = ["FEEDBACK", "NEAREST", "AnyQuantiser", "Moments", "check_quantiser", "make_quantiser"]

AnyQuantiser = Quantiser | ErrorFeedback
"""Of weights alone, or with what each layer has seen."""
Moments = Mapping[str, NDArray[np.float64]]
"""Σ x · xᵀ over the inputs x of each layer, by the layer's name."""

NEAREST, FEEDBACK = "nearest", "feedback"
_SERVES = {NEAREST: None, "clip": ("mixpe", "w4a8"), "tensor": ("xrnpe", "xrnpe-posit8"),
           FEEDBACK: ("xrnpe", "xrnpe-posit8")}
"""The family that each serves, and an example; None: all."""


def check_quantiser(name: str, scheme: Scheme) -> None:
    """Raise ``ValueError`` if there is no such quantiser, or if it does not serve the scheme's family."""
    if name not in _SERVES:
        raise ValueError(f"no quantiser is called {name!r}; there are {', '.join(_SERVES)}")
    served = _SERVES[name]
    if served is not None and scheme.family != served[0]:
        raise ValueError(f"quantiser {name} serves the {served[0]} schemes ({served[1]} …), not {scheme.short}")


def make_quantiser(name: str | None, moments: Callable[[], Moments]) -> AnyQuantiser:
    """The quantiser called ``name``, one that ``check_quantiser`` lets pass; None: ``nearest``.

    ``moments`` is called if the quantiser wants data: for those of the model's layers, on its calibration data.
    """
    return ErrorFeedback(moments()) if name == FEEDBACK else QUANTISERS[name or NEAREST]
