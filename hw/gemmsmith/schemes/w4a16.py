"""MixPE's mixed-precision family: FP16 activations × 4-bit weights, aligned in beats, summed exactly per group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gemmsmith.schemes.base import Scheme, SchemeError

EXACT = "exact"
GUARDS = (*map(str, range(9)), EXACT)


@dataclass(frozen=True, kw_only=True)
class W4A16(Scheme):
    """FP16 activations in beats of ``lanes``, 4-bit weights in groups that share an FP16 scale; integer sums.

    Semantics, in order:

    1. Activations are FP16 codes; subnormals are honoured. A code of Inf or NaN counts as the largest finite value of
       its sign (hardware raises its sticky flag; encoders never make one).
    2. Beats: ``lanes`` consecutive activations, from k = 0. E is the largest effective exponent of the beat,
       max(e, 1); every significand of 11 bits gets ``guard`` zeros below, is shifted right by E − e, and what falls out
       is dropped, towards zero whatever the sign. An aligned activation is ±integer · 2^(E − 25 − guard).
       ``guard=exact``: nothing is dropped, and lanes do not matter.
    3. Weights: a code per element means an integer q;
       ``w=int4``: −8..7, encoded as those of ``Anda``, with a group's scale s = FP16(absmax / 7);
       ``w=fp4``: an E2M1 code, and q twice its value: ±{0, 1, 2, 3, 4, 6, 8, 12}; s = FP16(absmax / 6) (1 if the group
       is all zero; the smallest normal FP16 if it would be subnormal), codes the E2M1 numbers nearest to w / s, ties to
       the even code, quotients in float32; the scale counts halves: q · s / 2 is meant.
    4. Per weight group: S = Σ aligned a · q (``fp4``: half of it), exact.
    5. u = RNE₃₂(RNE₃₂(S) · s); acc ← RNE₃₂(acc + u), not fused, ascending groups, from +0. Neither underflow nor
       overflow can occur: what is not zero is at least 2⁻³³, scales at least 2⁻¹⁴. A zero is +0.
    6. ``out=fp16``: one more rounding, to nearest even, subnormals kept, overflow to infinity; a zero is +0.

    K tails are zero codes; a weight group may be partly filled.

    Parameters
    ----------
    w: weight format: int4 or fp4.
    lanes: activations that are aligned to each other, a power of two from 1 to 64, at most ``group``.
    guard: bits kept below the last place of the largest activation, 0..8, or ``exact``.
    group: weights that share a scale, along K: 32, 64, 128 or 256.

    Raises
    ------
    SchemeError for choices that do not exist or go together.
    """

    family: ClassVar[str] = "w4a16"
    pattern: ClassVar[str] = (r"w4a16-a_fp16-lanes(?P<lanes>\d+)-guard_(?P<guard>\d+|exact)-w_(?P<w>int4|fp4)_sym"
                              r"-g(?P<group>\d+)-s_fp16-acc_fp32_rne_ascending-out_(?P<out>fp32|fp16)")
    summary: ClassVar[str] = "MixPE: FP16 activations aligned in beats × 4-bit weights in groups, no multiplier"
    source: ClassVar[str] = "the W4A16 unit of MixPE, arXiv 2411.16158; alignment and rounding points are ours"
    activation_choices: ClassVar[frozenset[str]] = frozenset({"lanes", "guard"})

    w: str = "int4"
    lanes: int = 16
    guard: str = "2"
    group: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        self._choice("w", ("int4", "fp4"))
        self._choice("lanes", (1, 2, 4, 8, 16, 32, 64))
        self._choice("guard", GUARDS)
        self._choice("group", (32, 64, 128, 256))
        if self.lanes > self.group:
            raise SchemeError(f"lanes of w4a16 must be at most its group, {self.group}, not {self.lanes}")

    @property
    def name(self) -> str:
        return (f"w4a16-a_fp16-lanes{self.lanes}-guard_{self.guard}-w_{self.w}_sym-g{self.group}"
                f"-s_fp16-acc_fp32_rne_ascending-out_{self.out}")

    @property
    def short(self) -> str:
        return "w4a16" if self.w == "int4" else "fp4-a16"

    @property
    def guard_bits(self) -> int:
        """Aligned activations are multiples of 2^−(24 + guard_bits)."""
        return 0 if self.guard == EXACT else int(self.guard)

    @property
    def operand_bits(self) -> tuple[int, int]:
        return 16, 4

    @property
    def k_multiple(self) -> int:
        return self.group

    @classmethod
    def compared(cls) -> tuple[W4A16, ...]:
        return cls(), cls(w="fp4")
