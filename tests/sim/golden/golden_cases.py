"""Schemes and operands that the tests of golden models share."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from gemmsmith.formats import PositFormat
from gemmsmith.schemes import (
    W4A16,
    Anda,
    Ant,
    Axis,
    BitFusion,
    Cadence,
    Dequant,
    Figna,
    FloatMac,
    Fp4,
    Fp16,
    Fp16Dot,
    FpInt,
    Ifpu,
    Int8,
    MixPe,
    Operand,
    PositFma,
    XrNpe,
)

SCHEMES: list[Any] = [Fp16(), Fp16Dot(), FpInt(weight_group=64), Int8(), Anda(m=1), Anda(m=6),
                      Anda(m=16, weight_group=64, out="fp16"), Figna(m=11), Ifpu(), W4A16(), W4A16(w="fp4"),
                      Dequant(group=64), MixPe(), MixPe(zero="zp", group=32), MixPe(w="fp4", scale="pow2"),
                      MixPe(w="int3", scale="int8", a=4), MixPe(w="ternary", group=0, scale="fp32"), BitFusion(),
                      BitFusion(a=4, w=2), Ant(), Ant(a="int", w="pot", out="fp16"), Fp4(),
                      *FloatMac.compared(), *PositFma.compared(), *XrNpe.compared()]
every_scheme = pytest.mark.parametrize("scheme", SCHEMES, ids=lambda s: s.short)
ONE = np.ones((2, 3), np.float32)


def operand(name: str, width: int, cadence: Cadence = Cadence.BEAT, **more: Any) -> Operand:
    return Operand(name=name, axis=Axis.ROW if name.startswith("a_") else Axis.COLUMN, width=width, cadence=cadence,
                   **more)


def fractions(scales: np.ndarray) -> list[Any]:
    return [fractions(s) if s.ndim else Fraction(float(s)) for s in scales]


def random_posit_values(fmt: PositFormat, count: int, seed: int) -> np.ndarray:
    """Any size, beyond both ends too; a third near 1; a third with few bits, so that ties are among them."""
    rng = np.random.default_rng(seed)
    span = min((fmt.n << fmt.es) + 2, 1000)
    scales = np.where(rng.random(count) < 0.3, rng.uniform(-3, 3, count), rng.uniform(-span, span, count))
    values = np.exp2(scales)
    mantissas, exponents = np.frexp(values)
    coarse = np.ldexp(np.rint(np.ldexp(mantissas, 9)), exponents - 9)
    return np.where(rng.random(count) < 0.3, coarse, values) * rng.choice([-1, 1], count)
