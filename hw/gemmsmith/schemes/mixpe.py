"""MixPE's integer family: narrow weights × INT8 or INT4 activations, dequantised once per group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gemmsmith.schemes.base import Scheme, SchemeError

WEIGHTS = {"int8": 8, "int4": 4, "int3": 3, "int2": 2, "fp4": 4, "ternary": 2, "binary": 1}
"""Weight formats and the bits of a code in memory."""
ZEROS = ("sym", "zp")
SCALES = ("fp16", "fp32", "pow2", "int8")
GROUPS = (32, 64, 128, 256, 0)


@dataclass(frozen=True, kw_only=True)
class MixPe(Scheme):
    """Weights in groups along K, whose exact integer dot products are scaled once per group and output.

    Semantics, in order:

    1. Activations: symmetric codes −L..L, L = 127 (``a=8``) or 7 (``a=4``), and an FP32 scale per row of A, made as
       those of ``Int8``: s = FP32(absmax / L), q = clip(RNE(x / s), −L, L), both quotients in float32. The hardware
       multiplies every two's-complement code exactly.
    2. Weights: a code per element means an integer q:
       ``intN`` with ``zero=sym``: two's complement, −2^(N−1) … 2^(N−1) − 1;
       ``intN`` with ``zero=zp``: 0 … 2^N − 1, from which the group's zero point z, of the same range, is subtracted;
       ``fp4``: an E2M1 code, and q twice its value: ±{0, 1, 2, 3, 4, 6, 8, 12}; the scale counts halves, that is
       q · s / 2 is meant;
       ``ternary``: −1, 0, 1 in two's complement (the code −2 is refused); ``binary``: bit 1 means +1, bit 0 −1.
       z is 0 where nothing else is said.
    3. Per group: S = Σ a·q − z·Σ a, exact.
    4. Scales, ``group`` weights of a row share one (0: the whole row):
       ``fp16``, ``fp32``: positive normal numbers s; ``pow2``: s = 2^(code − 127), code 1..254;
       u = RNE₃₂(RNE₃₂(S) · s) (``fp4``: RNE₃₂(S/2)), then acc ← RNE₃₂(acc + u), ascending groups, from +0;
       ``int8``: two levels, an integer t in 1..127 per group and a positive normal FP32 number s per row of W:
       acc = RNE₃₂(RNE₃₂(Σ t·S) · s), the sum exact in 32 bits. (q − z) · t lies in −128..127 for every weight, which
       is what makes it an INT8 weight; other codes are refused.
       An overflow is an infinity. Where infinities of both signs meet in acc, the result is +∞.
    5. o = RNE₃₂(acc · s_a). Results below the normal range become +0, overflow is an infinity, a zero is +0.
    6. ``out=fp16``: one more rounding, to nearest even, subnormals kept, overflow to infinity; a zero is +0.

    K tails are zero codes of activations; a group may be partly filled. ``group=0`` and ``scale=int8`` sum over the
    whole K in 32 bits: K ≤ 131 072 (131 072 · 127 · 128 < 2³¹; larger K is refused), half of it for ``w=int8`` with
    zero points (65 536 · 128 · 255 < 2³¹). At that K alone, −128 · −128 in every place would be 2³¹ and wrap; the
    encoder makes no activation −128.

    Parameters
    ----------
    a: bits of an activation, 8 or 4.
    w: weight format: int8, int4, int3, int2, fp4, ternary or binary.
    zero: ``sym``, or ``zp``: a zero point per group (intN only).
    group: weights that share a scale, along K: 32, 64, 128, 256, or 0 for a scale per row of W.
    scale: format of the weights' scales. Two levels (``int8``) want int4, int3 or int2 and a group.

    Raises
    ------
    SchemeError for choices that do not go together.
    """

    family: ClassVar[str] = "mixpe"
    pattern: ClassVar[str] = (rf"mixpe-a_int(?P<a>8|4)-s_fp32_row-w_(?P<w>{'|'.join(WEIGHTS)})_(?P<zero>sym|zp)"
                              rf"-g(?P<group>\d+)-s_(?P<scale>{'|'.join(SCALES)})"
                              r"-acc_fp32_rne_ascending-ftz-out_(?P<out>fp32|fp16)")
    summary: ClassVar[str] = "MixPE: integer activations × narrow weights in groups, scaled once per group"
    source: ClassVar[str] = "MixPE, arXiv 2411.16158; two-level scales: DGQ, arXiv 2310.04836; roundings are ours"
    max_k: ClassVar[int] = 131_072

    a: int = 8
    w: str = "int4"
    zero: str = "sym"
    group: int = 128
    scale: str = "fp16"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._choice("a", (8, 4))
        self._choice("w", tuple(WEIGHTS))
        self._choice("zero", ZEROS)
        self._choice("group", GROUPS)
        self._choice("scale", SCALES)
        if self.zero == "zp" and not self.w.startswith("int"):
            raise SchemeError(f"zero of {self.w} weights must be sym, not zp: int8, int4, int3, int2 have zero points")
        if self.scale == "int8" and (self.w not in ("int4", "int3", "int2") or not self.group):
            raise SchemeError("scale=int8 (two levels) wants w=int4, int3 or int2 and a group of 32, 64, 128 or 256, "
                              f"not w={self.w}, group={self.group}")

    @property
    def name(self) -> str:
        return (f"mixpe-a_int{self.a}-s_fp32_row-w_{self.w}_{self.zero}-g{self.group}-s_{self.scale}"
                f"-acc_fp32_rne_ascending-ftz-out_{self.out}")

    @property
    def short(self) -> str:
        return f"w{self.weight_bits}a{self.a}" if self.w.startswith("int") else f"{self.w}-a{self.a}"

    @property
    def weight_bits(self) -> int:
        """Bits of a weight code in memory."""
        return WEIGHTS[self.w]

    @property
    def operand_bits(self) -> tuple[int, int]:
        return self.a, self.weight_bits

    @property
    def k_multiple(self) -> int:
        return self.group or 1

    @property
    def largest_k(self) -> int | None:
        """The largest K that 32 bits hold the sum over, if there is one sum over the whole K."""
        if self.group and self.scale != "int8":
            return None
        return self.max_k // 2 if (self.w, self.zero) == ("int8", "zp") else self.max_k

    @classmethod
    def named(cls) -> tuple[MixPe, ...]:
        """The schemes that have a short name: symmetric weights in groups of 128."""
        return tuple(cls(w=w, a=a) for a in (8, 4) for w in WEIGHTS)

    @classmethod
    def compared(cls) -> tuple[MixPe, ...]:
        return (*(cls(w=w) for w in ("int8", "int4", "int2", "ternary", "binary")), cls(w="int4", a=4))
