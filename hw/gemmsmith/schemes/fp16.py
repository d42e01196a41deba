"""FP16 × FP16 with FP32 accumulation: the floating-point baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gemmsmith.schemes.base import Scheme


@dataclass(frozen=True, kw_only=True)
class Fp16(Scheme):
    """IEEE 754 binary16 operands, one binary32 accumulator per output.

    Semantics, in order:

    1. Operands are FP16 codes; subnormals are honoured. A code of Inf or NaN counts as the largest finite
       value of its sign (hardware raises its sticky flag; encoders never make one). −0 counts as 0.
    2. The product of two codes is exact (22 significand bits, multiples of 2⁻⁴⁸) and representable in FP32.
    3. acc ← RNE₃₂(acc + product), starting from +0, ascending k, one accumulator per output. No partial sums.
       A zero sum is +0. Neither underflow nor overflow can occur below K = 2⁹⁵.
    4. ``out=fp16``: one more rounding, to nearest even, subnormals kept, overflow to infinity; a zero is +0.

    K tails are zero codes: acc + 0 = acc.
    """

    family: ClassVar[str] = "fp16"
    pattern: ClassVar[str] = r"fp16-w_fp16-acc_fp32_rne_ascending-out_(?P<out>fp32|fp16)"
    summary: ClassVar[str] = "FP16 activations and weights, FP32 accumulate in ascending k"
    source: ClassVar[str] = "IEEE 754-2019, binary16 and binary32"

    @property
    def name(self) -> str:
        return f"fp16-w_fp16-acc_fp32_rne_ascending-out_{self.out}"

    @property
    def short(self) -> str:
        return "fp16"

    @property
    def operand_bits(self) -> tuple[int, int]:
        return 16, 16

    @property
    def k_multiple(self) -> int:
        return 1
