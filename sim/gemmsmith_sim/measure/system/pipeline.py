"""Cycles of a job: its blocks through the three parts of the co-processor, whole periods of them left out."""

from collections.abc import Callable
from dataclasses import dataclass

from gemmsmith.schemes import Axis
from gemmsmith_sim.backends.memory import MemoryTiming

from .computing import Computing
from .job import Job
from .reading import Reading
from .writing import Writing

__all__ = ["Duration", "duration"]

SLACK = 8
"""No constant that is added to a time of the past is larger."""


@dataclass(frozen=True)
class Duration:
    """What the hardware's counters say of a job: ``cycles`` from the start to done, ``stalls`` of the array."""

    cycles: int
    stalls: int


def duration(job: Job, memory: MemoryTiming) -> Duration:
    """Cycles and stalls of a job behind a memory that takes ``memory``'s latencies.

    Raises ``ValueError`` for a memory that stalls at random or answers with errors.
    """
    if any(memory.stall_of) or memory.error_at:
        raise ValueError("memory must neither stall at random nor answer with errors: the model is of its latencies")
    return _Pipeline(job, memory).run()


class _Pipeline:
    """The co-processor at work on a job."""

    def __init__(self, job: Job, memory: MemoryTiming):
        self._job = job
        self._reading = Reading(job, memory)
        self._computing = Computing(job)
        self._writing = Writing(job, memory)

    def run(self) -> Duration:
        """All blocks, in order."""
        full = self._job.m // self._job.config.rows
        self._repeat(full, self._job.row_period(), self._row)
        for row in range(full, self._job.blocks(Axis.ROW)):
            self._row(row)
        # The last answer is counted a cycle later; the state machine then takes two.
        return Duration(self._writing.last_answer + 2, self._computing.stalls)

    def _row(self, row: int) -> None:
        """All blocks of columns for one block of rows."""
        last = self._job.blocks(Axis.COLUMN) - 1
        self._block(row, 0)
        self._repeat(last - 1, self._job.column_period(row), lambda column: self._block(row, column + 1))
        if last:
            self._block(row, last)

    def _block(self, row: int, column: int) -> None:
        job, reading, computing, writing = self._job, self._reading, self._computing, self._writing
        queued = reading.begin_block(max(computing.times.shown[0], writing.times.shown[0]))
        computing.begin_block(queued)
        block = {Axis.ROW: row, Axis.COLUMN: column}
        for chunk in range(len(job.chunks)):
            committed = [reading.again(i) if column and job.stays(o) else
                         reading.load(i, job.lines(i, block[o.axis], chunk)) for i, o in enumerate(job.pe.operands)]
            for operand, cycle in computing.compute(chunk, committed).items():
                if column == job.blocks(Axis.COLUMN) - 1 or not job.stays(job.pe.operands[operand]):
                    reading.free(operand, cycle)
        released = writing.store(queued, computing.done, job.output_rows(row, column))
        computing.times.released.append(released)

    def _repeat(self, count: int, period: int, step: Callable[[int], None]) -> None:
        """``step(0)`` … ``step(count − 1)``, whose work has a ``period``, without simulating all of them.

        If all times stand to each other as they did some periods ago, the same number of cycles passes again and
        again: exactly, as the model knows no time but these.
        """
        seen: dict[tuple[int, ...], tuple[int, int, int]] = {}
        done = 0
        while done < count:
            key = (done % period, *self._state())
            if key in seen:
                before, now, stalls = seen[key]
                times, rest = divmod(count - done, done - before)
                self._shift(times * (self._now - now), times * (self._computing.stalls - stalls))
                for i in range(rest):
                    step(before + i)
                return
            seen[key] = done, self._now, self._computing.stalls
            step(done)
            done += 1

    @property
    def _now(self) -> int:
        return self._reading.times.loader

    def _state(self) -> tuple[int, ...]:
        """All times, counted from now."""
        parts = (self._reading.times, self._computing.times, self._writing.times)
        oldest = min(self._now, self._computing.times.ended, self._writing.times.row) - SLACK
        return tuple(time for part in parts for time in part.relative(self._now, oldest))

    def _shift(self, cycles: int, stalls: int) -> None:
        for part in (self._reading, self._computing, self._writing):
            part.times.shift(cycles)
        self._computing.stalls += stalls
