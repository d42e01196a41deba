"""The formats that have a name of their own; the catalog says where each comes from."""

from __future__ import annotations

from gemmsmith.formats.floats import FloatFormat, PowerOfTwoFormat, Specials
from gemmsmith.formats.integers import IntFormat
from gemmsmith.formats.posits import PositFormat


def _float(exponent_width: int, fraction_width: int, specials: Specials = Specials.IEEE) -> FloatFormat:
    return FloatFormat(exponent_width=exponent_width, fraction_width=fraction_width, specials=specials)


FP32 = _float(8, 23)
FP16 = _float(5, 10)
BF16 = _float(8, 7)
E5M2 = _float(5, 2)
E4M3FN = _float(4, 3, Specials.FN)
E3M2 = _float(3, 2, Specials.FINITE)
E2M3 = _float(2, 3, Specials.FINITE)
E2M1 = _float(2, 1, Specials.FINITE)
E8M0 = PowerOfTwoFormat(exponent_width=8)
INT4 = IntFormat(width=4)
INT8 = IntFormat(width=8)
INT8_SYMMETRIC = IntFormat(width=8, symmetric=True)
POSIT4_1 = PositFormat(n=4, es=1)
POSIT8_0 = PositFormat(n=8, es=0)
POSIT16_1 = PositFormat(n=16, es=1)
POSIT8_2 = PositFormat(n=8, es=2)
POSIT16_2 = PositFormat(n=16, es=2)
POSIT32_2 = PositFormat(n=32, es=2)
