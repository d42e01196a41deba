"""Bit Fusion: integer products of 8, 4 or 2 bits on 2-bit bricks that fuse at run time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from gemmsmith.schemes.base import SchemeError
from gemmsmith.schemes.rowscaled import RowScaled

PAIRS = ((2, 2), (4, 2), (4, 4), (8, 2), (8, 4), (8, 8))
"""Bits of an activation and of a weight, in the order of the run-time modes: never fewer bricks to a product."""


@dataclass(frozen=True, kw_only=True)
class BitFusion(RowScaled):
    """Symmetric integers of ``a`` and ``w`` bits: ``Int8`` with narrower codes.

    Semantics, in order:

    1. Encoding, of rows of A with n = ``a`` bits and of rows of W with n = ``w``: L = 2^(n−1) − 1 (127, 7 or 1);
       s = FP32(absmax / L) by float32 division (1 if the row is all zero; the smallest normal FP32 if it would be
       subnormal); q = clip(RNE(x / s), −L, L) by float32 division. x is rounded to FP32 first. The code −2^(n−1) is
       never made by the encoder, but the hardware multiplies it exactly. A scale is a positive normal FP32 number.
    2. S = Σ a·w over the whole K, exact in 32 bits: K ≤ 131 072, whatever the codes (larger K is refused).
       At that K alone, −128 · −128 in every place would be 2³¹ and wrap; the encoder makes no −128.
    3. o = RNE₃₂(RNE₃₂(RNE₃₂(S) · s_a) · s_w). Results below the normal range become +0, overflow is an
       infinity.
    4. ``out=fp16``: one more rounding, to nearest even, subnormals kept, overflow to infinity; a zero is +0.

    Parameters
    ----------
    a, w: bits of a code, a pair of ``PAIRS``. One build computes all of them; the pair is its run-time mode.

    Raises
    ------
    SchemeError for other pairs.
    """

    family: ClassVar[str] = "bitfusion"
    pattern: ClassVar[str] = (r"bitfusion-a_int(?P<a>8|4|2)-s_fp32_row-w_int(?P<w>8|4|2)-s_fp32_channel"
                              r"-acc_int32-ftz-out_(?P<out>fp32|fp16)")
    summary: ClassVar[str] = "Bit Fusion: 8-, 4- or 2-bit integers on 2-bit bricks fused at run time, exact INT32 sum"
    source: ClassVar[str] = "Bit Fusion, ISCA 2018, arXiv 1712.01507; scales and roundings are those of int8"

    a: int = 8
    w: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.a, self.w) not in PAIRS:
            pairs = ", ".join(f"a={a} w={w}" for a, w in PAIRS)
            raise SchemeError(f"a and w of bitfusion must be one of {pairs}, not a={self.a} w={self.w}")

    @property
    def name(self) -> str:
        return f"bitfusion-a_int{self.a}-s_fp32_row-w_int{self.w}-s_fp32_channel-acc_int32-ftz-out_{self.out}"

    @property
    def short(self) -> str:
        return f"bitfusion-a{self.a}w{self.w}"

    @property
    def operand_bits(self) -> tuple[int, int]:
        return self.a, self.w

    @classmethod
    def compared(cls) -> tuple[BitFusion, ...]:
        return tuple(cls(a=a, w=w) for a, w in PAIRS)

    @classmethod
    def build_choices(cls, schemes: Sequence[Self]) -> dict[str, int]:
        """The bits are the run-time mode, so every build computes all pairs."""
        if len({scheme.out for scheme in schemes}) != 1:
            raise cls._mixed(schemes, "schemes that differ in a and w alone")
        return {"a": schemes[0].a, "w": schemes[0].w}
