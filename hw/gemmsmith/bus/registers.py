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

from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
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

    Latency: a write takes effect, and BVALID rises, in the second cycle after the later of AW and W was
    taken; RVALID rises in the second cycle after AR. One write every three cycles, one read every three
    cycles.

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
        write_address, write_data, write_strobe = self._take_writes(m)
        write = Signal()
        m.d.comb += write.eq(~self.bus.aw.ready & ~self.bus.w.ready & ~self.bus.b.valid)
        with m.If(write):
            m.d.sync += self.bus.b.valid.eq(1)
        with m.Elif(self.bus.b.ready):
            m.d.sync += self.bus.b.valid.eq(0)

        with m.If(write):
            m.d.sync += self.bus.b.payload.resp.eq(self._response(write_address))
        for register in self._map.registers:
            hit = write & (write_address == register.offset // WORD_BYTES)
            self._update(m, register, write_strobe & hit.replicate(WORD_BYTES), write_data)

        self._answer_reads(m)
        return m

    def _take_writes(self, m: Module) -> tuple[Signal, Signal, Signal]:
        """Hold one address and one datum, in whatever order they come, until the answer goes out."""
        aw, w, b = self.bus.aw, self.bus.w, self.bus.b
        address = Signal(self._map.addr_width - 2)
        word = Signal(WORD_BITS)
        strobe = Signal(WORD_BYTES)
        have_address = Signal()
        have_data = Signal()
        m.d.comb += [aw.ready.eq(~have_address), w.ready.eq(~have_data)]
        with m.If(have_address & have_data & ~b.valid):
            m.d.sync += [have_address.eq(0), have_data.eq(0)]
        with m.If(aw.valid & aw.ready):
            m.d.sync += [have_address.eq(1), address.eq(aw.payload.addr[2:])]
        with m.If(w.valid & w.ready):
            m.d.sync += [have_data.eq(1), word.eq(w.payload.data), strobe.eq(w.payload.strb)]
        return address, word, strobe

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
        address = Signal(self._map.addr_width - 2)
        have_address = Signal()
        m.d.comb += ar.ready.eq(~have_address)
        with m.If(ar.valid & ar.ready):
            m.d.sync += [have_address.eq(1), address.eq(ar.payload.addr[2:])]
        with m.If(have_address & ~r.valid):
            m.d.sync += [have_address.eq(0), r.valid.eq(1), r.payload.resp.eq(self._response(address))]
            with m.Switch(address):
                for register in self._map.registers:
                    with m.Case(register.offset // WORD_BYTES):
                        readable = 0 if register.access == "pulse" else getattr(self, register.name)
                        m.d.sync += r.payload.data.eq(readable)
                with m.Default():
                    m.d.sync += r.payload.data.eq(0)
        with m.If(r.valid & r.ready):
            m.d.sync += r.valid.eq(0)

    def _response(self, address: Signal) -> Any:
        """OKAY where a register lies, SLVERR elsewhere."""
        mapped = address.matches(*(register.offset // WORD_BYTES for register in self._map.registers))
        return Mux(mapped, Response.OKAY, Response.SLVERR)
