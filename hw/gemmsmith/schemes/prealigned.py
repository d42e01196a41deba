"""Pre-aligned activations × INT4 weights in groups: what the families that compute it have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gemmsmith.formats import AndaFormat
from gemmsmith.schemes.base import Scheme


@dataclass(frozen=True, kw_only=True)
class Prealigned(Scheme):
    """Activations with a shared exponent (``m`` mantissa bits, groups of 64 along K) × INT4 weights (FP16 scale per
    weight group). Families differ in memory layout and hardware alone: equal choices give equal results.

    Semantics, in order:

    1. Activation encoding, from FP16: E = largest effective exponent of the 64 (max(e, 1), so subnormals have
       exponent 1 and no hidden bit); each 11-bit significand, seen as a number with its hidden one at weight
       2^(m−1), is shifted right by E − e and cut to the m bits left of the point (m > 11 gains exact bits
       below): truncated (``round=trunc``), or rounded to nearest, ties to even, and at most 2^m − 1
       (``round=nearest``; E stays as it is). x = (−1)^s · mantissa · 2^(E − 15 − (m − 1)); a mantissa of zero
       has sign 0. Inf and NaN saturate to the largest finite FP16. An all-zero group has E = 1.
    2. Weight encoding ``w4``: symmetric, codes −8..7, one FP16 scale per ``weight_group`` along K:
       s = FP16(absmax / 7) (1 if the group is all zero; the smallest normal FP16 if it would be subnormal),
       q = clip(RNE(w / s), −8, 7). w is rounded to FP32, and so are both quotients, before they are rounded to
       FP16 or to an integer: float32 arithmetic. A scale is a positive normal FP16 number.
    3. Per activation group: S = Σ ±mantissa · q, exact (|S| < 2²⁶).
    4. t = RNE₃₂(S · 2^(E − 15 − (m − 1))); u = RNE₃₂(t · s); acc ← RNE₃₂(acc + u), not fused, ascending
       groups, from +0. Each activation group is scaled by itself even where two share a weight scale. Results
       below the normal range become +0; a zero is +0.
    5. ``out=fp16``: one more rounding, to nearest even, subnormals kept, overflow to infinity; a zero is +0.

    K tails are zero codes, a group may be partly filled; groups of A and W both start at k = 0.

    Parameters
    ----------
    m: mantissa length, 1..16.
    weight_group: weights that share a scale, along K: 64, 128, 256 or 512.
    round: what becomes of the bits below the mantissa: ``trunc`` (the papers') or ``nearest``.
    """

    group: ClassVar[int] = 64
    """Activations that share an exponent."""
    activation_choices: ClassVar[frozenset[str]] = frozenset({"m", "round"})

    m: int
    weight_group: int = 128
    round: str = "trunc"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.pattern = (rf"{cls.family}-m(?P<m>\d+)-g64-(?P<round>trunc|nearest)-w_int4_sym-g(?P<weight_group>\d+)"
                       r"-s_fp16-acc_fp32_rne_ascending-ftz-out_(?P<out>fp32|fp16)")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._choice("m", range(1, 17))
        self._choice("weight_group", (64, 128, 256, 512))
        self._choice("round", AndaFormat.ROUNDINGS)

    @property
    def name(self) -> str:
        return (f"{self.family}-m{self.m}-g64-{self.round}-w_int4_sym-g{self.weight_group}-s_fp16"
                f"-acc_fp32_rne_ascending-ftz-out_{self.out}")

    @property
    def short(self) -> str:
        return f"{self.family}-m{self.m}"

    @property
    def operand_bits(self) -> tuple[int, int]:
        """The sign of a mantissa is not counted."""
        return self.m, 4

    @property
    def k_multiple(self) -> int:
        return self.group
