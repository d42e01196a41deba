"""Golden model of ``PositFma``: fused multiply-adds, each rounded to a posit, ascending k."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import Axis, Operand, PositFma
from gemmsmith_sim.golden.base import Array, Encoded, Golden, Layout, expect, little_endian, unknown
from gemmsmith_sim.golden.floats import add_to_odd
from gemmsmith_sim.golden.fp16 import blocks
from gemmsmith_sim.golden.int4 import check_range
from gemmsmith_sim.golden.posits import PositRounding, posit_codes, posit_values, storage


class PositFmaGolden(Golden[PositFma]):
    """Arrays, for activations and weights alike:

    - ``codes``: uint8 (up to 8 bits) or uint16, (rows, K).

    Operands: ``a_code`` and ``w_code``, one code per beat.
    """

    family = "positfma"

    def layout(self, axis: Axis, shape: tuple[int, int]) -> Layout:
        return {"codes": (storage(self.scheme.number), shape)}

    def check(self, encoded: Encoded) -> None:
        check_range("codes", encoded.arrays["codes"], 0, (1 << self.scheme.number.n) - 1)

    def encode(self, axis: Axis, values: Array) -> dict[str, Array]:
        return {"codes": posit_codes(self.scheme.number, values.astype(np.float64))}

    def decode(self, encoded: Encoded) -> NDArray[np.float64]:
        return posit_values(self.scheme.number, encoded.arrays["codes"])

    def product(self, a: Encoded, w: Encoded) -> NDArray[np.float32]:
        left = np.ascontiguousarray(self.decode(a).T)
        right = w.keep("by_k", lambda: np.ascontiguousarray(self.decode(w).T))
        out = np.empty((a.shape[0], w.shape[0]), np.float32)
        for block in blocks(out.shape):
            out[block] = self._accumulate(left[:, block[0]], right[:, block[1]])
        return out

    def _accumulate(self, left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
        """Σ over k, ascending, of the outer products of (K, rows) and (K, columns); each addition rounds."""
        number = self.scheme.number
        nearest = PositRounding(number)
        # Products are exact, and so is a sum if all its bits, from minpos² to maxpos² and one more, fit a float64.
        add = np.add if 4 * (number.n - 2 << number.es) + 2 <= 53 else add_to_odd
        acc = np.zeros((left.shape[1], right.shape[1]))
        for x, y in zip(left, right, strict=True):
            acc = nearest(add(acc, x[:, None] * y))
        return acc

    def words(self, encoded: Encoded, operand: Operand) -> NDArray[np.uint8]:
        if operand.name not in ("a_code", "w_code"):
            raise unknown(self.scheme, operand)
        expect(operand, width=self.scheme.number.n)
        return little_endian(encoded.arrays["codes"])
