"""How operands are cut into chunks along K: one place for the sequencer, the buffers and the cycle model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import gcd

from gemmsmith.pe import ProcessingElement
from gemmsmith.schemes import Cadence, Operand


@dataclass(frozen=True)
class Plan:
    """Chunks of ``groups`` groups: what one slot of every operand buffer holds.

    Parameters
    ----------
    pe: the processing element.
    bus_width: bits of a bus word.
    buffer_k: elements along K that a slot should hold; rounded up so that every operand's chunk is whole bus
        words and whole shared words, and to a power of two of groups.
    """

    pe: ProcessingElement
    bus_width: int
    buffer_k: int

    def __post_init__(self) -> None:
        if self.buffer_k < 1:
            raise ValueError(f"buffer_k must be at least 1, not {self.buffer_k!r}")

    @cached_property
    def groups(self) -> int:
        """Groups of a chunk, a power of two."""
        least = [1, -(-self.buffer_k // self.pe.group)]
        for operand in self.pe.operands:
            if operand.cadence is not Cadence.BLOCK:
                least.append(operand.every * (1 if operand.dense else max(1, self.bus_width // operand.container)))
        return 1 << (max(least) - 1).bit_length()

    def span(self, operand: Operand) -> int:
        """Groups whose words a slot of the operand's buffer holds: those of a chunk; of dense words, those of as many
        chunks (a power of two) as fill whole bus words."""
        chunk_bits = self.groups // operand.every * operand.width
        return self.groups * (self.bus_width // gcd(self.bus_width, chunk_bits) if operand.dense else 1)

    def slot_words(self, operand: Operand) -> int:
        """Words of a slot: a power of two, at least one bus word."""
        words = operand.words_per_row(groups=self.span(operand), beats=self.pe.max_beats)
        return 1 << (max(words, self.bus_width // operand.container) - 1).bit_length()

    def stride(self, operand: Operand, *, groups: int, mode: int) -> int:
        """Bytes from one row to the next in memory: the words of a row, padded to whole bus words."""
        bits = operand.words_per_row(groups=groups, beats=self.pe.beats(mode)) * operand.pitch
        return -(-bits // self.bus_width) * self.bus_width // 8
