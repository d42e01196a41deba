"""The way in: loader, AXI reader and memory."""

from collections import deque
from dataclasses import dataclass

from gemmsmith_sim.backends.memory import MemoryTiming

from .job import Bursts, Job
from .times import LONG_AGO, Times, window

__all__ = ["Reading"]

MARKER: Bursts = (0,)
"""A request without words: one item in the reader's queue that touches no bus."""


@dataclass
class _ReadTimes(Times):
    """Cycles of: ``loader``, it may look at the next operand; ``split``, the splitter let the last burst go;
    ``address``, that was on AR; ``heads``, the last bursts and markers came to the head of the reader's queue;
    ``taken``, the last of them left it; ``read``, the last bursts' last words; ``committed``, each operand's last
    chunk was handed over; ``freed``, its two slots were last read empty, the one that is filled next first."""

    heads: deque[int]
    read: deque[int]
    committed: deque[int]
    freed: deque[int]
    loader: int = 0
    split: int = LONG_AGO
    address: int = LONG_AGO
    taken: int = LONG_AGO


class Reading:
    """When each operand's chunk has arrived in its buffer. Member: ``times``."""

    def __init__(self, job: Job, memory: MemoryTiming):
        operands = len(job.pe.operands)
        # One place of the reader's queue is its output register: the head makes room in the memory before it.
        self.times = _ReadTimes(heads=window(job.config.outstanding - 1), read=window(memory.outstanding),
                                committed=window(operands), freed=window(2 * operands))
        self._latency = memory.read_latency

    def begin_block(self, queues: int) -> int:
        """Puts a block into the queues, which have room from ``queues`` on; returns the cycle."""
        queued = max(self.times.loader + 1, queues)  # a cycle to advance from the block before
        self.times.loader = queued + 1
        return queued

    def load(self, operand: int, lines: tuple[Bursts, ...]) -> int:
        """One operand's chunk; returns the cycle in which its buffer takes it over. Without lines it is passed by."""
        t = self.times
        if not lines:
            t.loader += 2
            return t.committed[operand]
        look = max(t.loader, t.committed[operand] + 1, t.freed[2 * operand] + 1)
        request = look
        for line in lines:
            request = self._request(request + 1, line)
        marker = self._request(request + 1, MARKER)
        t.loader = marker + 2
        t.committed[operand] = t.taken + 1
        return t.committed[operand]

    def again(self, operand: int) -> int:
        """The chunk that is in the operand's buffer once more; returns the cycle in which the buffer hears of it."""
        t = self.times
        marker = self._request(max(t.loader, t.committed[operand] + 1) + 1, MARKER)
        t.loader = marker + 2
        t.committed[operand] = t.taken + 1
        return t.committed[operand]

    def free(self, operand: int, cycle: int) -> None:
        """The last word of an operand's chunk is fetched for the last time, in ``cycle``: its slot is empty."""
        freed = self.times.freed
        freed[2 * operand], freed[2 * operand + 1] = freed[2 * operand + 1], cycle

    def _request(self, asked: int, bursts: Bursts) -> int:
        """A line (or marker) that is offered from ``asked`` on; returns the cycle in which it is accepted."""
        t = self.times
        accepted = max(asked, t.split)
        split = accepted
        for words in bursts:
            split = max(split + 1, t.address, t.heads[0])
            head = max(split + 2, t.taken + 1)
            t.heads.append(head)
            if words:
                t.address = max(split + 1, t.read[0] + 1)
                t.taken = max(head, t.address + self._latency) + words - 1
                t.read.append(t.taken)
            else:
                t.taken = head
        t.split = split
        return accepted
