"""Golden model of ``Dequant``: weights rounded to FP16, then the sum of ``Fp16``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import Axis, Dequant, Operand
from gemmsmith_sim.golden.base import Array, Encoded, Golden, Layout, expect, little_endian, pad_k, to_fp16, unknown
from gemmsmith_sim.golden.floats import fp16_values
from gemmsmith_sim.golden.fp16 import accumulate, blocks
from gemmsmith_sim.golden.int4 import check_int4, encode_int4, per_element

FP16_LARGEST = 65504.0


class DequantGolden(Golden[Dequant]):
    """Arrays of activations:

    - ``codes``: uint16 (rows, K), FP16 codes.

    Arrays of weights:

    - ``codes``: int8 (rows, K), −8..7;
    - ``scales``: float16 (rows, ⌈K/group⌉), positive normal numbers.

    Operands: ``a_code``, 16 bits, and ``w_code``, 4 bits as two's complement, per beat; ``w_scale``, an FP16 code per
    weight group.
    """

    family = "dequant"

    def layout(self, axis: Axis, shape: tuple[int, int]) -> Layout:
        if axis is Axis.ROW:
            return {"codes": (np.uint16, shape)}
        return {"codes": (np.int8, shape), "scales": (np.float16, (shape[0], -(-shape[1] // self.scheme.group)))}

    def check(self, encoded: Encoded) -> None:
        if encoded.axis is Axis.COLUMN:
            check_int4(**encoded.arrays, family=self.family)

    def encode(self, axis: Axis, values: Array) -> dict[str, Array]:
        if axis is Axis.COLUMN:
            return encode_int4(values, group=self.scheme.group)
        return {"codes": to_fp16(axis, values)}

    def decode(self, encoded: Encoded) -> NDArray[np.float64]:
        if encoded.axis is Axis.ROW:
            return fp16_values(encoded.arrays["codes"]).astype(np.float64)
        return self._dequantised(encoded).astype(np.float64)

    def product(self, a: Encoded, w: Encoded) -> NDArray[np.float32]:
        left = np.ascontiguousarray(fp16_values(a.arrays["codes"]).T)
        right = w.keep("by_k", lambda: np.ascontiguousarray(self._dequantised(w).astype(np.float32).T))
        out = np.empty((a.shape[0], w.shape[0]), np.float32)
        for block in blocks(out.shape):
            out[block] = accumulate(left[:, block[0]], right[:, block[1]])
        return out

    def words(self, encoded: Encoded, operand: Operand) -> NDArray[np.uint8]:
        if operand.name == "w_scale":
            expect(operand, width=16)
            return little_endian(encoded.arrays["scales"])
        codes = pad_k(encoded.arrays["codes"], self.scheme.group)
        if operand.name == "a_code":
            expect(operand, width=16)
            return little_endian(codes)
        if operand.name == "w_code":
            expect(operand, width=4)
            return little_endian(codes.view(np.uint8) & np.uint8(15))
        raise unknown(self.scheme, operand)

    def _dequantised(self, weights: Encoded) -> NDArray[np.float16]:
        """RNE₁₆(q · s), at most 65504: the exact product, in float64, rounded once."""
        exact = weights.arrays["codes"] * per_element(weights.arrays["scales"], self.scheme.group, weights.shape)
        return np.clip(exact, -FP16_LARGEST, FP16_LARGEST).astype(np.float16)
