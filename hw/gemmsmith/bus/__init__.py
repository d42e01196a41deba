"""Buses: AXI signatures, a register bank behind AXI4-Lite, and managers that move bus words over AXI4."""

from .axi import BUS_ERRORS, Axi4, Axi4Read, Axi4Write, AxiLite, AxiStream, Response, connect_flat, flat_ports
from .reader import AxiReader
from .registers import Field, Register, RegisterBank, RegisterMap
from .writer import AxiWriter, RowPacker

__all__ = [
    "BUS_ERRORS",
    "Axi4",
    "Axi4Read",
    "Axi4Write",
    "AxiLite",
    "AxiReader",
    "AxiStream",
    "AxiWriter",
    "Field",
    "Register",
    "RegisterBank",
    "RegisterMap",
    "Response",
    "RowPacker",
    "connect_flat",
    "flat_ports",
]
