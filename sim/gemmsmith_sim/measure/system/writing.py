"""The way out: drain, storer, AXI writer and memory."""

from collections import deque
from dataclasses import dataclass

from gemmsmith.coprocessor.coprocessor import BLOCKS_AHEAD
from gemmsmith.tile.drain import DEPTH as DRAIN_DEPTH
from gemmsmith_sim.backends.memory import MemoryTiming

from .job import Job, OutputRow
from .times import LONG_AGO, Times, window

__all__ = ["Writing"]

DRAIN_LATENCY = 3
"""Cycles from reading an output out of its slot until it is offered: two registers and a queue."""


@dataclass
class _WriteTimes(Times):
    """Cycles of: ``shown``, the last blocks came to the head of the storer's queue; ``row``, the storer sent the last
    row; ``current``, its outputs could come; ``asked``, the writer accepted it; ``issued``, the last output was read
    out of its slot; ``taken``, the last outputs were packed; ``word``, the last bus word was in the writer's queue;
    ``heads``, the last words came to its head; ``begun``, the last burst was begun; ``address``, it was on AW;
    ``sent``, its last word on W; ``answered``, the last bursts on B."""

    shown: deque[int]
    taken: deque[int]
    heads: deque[int]
    answered: deque[int]
    row: int = LONG_AGO
    current: int = LONG_AGO
    asked: int = LONG_AGO
    issued: int = LONG_AGO
    word: int = LONG_AGO
    begun: int = LONG_AGO
    address: int = LONG_AGO
    sent: int = LONG_AGO


class Writing:
    """When the outputs of each block have left the array, and have been answered by the memory. Member: ``times``."""

    def __init__(self, job: Job, memory: MemoryTiming):
        longest = min(job.config.max_burst, job.max_row_words)
        self._memory, self._outstanding = memory, job.config.outstanding
        self.times = _WriteTimes(
            shown=window(BLOCKS_AHEAD), taken=window(DRAIN_DEPTH + 1), heads=window(2 << (longest - 1).bit_length()),
            answered=window(max(memory.outstanding, self._outstanding)))

    def store(self, queued: int, done: int, rows: tuple[OutputRow, ...]) -> int:
        """A block that the loader queued in ``queued`` and whose outputs were complete in ``done``.

        Returns the cycle in which the last output was read out of its slot.
        """
        t = self.times
        t.shown.append(max(queued + 2, t.row + 1))
        t.row = t.shown[-1]
        offered = max(done, t.issued) + 1 + DRAIN_LATENCY
        for row in rows:
            offered = self._store_row(row, offered)
        # The drain goes no further ahead than its queue is deep.
        t.issued = max(offered - DRAIN_LATENCY - 1, t.taken[0] + 1)
        return t.issued

    @property
    def last_answer(self) -> int:
        """The cycle of the last B."""
        return self.times.answered[-1]

    def _store_row(self, row: OutputRow, offered: int) -> int:
        """A row whose first output is offered in ``offered`` at the earliest; returns the same of the next row."""
        t = self.times
        t.row = max(t.row + 1, t.current, t.asked)
        t.current = max(t.row + 2, t.taken[-1] + 1)
        t.asked = max(t.row + 1, t.begun)
        first, begin = max(t.current, t.word), t.asked + 1
        for burst in row:
            first_word = 0
            for i, outputs in enumerate(burst):
                first = self._pack(max(first, offered), outputs, room=t.heads[i])
                first_word = first_word or first
                offered += outputs
            begin = self._burst(begin, len(burst), first_word) + 1
        return offered

    def _pack(self, first: int, outputs: int, *, room: int) -> int:
        """A bus word whose first output is packed in ``first``, for a queue with room from ``room`` on.

        Returns the cycle in which it is queued, and the next word's first output can be packed.
        """
        t = self.times
        t.taken.extend(range(first + max(0, outputs - DRAIN_DEPTH - 1), first + outputs))
        t.word = max(first + outputs, room)
        return t.word

    def _burst(self, begin: int, words: int, first_word: int) -> int:
        """A burst whose words are queued, the first in ``first_word``; returns the cycle in which it is begun."""
        t = self.times
        begun = max(begin, t.word + 1, t.address, t.sent, t.answered[-self._outstanding] + 1)
        t.heads.append(max(first_word + 2, t.sent + 1))
        t.heads.extend(range(begun + 2, begun + 1 + words))
        t.address = max(begun + 1, t.answered[-self._memory.outstanding] + 1)
        t.begun, t.sent = begun, begun + words
        t.answered.append(max(t.answered[-1] + 1, max(t.address, t.sent) + self._memory.write_latency))
        return begun
