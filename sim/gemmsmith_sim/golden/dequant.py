"""Golden model of ``Dequant``: weights rounded to FP16, then the sum of ``Fp16``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import Axis, Dequant
from gemmsmith_sim.golden.base import Encoded
from gemmsmith_sim.golden.floats import fp16_values
from gemmsmith_sim.golden.fp16 import accumulate, blocks
from gemmsmith_sim.golden.halfint4 import HalfInt4Golden

FP16_LARGEST = 65504.0


class DequantGolden(HalfInt4Golden[Dequant]):
    """See ``HalfInt4Golden``."""

    family = "dequant"

    @property
    def size(self) -> int:
        return self.scheme.group

    def decode(self, encoded: Encoded) -> NDArray[np.float64]:
        """Of weights, what is multiplied: RNE₁₆(q · s), at most 65504; the exact product, in float64, rounded once."""
        exact = super().decode(encoded)
        if encoded.axis is Axis.ROW:
            return exact
        return np.clip(exact, -FP16_LARGEST, FP16_LARGEST).astype(np.float16).astype(np.float64)

    def product(self, a: Encoded, w: Encoded) -> NDArray[np.float32]:
        left = np.ascontiguousarray(fp16_values(a.arrays["codes"]).T)
        right = w.keep("by_k", lambda: np.ascontiguousarray(self.decode(w).astype(np.float32).T))
        out = np.empty((a.shape[0], w.shape[0]), np.float32)
        for block in blocks(out.shape):
            out[block] = accumulate(left[:, block[0]], right[:, block[1]])
        return out
