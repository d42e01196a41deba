"""FP8 or BF16 operands with FP32 accumulation: the narrow floating-point baselines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gemmsmith.formats import BF16, E4M3FN, E5M2, FloatFormat
from gemmsmith.schemes.base import Scheme

NUMBERS = {"e4m3": E4M3FN, "e5m2": E5M2, "bf16": BF16}


@dataclass(frozen=True, kw_only=True)
class FloatMac(Scheme):
    """Operands of one narrow float format, one accumulator of 24 significant bits per output.

    Semantics, in order:

    1. Operands are codes of ``x``; subnormals are honoured. A code of Inf or NaN counts as the largest finite value of
       its sign (hardware raises its sticky flag). −0 counts as 0. Encoders round to FP32, then to ``x``, both to
       nearest even, and refuse what is beyond the largest finite value then.
    2. The product of two codes is exact: 8 (e4m3), 6 (e5m2) or 16 (bf16) significant bits.
    3. acc ← RNE₂₄(acc + product), starting from +0, ascending k, one accumulator per output: 24 significant bits, as
       FP32 has, with an exponent that has no bounds. No partial sums. A zero sum is +0.
    4. o is the accumulator as FP32: results below the normal range become +0, overflow is an infinity. Neither can
       occur with FP8, where every sum is an FP32 number.
    5. ``out=fp16``: one more rounding, to nearest even, subnormals kept, overflow to infinity; a zero is +0.

    K tails are zero codes: acc + 0 = acc.

    Parameters
    ----------
    x: format of activations and weights: ``e4m3`` (without infinities, as ``e4m3fn``), ``e5m2`` or ``bf16``.
    """

    family: ClassVar[str] = "floatmac"
    pattern: ClassVar[str] = (rf"floatmac-(?P<x>{'|'.join(NUMBERS)})-w_(?P=x)-acc_rne24_ascending-ftz"
                              r"-out_(?P<out>fp32|fp16)")
    summary: ClassVar[str] = "FP8 or BF16 activations and weights, accumulated in ascending k with 24 significant bits"
    source: ClassVar[str] = "OCP 8-bit Floating Point Specification 1.0 (2023); BF16: the upper half of binary32"

    x: str = "e4m3"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._choice("x", tuple(NUMBERS))

    @property
    def number(self) -> FloatFormat:
        """The operands' format."""
        return NUMBERS[self.x]

    @property
    def name(self) -> str:
        return f"floatmac-{self.x}-w_{self.x}-acc_rne24_ascending-ftz-out_{self.out}"

    @property
    def short(self) -> str:
        return self.x if self.x == "bf16" else f"fp8-{self.x}"

    @property
    def operand_bits(self) -> tuple[int, int]:
        return self.number.width, self.number.width

    @property
    def k_multiple(self) -> int:
        return 1

    @classmethod
    def compared(cls) -> tuple[FloatMac, ...]:
        return tuple(cls(x=x) for x in NUMBERS)
