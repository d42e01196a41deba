"""FP16 × FP16 in fused groups of four: products aligned to the largest exponent, one rounding per output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gemmsmith.schemes.base import Scheme


@dataclass(frozen=True, kw_only=True)
class Fp16Dot(Scheme):
    """IEEE 754 binary16 operands, four products at a time, one wide fixed-point accumulator per output.

    Semantics, in order:

    1. Operands are FP16 codes; subnormals are honoured. A code of Inf or NaN counts as the largest finite value of its
       sign (hardware raises its sticky flag; encoders never make one). −0 counts as 0.
    2. k = 4g … 4g + 3 form a group. Its products are exact. Let e be the largest of ⌊log₂|a|⌋ + ⌊log₂|w|⌋ over the
       products that are not zero. Each product is truncated, towards zero, to a multiple of 2^(e − 22): 24 places are
       kept, the largest products lose nothing.
    3. The four truncated products are added exactly, and so is every group's sum to the accumulator: a fixed-point
       number of multiples of 2⁻⁴⁸. |sum| < 2⁴⁹: K ≤ 131 072 (products are below 2³²; larger K is refused).
    4. o = RNE₃₂(sum), the only rounding. It can neither underflow nor overflow. A zero is +0.
    5. ``out=fp16``: one more rounding, to nearest even, subnormals kept, overflow to infinity; a zero is +0.

    K tails are zero codes. Both operands' groups start at k = 0. The error is below
    Σ over groups of 3 · 2⁻²² · (largest product of the group), plus one rounding of the result; what is accumulated
    one product at a time in FP32 loses up to 2⁻²⁴ of the running sum with each.
    """

    family: ClassVar[str] = "fp16dot"
    pattern: ClassVar[str] = r"fp16dot-g4-align24_trunc-w_fp16-acc_exact-out_(?P<out>fp32|fp16)"
    summary: ClassVar[str] = "FP16 activations and weights, four products aligned and added at once, exact accumulator"
    source: ClassVar[str] = ("IEEE 754-2019, binary16; aligned and truncated as in matrix units of GPUs (Fasi et al., "
                             "PeerJ Computer Science 7:e330, 2021); number of places and exact accumulator are ours")
    group: ClassVar[int] = 4
    """Products that are aligned to each other."""
    places: ClassVar[int] = 24
    """Binary places of an aligned product, from the highest one that the largest product can have."""
    max_k: ClassVar[int] = 131_072

    @property
    def name(self) -> str:
        return f"fp16dot-g4-align24_trunc-w_fp16-acc_exact-out_{self.out}"

    @property
    def short(self) -> str:
        return "fp16-dot4"

    @property
    def operand_bits(self) -> tuple[int, int]:
        return 16, 16

    @property
    def k_multiple(self) -> int:
        return self.group
