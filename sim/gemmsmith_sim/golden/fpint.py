"""Golden model of ``FpInt``: one FP32 accumulator per output and weight group, then scale and sum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import Axis, FpInt, Operand
from gemmsmith_sim.golden.base import Array, Encoded, Golden, Layout, expect, little_endian, pad_k, to_fp16, unknown
from gemmsmith_sim.golden.floats import fp16_values
from gemmsmith_sim.golden.fp16 import accumulate, blocks
from gemmsmith_sim.golden.int4 import check_int4, encode_int4, per_element


class FpIntGolden(Golden[FpInt]):
    """Arrays of activations:

    - ``codes``: uint16 (rows, K), FP16 codes.

    Arrays of weights:

    - ``codes``: int8 (rows, K), −8..7;
    - ``scales``: float16 (rows, ⌈K/weight_group⌉), positive normal numbers.

    Operands: ``a_code``, 16 bits, and ``w_code``, 4 bits as two's complement, per beat; ``w_scale``, an FP16 code per
    weight group.
    """

    family = "fpint"

    def layout(self, axis: Axis, shape: tuple[int, int]) -> Layout:
        if axis is Axis.ROW:
            return {"codes": (np.uint16, shape)}
        return {"codes": (np.int8, shape), "scales": (np.float16, (shape[0], -(-shape[1] // self.scheme.weight_group)))}

    def check(self, encoded: Encoded) -> None:
        if encoded.axis is Axis.COLUMN:
            check_int4(**encoded.arrays, family=self.family)

    def encode(self, axis: Axis, values: Array) -> dict[str, Array]:
        if axis is Axis.COLUMN:
            return encode_int4(values, group=self.scheme.weight_group)
        return {"codes": to_fp16(axis, values)}

    def decode(self, encoded: Encoded) -> NDArray[np.float64]:
        if encoded.axis is Axis.ROW:
            return fp16_values(encoded.arrays["codes"]).astype(np.float64)
        codes, scales = encoded.arrays["codes"], encoded.arrays["scales"]
        return codes * per_element(scales, self.scheme.weight_group, encoded.shape)

    def product(self, a: Encoded, w: Encoded) -> NDArray[np.float32]:
        """All float32 arithmetic; what the roundings give never leaves FP32's normal range."""
        left = np.ascontiguousarray(fp16_values(a.arrays["codes"]).T)
        right = w.keep("by_k", lambda: np.ascontiguousarray(w.arrays["codes"].astype(np.float32).T))
        scales = w.arrays["scales"].astype(np.float32).T
        size = self.scheme.weight_group
        out = np.zeros((a.shape[0], w.shape[0]), np.float32)
        for block in blocks(out.shape):
            for group, scale in enumerate(scales):
                span = np.s_[group * size : (group + 1) * size]
                out[block] += accumulate(left[span, block[0]], right[span, block[1]]) * scale[block[1]]
        return out

    def words(self, encoded: Encoded, operand: Operand) -> NDArray[np.uint8]:
        if operand.name == "w_scale":
            expect(operand, width=16)
            return little_endian(encoded.arrays["scales"])
        codes = pad_k(encoded.arrays["codes"], self.scheme.weight_group)
        if operand.name == "a_code":
            expect(operand, width=16)
            return little_endian(codes)
        if operand.name == "w_code":
            expect(operand, width=4)
            return little_endian(codes.view(np.uint8) & np.uint8(15))
        raise unknown(self.scheme, operand)
