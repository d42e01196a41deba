"""FP16 activations × INT4 weights with FP32 accumulation: what a floating-point unit makes of quantised weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gemmsmith.schemes.base import Scheme


@dataclass(frozen=True, kw_only=True)
class FpInt(Scheme):
    """FP16 activations, INT4 weights in groups that share an FP16 scale, FP32 accumulation inside the group.

    Semantics, in order:

    1. Activations are FP16 codes; subnormals are honoured. A code of Inf or NaN counts as the largest finite value of
       its sign (hardware raises its sticky flag; encoders never make one). −0 counts as 0.
    2. Weights are encoded as those of ``Anda``: symmetric codes −8..7, one FP16 scale per ``weight_group`` along K.
    3. Inside a weight group: acc ← RNE₃₂(acc + a · q), ascending k, from +0. The product is exact (14 significand
       bits). A zero sum is +0.
    4. Leaving it: u = RNE₃₂(acc · s); total ← RNE₃₂(total + u), not fused, ascending groups, from +0. Neither
       underflow nor overflow can occur: what is not zero is at least 2⁻²⁴, scales at least 2⁻¹⁴. A zero is +0.
    5. ``out=fp16``: one more rounding, to nearest even, subnormals kept, overflow to infinity; a zero is +0.

    K tails are zero codes; a weight group may be partly filled.

    Parameters
    ----------
    weight_group: weights that share a scale, along K: 64, 128, 256 or 512.
    """

    family: ClassVar[str] = "fpint"
    pattern: ClassVar[str] = (r"fpint-a_fp16-w_int4_sym-g(?P<weight_group>\d+)"
                              r"-s_fp16-acc_fp32_rne_ascending-out_(?P<out>fp32|fp16)")
    summary: ClassVar[str] = "FP16 activations, INT4 weights in groups, FP32 accumulate in ascending k"
    source: ClassVar[str] = "the FP-INT baseline of Anda, HPCA 2025, arXiv 2411.15982; rounding points are ours"

    weight_group: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        self._choice("weight_group", (64, 128, 256, 512))

    @property
    def name(self) -> str:
        return f"fpint-a_fp16-w_int4_sym-g{self.weight_group}-s_fp16-acc_fp32_rne_ascending-out_{self.out}"

    @property
    def short(self) -> str:
        return "fp16-int4"

    @property
    def operand_bits(self) -> tuple[int, int]:
        return 16, 4

    @property
    def k_multiple(self) -> int:
        return self.weight_group
