"""The co-processor's register map, derived from the operands of its processing element."""

from __future__ import annotations

from gemmsmith import __version__
from gemmsmith.bus.registers import Field, Register, RegisterMap
from gemmsmith.pe import ProcessingElement
from gemmsmith.tile import GROUPS_WIDTH

IDENTIFICATION = 0x67656D6D
"""ASCII "gemm"."""
SIZE_WIDTH = 24
"""Bits of M and N."""
EVENTS = (
    ("done", "The job has ended, with or without an error"),
    ("read_slverr", "A read was answered with SLVERR; the job was stopped"),
    ("read_decerr", "A read was answered with DECERR; the job was stopped"),
    ("write_slverr", "A write was answered with SLVERR; the job was stopped"),
    ("write_decerr", "A write was answered with DECERR; the job was stopped"),
    ("bad_descriptor",
     "The job was not begun: a size is 0, the mode does not exist, or an address or stride is unaligned"),
    ("aborted", "The job was stopped by the host"),
    ("saturated", "An operand was not finite and was taken as the largest finite value"),
)
OPERANDS_BASE, OPERAND_BYTES = 0x80, 0x10
MANTISSA_WIDTH = 5


def register_map(pe: ProcessingElement, *, addr_width: int, rows: int, cols: int, bus_width: int,
                 compress: int = 0) -> RegisterMap:
    """Registers of a co-processor. ``geometry`` tells rows, columns and the bytes of a bus word; ``compress`` is the
    longest mantissa that outputs can be compressed to, 0 if they cannot."""
    high = max(0, addr_width - 32)
    constants = constant_registers(rows=rows, cols=cols, bus_width=bus_width)
    events = tuple(Field(name, bit, doc=doc) for bit, (name, doc) in enumerate(EVENTS))
    registers = [
        Register("identification", 0x00, "ro", doc=f"Always {constants['identification']:#x}"),
        Register("version", 0x04, "ro", doc=f"Version of the generator: {__version__}", fields=(
            Field("patch", 0, 8), Field("minor", 8, 8), Field("major", 16, 8))),
        Register("geometry", 0x08, "ro", doc=f"Always {constants['geometry']:#x}", fields=(
            Field("rows", 0, 8), Field("cols", 8, 8), Field("bus_bytes", 16, 8))),
        Register("control", 0x10, "pulse", 2, doc="Commands", fields=(
            Field("start", 0, doc="Begin the job; ignored while busy"),
            Field("abort", 1, doc="Stop the job; ends with done and aborted"))),
        Register("status", 0x14, "ro", 1, doc="State", fields=(Field("busy", 0, doc="A job is running"),)),
        Register("events", 0x18, "w1c", len(events), doc="Sticky; write ones to clear", fields=events),
        Register("interrupt_enable", 0x1C, "rw", len(events), doc="Events that raise the interrupt", fields=events),
        Register("m", 0x20, "rw", SIZE_WIDTH, doc="Rows of A and of O"),
        Register("n", 0x24, "rw", SIZE_WIDTH, doc="Rows of W, columns of O"),
        Register("groups", 0x28, "rw", GROUPS_WIDTH,
                 doc=f"Groups of {pe.group} along K, the last one padded with zeros"),
        Register("mode", 0x2C, "rw", pe.mode_width, doc="Run-time mode of the processing element"),
        *_address("o", 0x30, high, "First output"),
        Register("cycles", 0x40, "ro", doc="Clock cycles of the job"),
        Register("beats", 0x44, "ro", doc="Cycles in which the array took a beat"),
        Register("stalls", 0x48, "ro", doc="Cycles in which a block waited for operands, results or tails"),
        Register("bytes_read", 0x4C, "ro", doc="Bytes read from memory, whole bus words"),
        Register("bytes_written", 0x50, "ro", doc="Bytes written to memory"),
    ]
    if compress:
        registers += [
            Register("o_format", 0x54, "rw", MANTISSA_WIDTH + 1, doc="How outputs are written", fields=(
                Field("mantissa", 0, MANTISSA_WIDTH, doc=f"0: FP16; 1..{compress}: Anda with this mantissa length"),
                Field("nearest", MANTISSA_WIDTH, doc="Mantissas are rounded to nearest even, else truncated"))),
            *_address("o_exponent", 0x58, high, "Shared exponents of compressed outputs")]
    for i, operand in enumerate(pe.operands):
        registers += _address(operand.name, OPERANDS_BASE + OPERAND_BYTES * i, high, operand.doc or operand.name)
    return RegisterMap(registers=tuple(registers))


def constant_registers(*, rows: int, cols: int, bus_width: int) -> dict[str, int]:
    """Registers that never change, and what they hold."""
    major, minor, patch = (int(part) for part in __version__.split("."))
    return {"identification": IDENTIFICATION, "version": major << 16 | minor << 8 | patch,
            "geometry": rows | cols << 8 | (bus_width // 8) << 16}


def _address(name: str, offset: int, high: int, doc: str) -> list[Register]:
    lines = [Register(f"{name}_address", offset, "rw", doc=f"{doc}: byte address, low word"),
             Register(f"{name}_stride", offset + 8, "rw", doc=f"{doc}: bytes from one row to the next")]
    if high:
        lines.append(Register(f"{name}_address_high", offset + 4, "rw", high, doc=f"{doc}: byte address, high word"))
    return lines
