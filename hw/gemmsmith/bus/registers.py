"""A register bank behind AXI4-Lite, described by data that also becomes the C header and the driver's
register map.

    REGISTERS = RegisterMap(registers=(
        Register("control", 0x00, access="pulse", doc="Commands", fields=(Field("start", 0, doc="Begin the
        job"),)), Register("status", 0x04, access="w1c", width=3, doc="Sticky events"),
        Register("depth", 0x10, width=16, reset=1, doc="K of the product"),
    ))
    m.submodules.bank = bank = RegisterBank(REGISTERS)
    m.d.comb += [sequencer.k.eq(bank.depth), bank.status_set.eq(sequencer.events)]
"""

import keyword
import re
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib.wiring import Component, In, Member, Out

from .axi import AxiLite, Response

__all__ = ["Access", "Field", "Register", "RegisterBank", "RegisterMap"]

Access = Literal["rw", "ro", "w1c", "pulse"]

WORD_BYTES = 4
WORD_BITS = 8 * WORD_BYTES
_RESERVED = {"bus", "elaborate", "metadata", "signature"}


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or keyword.iskeyword(name) or name in _RESERVED:
        raise ValueError(f"name must be a lower-case identifier that is not reserved, not {name!r}")


@dataclass(frozen=True)
class Field:
    """Named bits of a register, for the C header and the driver; the hardware sees whole registers."""

    name: str
    lsb: int
    width: int = 1
    doc: str = ""

    def __post_init__(self) -> None:
        _check_name(self.name)
        if self.lsb < 0 or self.width < 1:
            raise ValueError(f"field {self.name!r} must have lsb >= 0 and width >= 1")

    @property
    def mask(self) -> int:
        """Its bits within the register."""
        return ((1 << self.width) - 1) << self.lsb


@dataclass(frozen=True)
class Register:
    """One 32-bit word of the address space.

    `access` is one of

    - `"rw"`: the host writes and reads it, the hardware reads it;
    - `"ro"`: the hardware drives it, writes change nothing (and are answered with OKAY);
    - `"w1c"`: sticky bits, set by the hardware and cleared by the host writing ones. Setting wins over
    clearing;
    - `"pulse"`: bits written as one are high for one cycle; it reads as zero.

    Only the low `width` bits exist, the others read as zero. `reset` is the value after reset of `"rw"` and
    `"w1c"`. Raises ValueError if any of this does not fit together.
    """

    name: str
    offset: int
    access: Access = "rw"
    width: int = WORD_BITS
    reset: int = 0
    doc: str = ""
    fields: tuple[Field, ...] = field(default=())

    def __post_init__(self) -> None:
        _check_name(self.name)
        if self.offset < 0 or self.offset % WORD_BYTES:
            raise ValueError(f"offset must be a multiple of {WORD_BYTES}, not {self.offset!r}")
        if self.access not in ("rw", "ro", "w1c", "pulse"):
            raise ValueError(f"access must be 'rw', 'ro', 'w1c' or 'pulse', not {self.access!r}")
        if not 1 <= self.width <= WORD_BITS:
            raise ValueError(f"width must be from 1 to {WORD_BITS}, not {self.width!r}")
        if not 0 <= self.reset < 1 << self.width or (self.reset and self.access in ("ro", "pulse")):
            raise ValueError(f"reset of {self.name!r} must fit {self.width} stored bits, not {self.reset!r}")
        taken = 0
        for part in self.fields:
            if part.mask & taken or part.mask >> self.width:
                raise ValueError(f"field {part.name!r} must lie within {self.name!r} and overlap no other")
            taken |= part.mask

    def ports(self) -> dict[str, Member]:
        """Members of a `RegisterBank` that belong to this register."""
        shape = unsigned(self.width)
        if self.access == "rw":
            return {self.name: Member(Out, shape, init=self.reset)}
        if self.access == "ro":
            return {self.name: Member(In, shape)}
        if self.access == "w1c":
            return {self.name: Member(Out, shape, init=self.reset), f"{self.name}_set": Member(In, shape)}
        return {self.name: Member(Out, shape)}


@dataclass(frozen=True)
class RegisterMap:
    """Registers of one AXI4-Lite aperture of 2^`addr_width` bytes, in ascending order of offset.

    Raises ValueError if names or offsets are not unique or an offset lies outside the aperture.
    """

    registers: tuple[Register, ...]
    addr_width: int = 12

    def __post_init__(self) -> None:
        object.__setattr__(self, "registers", tuple(sorted(self.registers, key=lambda r: r.offset)))
        if not self.registers:
            raise ValueError("registers must not be empty")
        if not 3 <= self.addr_width <= 32:
            raise ValueError(f"addr_width must be from 3 to 32, not {self.addr_width!r}")
        offsets = [register.offset for register in self.registers]
        if len(set(offsets)) != len(offsets):
            raise ValueError(f"offsets must be unique, not {[hex(offset) for offset in offsets]}")
        ports = [name for register in self.registers for name in register.ports()]
        if len(set(ports)) != len(ports):
            raise ValueError(f"names must be unique, not {ports}")
        if offsets[-1] >> self.addr_width:
            raise ValueError(f"offset {offsets[-1]:#x} must lie within {1 << self.addr_width:#x} bytes")

    def __getitem__(self, name: str) -> Register:
        """The register called `name`; KeyError if there is none."""
        for register in self.registers:
            if register.name == name:
                return register
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-serialisable description, from which a driver can be written."""
        return {
            "addr_width": self.addr_width,
            "registers": [
                {
                    **{key: getattr(r, key) for key in ("name", "offset", "access", "width", "reset", "doc")},
                    "fields": [asdict(part) for part in r.fields],
                }
                for r in self.registers
            ],
        }

    def c_header(self, prefix: str) -> str:
        """Text of a C header: `PREFIX_NAME_OFFSET`, and `PREFIX_NAME_FIELD_LSB` and `_MASK` of the fields."""
        _check_name(prefix.lower())
        upper = prefix.upper()
        lines = [f"#ifndef {upper}_REGS_H", f"#define {upper}_REGS_H", ""]
        for register in self.registers:
            name = f"{upper}_{register.name.upper()}"
            lines += [
                f"/* {register.doc or register.name}: {register.access}, {register.width} bit, "
                f"reset {register.reset:#x} */",
                f"#define {name}_OFFSET {register.offset:#05x}u",
            ]
            for part in register.fields:
                label = f"{name}_{part.name.upper()}"
                note = f" /* {part.doc} */" if part.doc else ""
                lines += [f"#define {label}_LSB {part.lsb}", f"#define {label}_MASK {part.mask:#010x}u{note}"]
            lines.append("")
        return "\n".join([*lines, f"#endif /* {upper}_REGS_H */", ""])


class RegisterBank(Component):
    """AXI4-Lite subordinate, 32 bits wide, that holds the registers of a `RegisterMap`.

    AW and W are taken in either order, B follows both; WSTRB selects bytes; the low two address bits are
    ignored. An offset where no register lies is answered with SLVERR and changes nothing. One write and one
    read may be under way at once. Every output to the bus is a function of registers alone.

    Latency: a write takes effect, and BVALID rises, in the second cycle after the later of AW and W was taken;
    RVALID rises in the second cycle after AR. One write and one read every two cycles.

    Members
    -------
    bus : In(AxiLite(addr_width=map.addr_width))
    <name> : Out(width) for "rw" and "w1c" (the value) and "pulse" (bits high for one cycle); In(width) for
    "ro" <name>_set : In(width) for "w1c", the bits to set
    """

    def __init__(self, registers: RegisterMap):
        self._map = registers
        ports = {name: port for register in registers.registers for name, port in register.ports().items()}
        super().__init__({"bus": In(AxiLite(addr_width=registers.addr_width)), **ports})

    @property
    def map(self) -> RegisterMap:
        """The registers held here."""
        return self._map

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        b = self.bus.b
        selected, word, strobe, write = self._take_writes(m)
        with m.If(write):
            m.d.sync += [b.valid.eq(1), b.payload.resp.eq(_response(selected))]
        with m.Elif(b.ready):
            m.d.sync += b.valid.eq(0)
        for register, hit in zip(self._map.registers, selected, strict=True):
            self._update(m, register, strobe & (write & hit).replicate(WORD_BYTES), word)

        self._answer_reads(m)
        return m

    def _decode(self, address: Value) -> Value:
        """One bit per register: does it lie at `address`? Kept decoded in place of the address: that is smaller."""
        return Cat(address[2:] == register.offset // WORD_BYTES for register in self._map.registers)

    def _take_writes(self, m: Module) -> tuple[Signal, Signal, Signal, Value]:
        """Hold one address and one datum, in whatever order they come, until the answer goes out."""
        aw, w = self.bus.aw, self.bus.w
        selected = Signal(len(self._map.registers))
        word = Signal(WORD_BITS)
        strobe = Signal(WORD_BYTES)
        have_address = Signal()
        have_data = Signal()
        write = have_address & have_data & ~self.bus.b.valid
        m.d.comb += [aw.ready.eq(~have_address), w.ready.eq(~have_data)]
        with m.If(write):
            m.d.sync += [have_address.eq(0), have_data.eq(0)]
        with m.If(aw.valid & aw.ready):
            m.d.sync += [have_address.eq(1), selected.eq(self._decode(aw.payload.addr))]
        with m.If(w.valid & w.ready):
            m.d.sync += [have_data.eq(1), word.eq(w.payload.data), strobe.eq(w.payload.strb)]
        return selected, word, strobe, write

    def _update(self, m: Module, register: Register, strobe: Value, word: Signal) -> None:
        """Write the bytes of a register that `strobe` selects."""
        if register.access == "ro":
            return
        value = getattr(self, register.name)
        if register.access == "rw":
            for lsb in range(0, register.width, 8):
                with m.If(strobe[lsb // 8]):
                    m.d.sync += value[lsb : lsb + 8].eq(word[lsb:])
            return
        ones = word & Cat(byte.replicate(8) for byte in strobe)
        if register.access == "w1c":
            m.d.sync += value.eq((value & ~ones) | getattr(self, f"{register.name}_set"))
        else:
            m.d.sync += value.eq(ones)

    def _answer_reads(self, m: Module) -> None:
        ar, r = self.bus.ar, self.bus.r
        selected = Signal(len(self._map.registers))
        have_address = Signal()
        values = [
            getattr(self, register.name) & hit.replicate(register.width)
            for register, hit in zip(self._map.registers, selected, strict=True)
            if register.access != "pulse"
        ]
        m.d.comb += ar.ready.eq(~have_address)
        with m.If(ar.valid & ar.ready):
            m.d.sync += [have_address.eq(1), selected.eq(self._decode(ar.payload.addr))]
        with m.If(have_address & ~r.valid):
            m.d.sync += [
                have_address.eq(0),
                r.valid.eq(1),
                r.payload.resp.eq(_response(selected)),
                r.payload.data.eq(_either(values)),
            ]
        with m.If(r.valid & r.ready):
            m.d.sync += r.valid.eq(0)


def _response(selected: Value) -> Value:
    """OKAY where a register lies, SLVERR elsewhere."""
    return Mux(selected.any(), Response.OKAY, Response.SLVERR)


def _either(values: list[Value]) -> Value:
    """Bitwise OR of values of which at most one is not zero, as a balanced tree."""
    if len(values) <= 1:
        return values[0] if values else Const(0)
    half = len(values) // 2
    return _either(values[:half]) | _either(values[half:])
