"""FP4 × FP4 with scales per row: the four-bit floating-point baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gemmsmith.schemes.rowscaled import RowScaled


@dataclass(frozen=True, kw_only=True)
class Fp4(RowScaled):
    """E2M1 codes (0, ½, 1, 1½, 2, 3, 4, 6 and their opposites), an FP32 scale per row of A and per row of W.

    Semantics, in order:

    1. Encoding: s = FP32(absmax / 6) by float32 division (1 if the row is all zero; the smallest normal FP32 if it
       would be subnormal); the code is the one nearest to x / s (float32 division), ties to the even code, beyond ±6
       that of ±6; what rounds to zero has the code 0. x is rounded to FP32 first. The code 8 is a zero, too, and is
       never made by the encoder. A scale is a positive normal FP32 number.
    2. S = Σ a·w over the whole K, exact: a multiple of ¼ whose fourfold fits 26 bits, K ≤ 131 072 (36 · K < 2²³;
       larger K is refused).
    3. o = RNE₃₂(RNE₃₂(RNE₃₂(S) · s_a) · s_w). Results below the normal range become +0, overflow is an infinity.
    4. ``out=fp16``: one more rounding, to nearest even, subnormals kept, overflow to infinity; a zero is +0.
    """

    family: ClassVar[str] = "fp4"
    pattern: ClassVar[str] = r"fp4-s_fp32_row-w_fp4-s_fp32_channel-acc_exact-ftz-out_(?P<out>fp32|fp16)"
    summary: ClassVar[str] = "FP4 (E2M1) activations and weights, scales per row and channel, exact sum"
    source: ClassVar[str] = "E2M1: OCP Microscaling Formats Specification 1.0 (2023); scales as int8 has them"

    @property
    def name(self) -> str:
        return f"fp4-s_fp32_row-w_fp4-s_fp32_channel-acc_exact-ftz-out_{self.out}"

    @property
    def short(self) -> str:
        return "fp4"

    @property
    def operand_bits(self) -> tuple[int, int]:
        return 4, 4
