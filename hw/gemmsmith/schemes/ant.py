"""ANT: 4-bit numbers whose type is chosen per tensor: int, float, flint or powers of two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from gemmsmith.schemes.rowscaled import RowScaled

MAGNITUDES = {
    "float": (0, 1, 2, 3, 4, 6, 8, 12), "flint": (0, 1, 2, 3, 16, 8, 4, 6), "pot": (0, 1, 2, 4, 8, 16, 32, 64)}
"""Of codes 0..7 of a type; codes 8..15 are the opposite numbers."""
NUMBERS: dict[str, tuple[int, ...]] = {
    "int": (*range(8), *range(-8, 0)), **{name: (*half, *(-x for x in half)) for name, half in MAGNITUDES.items()}}
"""Type → the integers that codes 0..15 mean."""


@dataclass(frozen=True, kw_only=True)
class Ant(RowScaled):
    """Codes of 4 bits that mean integers, by a type ``a`` for the activations and ``w`` for the weights.

    Semantics, in order:

    1. A code c is a number q:
       ``int``: two's complement, −8 … 7; the encoder makes −7 … 7.
       The others have a sign (bit 3) and a magnitude (bits 2..0, from 000):
       ``float``: 0, 1, 2, 3, 4, 6, 8, 12, twice the values of E2M1;
       ``flint``: 0, 1, 2, 3, 16, 8, 4, 6: the exponent is where the first one stands behind the leading bit, the bits
       behind it are the mantissa (001 is 1; 01x 2, 3; 11x 4, 6; 101 is 8; 100 is 16);
       ``pot``: 0, 1, 2, 4, 8, 16, 32, 64.
       Code 8 of these three is a zero, too, and is never made by the encoder.
    2. Encoding: L is the largest number of the type (7, 12, 16, 64); s = FP32(absmax / L) of a row of A or W by float32
       division (1 if the row is all zero; the smallest normal FP32 if it would be subnormal); q is the number nearest
       to x / s (float32 division). A tie goes to the one of even rank, 0 having rank 0 and magnitudes ascending; beyond
       ±L it is ±L. x is rounded to FP32 first. A scale is a positive normal FP32 number.
    3. S = Σ a·w over the whole K, exact in 32 bits: K ≤ 131 072 (64 · 64 · K ≤ 2²⁹; larger K is refused).
    4. o = RNE₃₂(RNE₃₂(RNE₃₂(S) · s_a) · s_w). Results below the normal range become +0, overflow is an infinity.
    5. ``out=fp16``: one more rounding, to nearest even, subnormals kept, overflow to infinity; a zero is +0.

    Parameters
    ----------
    a, w: type of the activations and of the weights: int, float, flint or pot.
    """

    family: ClassVar[str] = "ant"
    pattern: ClassVar[str] = (rf"ant-a_(?P<a>{'|'.join(NUMBERS)})4-s_fp32_row-w_(?P<w>{'|'.join(NUMBERS)})4"
                              r"-s_fp32_channel-acc_int32-ftz-out_(?P<out>fp32|fp16)")
    summary: ClassVar[str] = "ANT: 4-bit int, float, flint or power-of-two codes by tensor, exact INT32 sum"
    source: ClassVar[str] = "ANT, MICRO 2022, arXiv 2208.14286; scales by absolute maximum and all roundings are ours"

    a: str = "flint"
    w: str = "flint"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._choice("a", tuple(NUMBERS))
        self._choice("w", tuple(NUMBERS))

    @property
    def name(self) -> str:
        return f"ant-a_{self.a}4-s_fp32_row-w_{self.w}4-s_fp32_channel-acc_int32-ftz-out_{self.out}"

    @property
    def short(self) -> str:
        return "ant" if self.a == self.w == "flint" else f"ant-{self.a}-{self.w}"

    @property
    def operand_bits(self) -> tuple[int, int]:
        return 4, 4

    @classmethod
    def types(cls) -> tuple[str, ...]:
        """What ``a`` and ``w`` may be."""
        return tuple(NUMBERS)

    @classmethod
    def named(cls) -> tuple[Ant, ...]:
        """The schemes that have a short name: all pairs of types."""
        return tuple(cls(a=a, w=w) for a in NUMBERS for w in NUMBERS)

    @classmethod
    def compared(cls) -> tuple[Ant, ...]:
        return tuple(cls(a=name, w=name) for name in ("int", "flint", "pot"))

    @classmethod
    def build_choices(cls, schemes: Sequence[Self]) -> dict[str, int]:
        """The types are the run-time mode of a build that is wide enough."""
        if len({scheme.out for scheme in schemes}) != 1:
            raise cls._mixed(schemes, "schemes that differ in a and w alone")
        return {"bits": max(type_bits(name) for scheme in schemes for name in (scheme.a, scheme.w))}


def type_bits(name: str) -> int:
    """Bits of a number of a type, as hardware holds it: 4, 6 (which go for float and flint), or 8."""
    return {"int": 4, "pot": 8}.get(name, 6)
