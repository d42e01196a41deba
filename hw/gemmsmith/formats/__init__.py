"""Number formats: frozen descriptors with exact scalar ``encode`` and ``decode``. Pure Python.

``CATALOG`` lists those with a usual name. Vectorised codecs live with the golden models and are tested
against these.
"""

from gemmsmith.formats.anda import AndaFormat
from gemmsmith.formats.base import Format, Real, Special, Value
from gemmsmith.formats.catalog import CATALOG, Entry
from gemmsmith.formats.floats import FloatFormat, PowerOfTwoFormat, Specials
from gemmsmith.formats.grouped import GroupedScale
from gemmsmith.formats.integers import IntFormat
from gemmsmith.formats.posits import PositFormat
from gemmsmith.formats.standard import (
    BF16,
    E2M1,
    E2M3,
    E3M2,
    E4M3FN,
    E5M2,
    E8M0,
    FP16,
    FP32,
    INT4,
    INT8,
    INT8_SYMMETRIC,
    POSIT4_1,
    POSIT8_0,
    POSIT8_2,
    POSIT16_1,
    POSIT16_2,
    POSIT32_2,
)

__all__ = [
    "BF16",
    "CATALOG",
    "E2M1",
    "E2M3",
    "E3M2",
    "E4M3FN",
    "E5M2",
    "E8M0",
    "FP16",
    "FP32",
    "INT4",
    "INT8",
    "INT8_SYMMETRIC",
    "POSIT4_1",
    "POSIT8_0",
    "POSIT8_2",
    "POSIT16_1",
    "POSIT16_2",
    "POSIT32_2",
    "AndaFormat",
    "Entry",
    "FloatFormat",
    "Format",
    "GroupedScale",
    "IntFormat",
    "PositFormat",
    "PowerOfTwoFormat",
    "Real",
    "Special",
    "Specials",
    "Value",
]
