"""XR-NPE: posits of 16, 8 or 4 bits, or FP4, chosen at run time, with exact sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from gemmsmith.schemes.base import OUTPUTS, Scheme

MAX_K = {"fp4": 14_913_080, "posit4": 32_767, "posit8": 1 << 31, "posit16": 32_767}
"""Operand format → the longest dot product that is sure to fit the quire, in the order of the run-time modes."""
FORMATS = tuple(MAX_K)
BITS = {"fp4": 4, "posit4": 4, "posit8": 8, "posit16": 16}
"""Format → bits of a code."""
CODE_WIDTH = 16
"""Bits of an output that is a code of one of the formats, whichever: the bits above a shorter code are 0."""


@dataclass(frozen=True, kw_only=True)
class XrNpe(Scheme):
    """Codes of ``format`` for activations and weights, a power of two as scale per row, one rounding per output.

    Formats: ``posit16`` is Posit(16, 1), ``posit8`` Posit(8, 0), ``posit4`` Posit(4, 1), ``fp4`` is E2M1.

    Semantics, in order:

    1. Encoding of a row x of A or W: 2^e is the row's scale, the code that of the number nearest to x / 2^e, as the
       format rounds (posits as in the standard of 2022: a tie is at the posit with one bit more, and goes to the even
       code; what is not 0 never becomes 0 or NaR; FP4 to nearest even, beyond ±6 it is ±6). With t = ⌊log₂ absmax⌋,
       e = t − j for the j whose numbers have the least sum of squared errors, the greatest of equals: j is one of
       1, 2 (``fp4``), 0..4 (``posit4``), 0..5 (``posit8``), or 3 (``posit16``). −128 ≤ e ≤ 127; e = 0 for a row of
       zeros. x is rounded to FP32 first. −0 is code 0.
    2. S = Σ a·w over the whole K, exact, if K ≤ ``MAX_K`` of the format (a larger K is refused): quires of 128 bits
       (posit16, two of 64 for posit8, four of 32 for posit4 and fp4), whose segments are added exactly.
    3. o = S · 2^(e_a + e_w), rounded once:
       ``out=fp32``: to nearest even; results below the normal range become +0, overflow is an infinity;
       ``out=posit16``, ``posit8``, ``posit4`` or ``fp4``: to a code of that format, as in 1. Bits above it are 0.
       ``out=fp16``: the ``fp32`` result, rounded once more to nearest even, subnormals kept, overflow to infinity.
       A zero is +0.
    4. A posit NaR among the codes makes the output NaN (0x7FC00000 or 0x7E00), NaR, or, as FP4 has neither, the code 8
       (−0, which nothing else gives); hardware raises its flag. Encoders never make one.

    K tails are zero codes.

    Parameters
    ----------
    format: of the operands: fp4, posit4, posit8 or posit16. One build computes all of them, and all outputs that are
        codes of them; formats are its run-time mode.
    out: fp32, fp16, or one of the formats.
    """

    family: ClassVar[str] = "xrnpe"
    pattern: ClassVar[str] = (rf"xrnpe-(?P<format>{'|'.join(FORMATS)})-s_pow2_row-quire_exact"
                              rf"-out_(?P<out>{'|'.join((*OUTPUTS, *FORMATS))})")
    summary: ClassVar[str] = "XR-NPE: Posit(16,1), Posit(8,0), Posit(4,1) or FP4 at run time, exact quire"
    source: ClassVar[str] = ("XR-NPE, arXiv 2508.13049, names the formats; Posit Standard 2022 the rounding; "
                             "structure, scales and quire are ours")
    outputs: ClassVar[dict[str, int]] = {**OUTPUTS, **dict.fromkeys(FORMATS, CODE_WIDTH)}

    format: str = "posit8"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._choice("format", FORMATS)

    @property
    def name(self) -> str:
        return f"xrnpe-{self.format}-s_pow2_row-quire_exact-out_{self.out}"

    @property
    def short(self) -> str:
        return f"xrnpe-{self.format}"

    @property
    def k_multiple(self) -> int:
        return 1

    @property
    def max_k(self) -> int:
        """The longest dot product."""
        return MAX_K[self.format]

    @property
    def operand_bits(self) -> tuple[int, int]:
        return BITS[self.format], BITS[self.format]

    def ladder(self) -> tuple[XrNpe, ...]:
        return tuple(self.replace(format=name) for name in FORMATS)

    @classmethod
    def compared(cls) -> tuple[XrNpe, ...]:
        return tuple(cls(format=name) for name in FORMATS)

    @classmethod
    def build_choices(cls, schemes: Sequence[Self]) -> dict[str, int]:
        """The operands' format is the run-time mode of every build."""
        if len({scheme.out for scheme in schemes}) != 1:
            raise cls._mixed(schemes, "schemes that differ in format alone")
        return {}
