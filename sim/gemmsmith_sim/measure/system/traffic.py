"""What moves: bus words into the operand buffers, operand words out of them into the array."""

from dataclasses import dataclass

from gemmsmith.coprocessor.dense import operand_buffer
from gemmsmith.schemes import Axis, Cadence, Operand

from .job import Job

__all__ = ["BufferTraffic", "buffer_traffic", "ideal_bytes_read"]


@dataclass(frozen=True)
class BufferTraffic:
    """Accesses to an operand's buffer, as its memories do them: whole words of ``width`` bits.

    Parameters
    ----------
    operand: its name. memories: how many stand side by side. capacity, width: bits of each of them, and of its words.
    bits_written, bits_read: over all memories. A narrow operand word is read with the whole memory word around it.
    words: operand words that entered the array.
    """

    operand: str
    memories: int
    capacity: int
    width: int
    bits_written: int
    bits_read: int
    words: int


def buffer_traffic(job: Job, operand: Operand) -> BufferTraffic:
    """Each bus word that is read from memory is written once; each operand word is read once a block, in all banks."""
    bus, banks = job.config.axi_data_width, job.count(operand.axis)
    parts, width, rows = operand_buffer(job.plan, operand, banks=banks).memories
    fetches = job.blocks(Axis.ROW) * job.blocks(Axis.COLUMN) * job.words(operand, job.groups)
    return BufferTraffic(
        operand=operand.name, memories=banks * parts, width=width,
        capacity=width * rows, bits_written=_reads(job, operand) * job.read_words(operand) * bus,
        bits_read=fetches * banks * parts * width, words=fetches * banks)


def ideal_bytes_read(job: Job) -> float:
    """Bytes read by the same tiling if every value took its fraction of bits only: no containers, no padding."""
    return sum(_reads(job, operand) * _row_bits(job, operand) for operand in job.pe.operands) / 8


def _reads(job: Job, operand: Operand) -> int:
    """Rows of A (or W) that are read, each as often as there are blocks of the other axis, unless it stays."""
    if job.stays(operand):
        return job.m
    other = Axis.COLUMN if operand.axis is Axis.ROW else Axis.ROW
    return job.size(operand.axis) * job.blocks(other)


def _row_bits(job: Job, operand: Operand) -> float:
    """Significant bits of a row of K values: for Anda, K · (M + 1 + 5/64) over the operands of A."""
    if operand.cadence is Cadence.BLOCK:
        return operand.width * operand.words
    words = job.pe.beats(job.mode) if operand.cadence is Cadence.BEAT else 1 / operand.every
    return job.k * operand.width * words / job.pe.group
