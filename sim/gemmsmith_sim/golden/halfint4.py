"""FP16 activations and INT4 weights with an FP16 scale per group, one of each a beat: what two families have in common.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import Axis, Operand, Scheme
from gemmsmith_sim.golden.base import Array, Encoded, Golden, Layout, expect, little_endian, pad_k, to_fp16, unknown
from gemmsmith_sim.golden.floats import fp16_values
from gemmsmith_sim.golden.int4 import check_int4, encode_int4, per_element

S = TypeVar("S", bound=Scheme)


class HalfInt4Golden(Golden[S]):
    """Arrays of activations:

    - ``codes``: uint16 (rows, K), FP16 codes.

    Arrays of weights:

    - ``codes``: int8 (rows, K), −8..7;
    - ``scales``: float16 (rows, ⌈K/size⌉), positive normal numbers.

    Operands: ``a_code``, 16 bits, and ``w_code``, 4 bits as two's complement, per beat; ``w_scale``, an FP16 code per
    weight group.
    """

    @property
    @abstractmethod
    def size(self) -> int:
        """Weights that share a scale."""

    def layout(self, axis: Axis, shape: tuple[int, int]) -> Layout:
        if axis is Axis.ROW:
            return {"codes": (np.uint16, shape)}
        return {"codes": (np.int8, shape), "scales": (np.float16, (shape[0], -(-shape[1] // self.size)))}

    def check(self, encoded: Encoded) -> None:
        if encoded.axis is Axis.COLUMN:
            check_int4(**encoded.arrays, family=self.family)

    def encode(self, axis: Axis, values: Array) -> dict[str, Array]:
        if axis is Axis.COLUMN:
            return encode_int4(values, group=self.size)
        return {"codes": to_fp16(axis, values)}

    def decode(self, encoded: Encoded) -> NDArray[np.float64]:
        if encoded.axis is Axis.ROW:
            return fp16_values(encoded.arrays["codes"]).astype(np.float64)
        return encoded.arrays["codes"] * per_element(encoded.arrays["scales"], self.size, encoded.shape)

    def words(self, encoded: Encoded, operand: Operand) -> NDArray[np.uint8]:
        if operand.name == "w_scale":
            expect(operand, width=16)
            return little_endian(encoded.arrays["scales"])
        codes = pad_k(encoded.arrays["codes"], self.size)
        if operand.name == "a_code":
            expect(operand, width=16)
            return little_endian(codes)
        if operand.name == "w_code":
            expect(operand, width=4)
            return little_endian(codes.view(np.uint8) & np.uint8(15))
        raise unknown(self.scheme, operand)
