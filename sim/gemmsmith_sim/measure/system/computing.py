"""The array: when its beats enter, and when a block's outputs stand ready."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from gemmsmith.coprocessor.coprocessor import BLOCKS_AHEAD
from gemmsmith.schemes import Cadence, Operand, Part
from gemmsmith.tile.row import SLOTS

from .job import Job
from .times import LONG_AGO, Times, window

__all__ = ["Computing"]


@dataclass
class _ArrayTimes(Times):
    """Cycles of: ``shown``, the last blocks came to the head of the array's queue; ``beat``, the last beat, or the
    cycle before the block's first may come; ``result``, the last beat of the last result; ``ended``, of the last
    block; ``popped``, each operand's last word was taken; ``released``, the last blocks' outputs had been read."""

    shown: deque[int]
    popped: deque[int]
    released: deque[int]
    beat: int = LONG_AGO
    result: int = LONG_AGO
    ended: int = LONG_AGO


class Computing:
    """Feeder and cores, chunk by chunk. Members: ``times``; ``stalls``, as the hardware counts them."""

    def __init__(self, job: Job):
        pe = job.pe
        self._job, self._operands = job, pe.operands
        self._schedule = pe.schedule(groups=job.groups, mode=job.mode, share=job.config.tail_share)
        self._step = max(self._schedule.beats, self._schedule.interval if self._schedule.per_group else 0)
        # The schedule allows every core behind a tail a whole interval; the last one needs a cycle for each word.
        self._flush = self._schedule.flush - pe.tail_interval + pe.result_words
        self.times = _ArrayTimes(shown=window(BLOCKS_AHEAD), popped=window(len(pe.operands)), released=window(SLOTS))
        self.stalls = 0

    def begin_block(self, queued: int) -> None:
        """The loader has queued a block: it is seen behind the one before it, and begun when a slot is free."""
        t = self.times
        t.shown.append(max(queued + 2, t.ended + 1))
        t.beat = max(t.shown[-1] - 1, t.released[0])

    def compute(self, chunk: int, committed: Sequence[int]) -> dict[int, int]:
        """A chunk of the block, whose operands arrived at ``committed``.

        Returns, for each operand whose slot ends with the chunk, the cycle in which it was read empty.
        """
        t, beats, job = self.times, self._schedule.beats, self._job
        groups, last = job.chunks[chunk], chunk == len(job.chunks) - 1
        brought = [i for i, o in enumerate(self._operands) if job.brought(o, chunk)]
        warm = [i for i in brought if _in_warmup(self._operands[i])]
        load = max([t.beat + 1, *(self._available(i, committed) for i in warm)])
        if warm:
            t.beat = load + self._schedule.warmup - 1
        start = max([t.beat + 1, *(self._available(i, committed) for i in brought if i not in warm)])
        first_end = self._beats(start, groups, last=last)
        group_before = first_end + (groups - 2) * self._step if groups > 1 else start - 1

        freed = {}
        for i, operand in enumerate(self._operands):
            block = operand.cadence is Cadence.BLOCK
            if block and i not in brought:
                continue
            words, end = job.words(operand, groups), t.beat
            if i in warm:
                before, end = load + words - 2, load + words - 1
            elif operand.cadence is Cadence.BEAT:
                before = group_before + beats - 1
            else:
                before = first_end + ((words - 1) * operand.every - 1) * self._step
            # A slot is empty when its last word is fetched, which is when the word before it is taken.
            if block or last or job.brought(operand, chunk + 1):
                freed[i] = max(before if words > 1 else t.popped[i], committed[i] + 1)
            t.popped[i] = end
        if last:
            self._end_block()
        return freed

    @property
    def done(self) -> int:
        """The cycle in which the last block's outputs are reported complete."""
        return self.times.ended + self._flush

    def _available(self, operand: int, committed: Sequence[int]) -> int:
        """The chunk's first word stands at the feeder: fetched once it is committed and the word before taken."""
        return max(committed[operand] + 1, self.times.popped[operand]) + 1

    def _beats(self, start: int, groups: int, *, last: bool) -> int:
        """Lets a chunk's beats in from ``start`` on; returns the cycle of its first group's last beat."""
        t, s = self.times, self._schedule
        first_end = start + s.beats - 1
        if s.per_group:
            first_end = max(first_end, t.result + s.interval)
        t.beat = first_end + (groups - 1) * self._step
        if last and not s.per_group:
            t.beat = max(t.beat, t.result + s.interval)
        if last or s.per_group:
            t.result = t.beat
        return first_end

    def _end_block(self) -> None:
        t, s = self.times, self._schedule
        for i, operand in enumerate(self._operands):
            if operand.cadence is Cadence.BLOCK and not _in_warmup(operand):
                t.popped[i] = t.beat
        t.ended = t.beat
        self.stalls += t.ended - t.shown[-1] + 1 - s.warmup - s.groups * s.beats


def _in_warmup(operand: Operand) -> bool:
    return (operand.cadence, operand.part) == (Cadence.BLOCK, Part.EDGE)
