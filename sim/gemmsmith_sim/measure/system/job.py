"""What a job makes the co-processor do: blocks, chunks, lines and bursts, with their lengths."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import gcd

from gemmsmith.coprocessor.plan import Plan
from gemmsmith.emit import BuildConfig
from gemmsmith.pe import ProcessingElement
from gemmsmith.schemes import Axis, Cadence, Operand

__all__ = ["ALIGNMENT", "Bursts", "Job", "OutputRow"]

ALIGNMENT = 64
"""Bytes; every array begins at a multiple, as the driver places them."""

Bursts = tuple[int, ...]
"""Bus words of each burst of a line."""
OutputRow = tuple[tuple[int, ...], ...]
"""A row of a block of outputs: for each of its bursts, the outputs in each bus word."""


@dataclass(frozen=True)
class Job:
    """O = A · Wᵀ, M × N × K in ``mode``, on the co-processor of ``config``.

    Arrays lie one behind the other as the driver places them from address 0 on: weights, activations, outputs. Other
    addresses cut lines into other bursts, no more than one more each.

    Raises ``ValueError`` if a size is not positive, the mode does not exist, or ``config`` is no co-processor.
    """

    config: BuildConfig
    m: int
    n: int
    k: int
    mode: int

    def __post_init__(self) -> None:
        if self.config.level != "coprocessor":
            raise ValueError(f"level must be coprocessor, not {self.config.level!r}")
        for name in ("m", "n", "k"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)!r}")
        if self.mode not in self.pe.modes:
            raise ValueError(f"mode must be {self.pe.modes.start}..{self.pe.modes.stop - 1}, not {self.mode!r}")

    @cached_property
    def pe(self) -> ProcessingElement:
        """The processing element."""
        return self.config.element()

    @cached_property
    def plan(self) -> Plan:
        """How K is cut."""
        return Plan(self.pe, self.config.axi_data_width, self.config.buffer_k)

    @cached_property
    def groups(self) -> int:
        """Groups of a block."""
        return self.pe.groups(self.k)

    @cached_property
    def chunks(self) -> tuple[int, ...]:
        """Groups of each chunk."""
        full, rest = divmod(self.groups, self.plan.groups)
        return (self.plan.groups,) * full + ((rest,) if rest else ())

    def stays(self, operand: Operand) -> bool:
        """Whether a block of rows is read once for all blocks of columns: all of K is one chunk."""
        return operand.axis is Axis.ROW and len(self.chunks) == 1

    @property
    def bus_bytes(self) -> int:
        """Bytes of a bus word."""
        return self.config.axi_data_width // 8

    @property
    def out_bytes(self) -> int:
        """Bytes of an output."""
        return self.pe.scheme.out_width // 8

    @property
    def lanes(self) -> int:
        """Outputs of a bus word."""
        return self.bus_bytes // self.out_bytes

    @property
    def max_row_words(self) -> int:
        """Bus words of a row of a block of outputs, at most: it may begin in the last lane of a word."""
        return 1 + -(-(self.config.cols - 1) // self.lanes)

    def count(self, axis: Axis) -> int:
        """Rows or columns of the array."""
        return self.config.rows if axis is Axis.ROW else self.config.cols

    def size(self, axis: Axis) -> int:
        """Rows of A or of W."""
        return self.m if axis is Axis.ROW else self.n

    def blocks(self, axis: Axis) -> int:
        """Blocks of rows of A or of W."""
        return -(-self.size(axis) // self.count(axis))

    def wanted(self, axis: Axis, block: int) -> int:
        """Rows (or columns) of the array that the block uses."""
        return min(self.count(axis), self.size(axis) - block * self.count(axis))

    def words(self, operand: Operand, groups: int) -> int:
        """Operand words of a line of ``groups`` groups."""
        return operand.words_per_row(groups=groups, beats=self.pe.beats(self.mode))

    def bus_words(self, operand: Operand, groups: int) -> int:
        """Bus words of a line of ``groups`` groups."""
        return -(-self.words(operand, groups) * operand.pitch // self.config.axi_data_width)

    def read_words(self, operand: Operand) -> int:
        """Bus words that a row of A or W takes each time it is read."""
        loads = (self.brought(operand, chunk) for chunk in range(len(self.chunks)))
        return sum(self.bus_words(operand, groups) for groups in loads if groups)

    def brought(self, operand: Operand, chunk: int) -> int:
        """Groups whose words are loaded with a chunk: of dense words those of several chunks, then none for a while."""
        chunks = self.plan.span(operand) // self.plan.groups
        if operand.cadence is Cadence.BLOCK:
            chunks = len(self.chunks)
        return 0 if chunk % chunks else sum(self.chunks[chunk:chunk + chunks])

    def lines(self, operand: int, block: int, chunk: int) -> tuple[Bursts, ...]:
        """The lines of an operand (by number) that a block of its axis reads for a chunk; none if it needs no more."""
        o = self.pe.operands[operand]
        groups = self.brought(o, chunk)
        if not groups:
            return ()
        longest, stride = self.config.max_burst, self._stride_words(o)
        row = self._addresses[o.name] // self.bus_bytes + block * self.count(o.axis) * stride
        first = row + chunk * self.plan.groups // self.plan.span(o) * self.bus_words(o, self.plan.span(o))
        return _split_lines(first % longest, stride % longest, self.wanted(o.axis, block),
                            self.bus_words(o, groups), longest)

    def output_rows(self, row_block: int, column_block: int) -> tuple[OutputRow, ...]:
        """The rows that a block of outputs writes."""
        longest = self.config.max_burst * self.lanes
        first = (self._addresses["o"] // self.out_bytes + row_block * self.config.rows * self.n
                 + column_block * self.config.cols)
        return _split_rows(first % longest, self.n % longest, self.wanted(Axis.ROW, row_block),
                           self.wanted(Axis.COLUMN, column_block), self.lanes, longest)

    def column_period(self, row_block: int) -> int:
        """After how many full blocks of columns lines and output rows are cut the same way again."""
        return _period([(self._lines_of(Axis.COLUMN, block), self.output_rows(row_block, block))
                        for block in range(self._cycle(Axis.COLUMN, self.config.cols))])

    def row_period(self) -> int:
        """After how many full blocks of rows all of a block's columns are cut the same way again."""
        columns = range(min(self.blocks(Axis.COLUMN), self._cycle(Axis.COLUMN, self.config.cols)))
        last = self.blocks(Axis.COLUMN) - 1
        return _period([(self._lines_of(Axis.ROW, block), [self.output_rows(block, c) for c in (*columns, last)])
                        for block in range(self._cycle(Axis.ROW, self.config.rows * self.n))])

    def _cycle(self, axis: Axis, outputs: int) -> int:
        """Blocks, full ones only, after which all addresses have the same place in a burst again."""
        longest = self.config.max_burst
        spans = [(longest, self.count(axis) * self._stride_words(o)) for o in self.pe.select(axis, None)]
        spans.append((longest * self.lanes, outputs))
        full = self.size(axis) // self.count(axis)
        return max(1, min(full, max(span // gcd(span, step) for span, step in spans)))

    def _lines_of(self, axis: Axis, block: int) -> list[tuple[Bursts, ...]]:
        return [self.lines(i, block, chunk) for i, o in enumerate(self.pe.operands) if o.axis is axis
                for chunk in range(len(self.chunks))]

    def _stride_words(self, operand: Operand) -> int:
        return self.plan.stride(operand, groups=self.groups, mode=self.mode) // self.bus_bytes

    @cached_property
    def _addresses(self) -> dict[str, int]:
        """First byte of every array: weights, then activations, then outputs."""
        addresses, free = {}, 0
        for axis in (Axis.COLUMN, Axis.ROW):
            for o in self.pe.select(axis, None):
                addresses[o.name] = free
                size = self.size(axis) * self._stride_words(o) * self.bus_bytes
                free += -(-size // ALIGNMENT) * ALIGNMENT
        return addresses | {"o": free}


def _period(items: list[object]) -> int:
    """The smallest period of a sequence that repeats itself after its end."""
    length = len(items)
    return next(p for p in range(1, length + 1)
                if length % p == 0 and all(items[i] == items[i - p] for i in range(p, length)))


@lru_cache(maxsize=4096)
def _split_lines(first: int, stride: int, count: int, words: int, longest: int) -> tuple[Bursts, ...]:
    """Lines of ``words`` bus words, cut where addresses are multiples of ``longest``."""
    return tuple(tuple(_cut((first + line * stride) % longest, words, longest)) for line in range(count))


@lru_cache(maxsize=4096)
def _split_rows(first: int, stride: int, rows: int, columns: int, lanes: int, longest: int) -> tuple[OutputRow, ...]:
    """Output rows, cut into bursts at multiples of ``longest`` outputs and into words at multiples of ``lanes``."""
    result = []
    for row in range(rows):
        place, bursts = (first + row * stride) % longest, []
        for outputs in _cut(place, columns, longest):
            bursts.append(tuple(_cut(place % lanes, outputs, lanes)))
            place += outputs
        result.append(tuple(bursts))
    return tuple(result)


def _cut(place: int, length: int, block: int) -> list[int]:
    """Lengths of the parts of a run that begins ``place`` (< ``block``) into a block and ends parts where blocks
    end."""
    first = min(length, block - place)
    full, rest = divmod(length - first, block)
    return [first, *[block] * full, *([rest] if rest else [])]
