"""Operand buffer for words that lie in memory without containers; and the buffer that an operand wants."""

from amaranth.hdl import Array, Cat, Const, Module, Signal
from amaranth.utils import exact_log2

from gemmsmith.coprocessor.buffer import Buffer, OperandBuffer
from gemmsmith.coprocessor.plan import Plan
from gemmsmith.schemes import Operand

__all__ = ["DenseBuffer", "operand_buffer"]


class DenseBuffer(Buffer):
    """Words side by side, `width` bits each (1 to 16), which may begin in one bus word and end in the next.

    Bus words are stored as they come, in units of 8 or 16 bits, a memory for each unit of a bus word: so two
    neighbouring units can be read at once, wherever they lie, and a word is within two of them.
    """

    def __init__(self, *, width: int, banks: int, bus_width: int, slot_words: int):
        if not 1 <= width <= 16:
            raise ValueError(f"width must be 1 to 16, not {width!r}")
        super().__init__(width=width, banks=banks, bus_width=bus_width, slot_words=slot_words)
        self._unit = 8 if width <= 8 else 16

    @property
    def memories(self) -> tuple[int, int, int]:
        return self._bus_width // self._unit, self._unit, 2 << (self.slot_bus_words - 1).bit_length()

    def _store(self, m: Module, write_slot: Signal, read_slot: Signal, position: Signal, fetch: Signal) -> None:
        units, _, rows = self.memories
        row_bits = exact_log2(rows // 2)
        place = Signal(range(self._slot_words * self._width))
        shift = Signal(exact_log2(self._unit))
        first = Signal(exact_log2(units))
        m.d.comb += place.eq(position * self._width)
        unit, row = place[len(shift):len(shift) + len(first)], place[len(shift) + len(first):]
        with m.If(fetch):
            m.d.sync += [shift.eq(place[:len(shift)]), first.eq(unit)]
        for bank in range(self._banks):
            parts = []
            for part in range(units):
                behind = unit > part if part < units - 1 else Const(0, 1)
                write, read = self._memory(m, f"bank{bank}_unit{part}")
                m.d.comb += [
                    write.addr.eq(Cat(self.write.address, write_slot)),
                    write.data.eq(self.write.data.word_select(part, self._unit)),
                    write.en.eq(self.write.valid & self.free & (self.write.bank == bank)),
                    # The word's second unit may be in the next row.
                    read.addr.eq(Cat((row + behind)[:row_bits], read_slot)),
                    read.en.eq(fetch),
                ]
                parts.append(read.data)
            window = Cat(Array(parts)[first], Array([*parts[1:], parts[0]])[first])
            m.d.comb += self.o.payload[bank].eq(window.bit_select(shift, self._width))


def operand_buffer(plan: Plan, operand: Operand, *, banks: int) -> Buffer:
    """The buffer of an operand, with a bank for each row (or column) of the array."""
    shape = {"banks": banks, "bus_width": plan.bus_width, "slot_words": plan.slot_words(operand)}
    if operand.dense:
        return DenseBuffer(width=operand.width, **shape)
    return OperandBuffer(width=operand.container, descending=operand.descending, **shape)
