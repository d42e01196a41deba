"""E2M1 codes as integers."""

from __future__ import annotations

from amaranth.hdl import Array, Const, Value, signed

HALVES = (0, 1, 2, 3, 4, 6, 8, 12)
"""Twice the magnitudes of E2M1."""
INTEGER = 5
"""Bits of twice a value, in two's complement."""


def fp4_integer(code: Value) -> Value:
    """Twice the value of an E2M1 code, five bits in two's complement."""
    values = (*HALVES, *(-half for half in HALVES))
    return Array(Const(value, signed(INTEGER)) for value in values)[code].as_unsigned()
