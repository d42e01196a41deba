"""Golden model of ``FpInt``: one FP32 accumulator per output and weight group, then scale and sum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import FpInt
from gemmsmith_sim.golden.base import Encoded
from gemmsmith_sim.golden.floats import fp16_values
from gemmsmith_sim.golden.fp16 import accumulate, blocks
from gemmsmith_sim.golden.halfint4 import HalfInt4Golden


class FpIntGolden(HalfInt4Golden[FpInt]):
    """See ``HalfInt4Golden``."""

    family = "fpint"

    @property
    def size(self) -> int:
        return self.scheme.weight_group

    def product(self, a: Encoded, w: Encoded) -> NDArray[np.float32]:
        """All float32 arithmetic; what the roundings give never leaves FP32's normal range."""
        left = np.ascontiguousarray(fp16_values(a.arrays["codes"]).T)
        right = w.keep("by_k", lambda: np.ascontiguousarray(w.arrays["codes"].astype(np.float32).T))
        scales = w.arrays["scales"].astype(np.float32).T
        size = self.size
        out = np.zeros((a.shape[0], w.shape[0]), np.float32)
        for block in blocks(out.shape):
            for group, scale in enumerate(scales):
                span = np.s_[group * size : (group + 1) * size]
                out[block] += accumulate(left[span, block[0]], right[span, block[1]]) * scale[block[1]]
        return out
