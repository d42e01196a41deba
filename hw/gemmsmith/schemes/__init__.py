"""Schemes: what is computed, bit for bit. ``parse("anda-m6")`` gives one; ``catalog()`` lists them."""

from __future__ import annotations

import re

from gemmsmith.schemes.anda import Anda
from gemmsmith.schemes.ant import Ant
from gemmsmith.schemes.base import Axis, Cadence, Operand, Part, Scheme, SchemeError
from gemmsmith.schemes.bitfusion import BitFusion
from gemmsmith.schemes.dequant import Dequant
from gemmsmith.schemes.figna import Figna
from gemmsmith.schemes.floatmac import FloatMac
from gemmsmith.schemes.fp4 import Fp4
from gemmsmith.schemes.fp16 import Fp16
from gemmsmith.schemes.fp16dot import Fp16Dot
from gemmsmith.schemes.fpint import FpInt
from gemmsmith.schemes.ifpu import Ifpu
from gemmsmith.schemes.int8 import Int8
from gemmsmith.schemes.mixpe import MixPe
from gemmsmith.schemes.positfma import PositFma
from gemmsmith.schemes.prealigned import Prealigned
from gemmsmith.schemes.rowscaled import RowScaled
from gemmsmith.schemes.w4a16 import W4A16
from gemmsmith.schemes.xrnpe import XrNpe

FAMILIES: tuple[type[Scheme], ...] = (Fp16, Fp16Dot, FpInt, Int8, Anda, Figna, Ifpu, MixPe, W4A16, Dequant, BitFusion,
                                      Ant, Fp4, FloatMac, PositFma, XrNpe)

__all__ = ["FAMILIES", "W4A16", "Anda", "Ant", "Axis", "BitFusion", "Cadence", "Dequant", "Figna", "FloatMac", "Fp4",
           "Fp16", "Fp16Dot", "FpInt", "Ifpu", "Int8", "MixPe", "Operand", "Part", "PositFma", "Prealigned",
           "RowScaled", "Scheme", "SchemeError", "XrNpe", "catalog", "parse"]


def catalog() -> dict[str, Scheme]:
    """Short name → scheme, for every short name there is."""
    schemes = [Fp16(), Fp16Dot(), FpInt(), Int8(), *(Anda(m=m) for m in range(1, 17)), *Figna.compared(), Ifpu(),
               *MixPe.named(), *W4A16.compared(), Dequant(), *BitFusion.compared(), *Ant.named(), Fp4(),
               *FloatMac.compared(), *PositFma.compared(), *XrNpe.compared()]
    return {scheme.short: scheme for scheme in schemes}


def parse(text: str, **choices: str | int) -> Scheme:
    """The scheme called ``text`` (short or canonical name), with ``choices`` overridden.

    Raises ``SchemeError`` with one line that says what would be right.
    """
    scheme = catalog().get(text)
    for family in FAMILIES:
        scheme = scheme or family.from_canonical(text)
    if scheme is None:
        if match := re.fullmatch(r"(anda|figna)-m(\d+)", text):
            scheme = {"anda": Anda, "figna": Figna}[match[1]](m=int(match[2]))  # says which lengths there are
        else:
            raise SchemeError(f"no scheme is called {text!r}; there are fp16, fp16-dot4, fp16-int4, int8, "
                              "anda-m1 … anda-m16, figna-m1 … figna-m16, ifpu, "
                              f"{', '.join(s.short for s in (*MixPe.named(), *W4A16.compared(), Dequant()))}, "
                              f"{', '.join(s.short for s in BitFusion.compared())}, "
                              f"ant, ant-A-W of {', '.join(Ant.types())}, "
                              f"fp4, {', '.join(s.short for s in (*FloatMac.compared(), *PositFma.compared()))}, "
                              f"{', '.join(s.short for s in XrNpe.compared())}, "
                              "and their canonical names (gemmsmith list)")
    return scheme.replace(**choices)
