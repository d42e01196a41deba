"""Posits multiplied and added one by one, each step rounded: what an exact accumulator is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gemmsmith.formats import POSIT4_1, POSIT8_0, POSIT16_1, PositFormat
from gemmsmith.schemes.base import Scheme

NUMBERS = {fmt.name: fmt for fmt in (POSIT4_1, POSIT8_0, POSIT16_1)}


@dataclass(frozen=True, kw_only=True)
class PositFma(Scheme):
    """Posit operands, and an accumulator of the operands' own format per output.

    Semantics, in order:

    1. Operands are codes of ``x``. Encoders round once, to the nearest posit (``PositFormat.encode``): beyond the
       largest number they saturate, and nothing but 0 becomes 0.
    2. acc ← round(acc + a·w), starting from 0, ascending k, one accumulator per output: a fused multiply-add, one
       rounding to the nearest posit, ties to the even code, saturating. An exact sum of 0 is 0.
    3. A NaR among the operands of an output makes its accumulator NaR, for the rest of the sum.
    4. o is the accumulator as FP32, exactly; NaR is the NaN 0x7fc00000.
    5. ``out=fp16``: one rounding, to nearest even, subnormals kept, overflow to infinity; NaR is the NaN 0x7e00.

    K tails are zero codes: acc + 0 = acc.

    Parameters
    ----------
    x: format of activations, weights and accumulator: ``posit4es1``, ``posit8es0`` or ``posit16es1``.
    """

    family: ClassVar[str] = "positfma"
    pattern: ClassVar[str] = (rf"positfma-(?P<x>{'|'.join(NUMBERS)})-w_(?P=x)-acc_(?P=x)_ascending"
                              r"-out_(?P<out>fp32|fp16)")
    summary: ClassVar[str] = "posit activations and weights, fused multiply-adds rounded to the same posit, ascending k"
    source: ClassVar[str] = "Standard for Posit Arithmetic (2022), fused multiply-add; formats of XR-NPE"

    x: str = POSIT8_0.name

    def __post_init__(self) -> None:
        super().__post_init__()
        self._choice("x", tuple(NUMBERS))

    @property
    def number(self) -> PositFormat:
        """The operands' format."""
        return NUMBERS[self.x]

    @property
    def name(self) -> str:
        return f"positfma-{self.x}-w_{self.x}-acc_{self.x}_ascending-out_{self.out}"

    @property
    def short(self) -> str:
        return f"{self.x.partition('es')[0]}-fma"

    @property
    def operand_bits(self) -> tuple[int, int]:
        return self.number.n, self.number.n

    @property
    def k_multiple(self) -> int:
        return 1

    @classmethod
    def compared(cls) -> tuple[PositFma, ...]:
        return tuple(cls(x=x) for x in NUMBERS)
