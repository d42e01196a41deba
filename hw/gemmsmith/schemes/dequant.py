"""INT4 weights made FP16 in front of an FP16 unit: what processors without mixed-precision hardware do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gemmsmith.schemes.base import Scheme


@dataclass(frozen=True, kw_only=True)
class Dequant(Scheme):
    """FP16 activations × INT4 weights, each dequantised to FP16 before it is multiplied; FP32 accumulation.

    Semantics, in order:

    1. Activations are FP16 codes, read as those of ``Fp16``: subnormals are honoured, Inf and NaN count as the largest
       finite value of their sign.
    2. Weights are encoded as those of ``Anda``: symmetric codes −8..7, one FP16 scale s per ``group`` along K, a
       positive normal number.
    3. w = RNE₁₆(q · s), one rounding to FP16, to nearest even; beyond its range, ±65504. No w is subnormal.
    4. The product of the two is that of ``Fp16``: acc ← RNE₃₂(acc + a · w), starting from +0, ascending k. A zero sum
       is +0.
    5. ``out=fp16``: one more rounding, to nearest even, subnormals kept, overflow to infinity; a zero is +0.

    K tails are zero codes; a weight group may be partly filled.

    Parameters
    ----------
    group: weights that share a scale, along K: 32, 64, 128 or 256.
    """

    family: ClassVar[str] = "dequant"
    pattern: ClassVar[str] = (r"dequant-a_fp16-w_int4_sym-g(?P<group>\d+)-s_fp16-w_fp16_rne"
                              r"-acc_fp32_rne_ascending-out_(?P<out>fp32|fp16)")
    summary: ClassVar[str] = "FP16 activations, INT4 weights dequantised to FP16, FP32 accumulate in ascending k"
    source: ClassVar[str] = "common practice on GPUs; MixPE's baseline, arXiv 2411.16158; rounding points are ours"

    group: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        self._choice("group", (32, 64, 128, 256))

    @property
    def name(self) -> str:
        return f"dequant-a_fp16-w_int4_sym-g{self.group}-s_fp16-w_fp16_rne-acc_fp32_rne_ascending-out_{self.out}"

    @property
    def short(self) -> str:
        return "dequant-fp16"

    @property
    def operand_bits(self) -> tuple[int, int]:
        return 16, 16

    @property
    def k_multiple(self) -> int:
        return self.group
