"""INT8 × INT8 with dynamic activation scales per row: the integer baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gemmsmith.schemes.rowscaled import RowScaled


@dataclass(frozen=True, kw_only=True)
class Int8(RowScaled):
    """Symmetric W8A8: codes −127..127, an FP32 scale per row of A (dynamic) and per row of W (static).

    Semantics, in order:

    1. Encoding: s = FP32(absmax / 127) by float32 division (1 if the row is all zero; the smallest normal
       FP32 if it would be subnormal); q = clip(RNE(x / s), −127, 127) by float32 division. x is rounded to
       FP32 first. The code −128 is never made by the encoder, but the hardware multiplies it exactly. A scale
       is a positive normal FP32 number.
    2. S = Σ a·w over the whole K, exact in 32 bits: K ≤ 131 072 (2³¹ / 2¹⁴; larger K is refused).
       At that K alone, −128 · −128 in every place would be 2³¹ and wrap; the encoder makes no −128.
    3. o = RNE₃₂(RNE₃₂(RNE₃₂(S) · s_a) · s_w). Results below the normal range become +0, overflow is an
       infinity.
    4. ``out=fp16``: one more rounding, to nearest even, subnormals kept, overflow to infinity; a zero is +0.
    """

    family: ClassVar[str] = "int8"
    pattern: ClassVar[str] = r"int8-s_fp32_row-w_int8-s_fp32_channel-acc_int32-ftz-out_(?P<out>fp32|fp16)"
    summary: ClassVar[str] = "INT8 activations (dynamic scale per row) and weights (scale per channel), exact INT32 sum"
    source: ClassVar[str] = "symmetric linear quantisation; range of the sum from the code range"

    @property
    def name(self) -> str:
        return f"int8-s_fp32_row-w_int8-s_fp32_channel-acc_int32-ftz-out_{self.out}"

    @property
    def short(self) -> str:
        return "int8"

    @property
    def operand_bits(self) -> tuple[int, int]:
        return 8, 8
