"""What a product costs on a co-processor: cycles, traffic, energy."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from gemmsmith.emit import BuildConfig
from gemmsmith.schemes import Axis
from gemmsmith_sim.backends.memory import MemoryTiming

from .job import Job
from .memories import HBM2_22NM, Energies, sram_energy
from .pipeline import duration
from .traffic import BufferTraffic, buffer_traffic, ideal_bytes_read

__all__ = ["IDEAL_MEMORY", "SystemCost", "cost"]

IDEAL_MEMORY = MemoryTiming()
"""Answers in the next cycle."""


@dataclass(frozen=True)
class SystemCost:
    """Cost of one product, or of several one after the other (``+``).

    Parameters
    ----------
    cycles, beats, stalls, bytes_read, bytes_written: as the hardware's counters say, without their wrapping at 2³².
    macs: multiply-accumulates of the product. worked: what the array did in its beats, tails of M, N and K included.
    peak: what it could do in a cycle.
    ideal_bytes_read: reads of the same tiling if every value took its fraction of bits only.
    buffers: accesses to the operand buffers, in the order of the operands.
    dram, sram: pJ spent on the bus's bytes and in the operand buffers. array: pJ of the processing elements, None if
        ``Energies.mac`` was not given.
    """

    cycles: int
    beats: int
    stalls: int
    bytes_read: int
    bytes_written: int
    macs: int
    worked: float
    peak: float
    ideal_bytes_read: float
    buffers: tuple[BufferTraffic, ...]
    dram: float
    sram: float
    array: float | None

    @property
    def utilisation(self) -> float:
        """Multiply-accumulates done, over those that the array could have done in the same cycles."""
        return self.macs / (self.peak * self.cycles)

    @property
    def energy(self) -> float | None:
        """pJ of all parts; None if the array's is not known."""
        return None if self.array is None else self.dram + self.sram + self.array

    def seconds(self, frequency: float) -> float:
        """Time at a clock of ``frequency`` MHz. Raises ``ValueError`` if it is not positive."""
        if not frequency > 0:
            raise ValueError(f"frequency must be above 0 MHz, not {frequency!r}")
        return self.cycles / (frequency * 1e6)

    def repeated(self, count: int) -> "SystemCost":
        """``count`` such products. Raises ``ValueError`` if ``count`` is not positive."""
        if count < 1:
            raise ValueError(f"count must be at least 1, not {count!r}")
        return sum([self] * (count - 1), start=self)

    def __add__(self, other: "SystemCost") -> "SystemCost":
        """Both, one after the other. Raises ``ValueError`` if they are not of one array in one mode."""
        if self.peak != other.peak or [b.operand for b in self.buffers] != [b.operand for b in other.buffers]:
            raise ValueError("only costs of one array in one mode can be added")
        buffers = tuple(replace(mine, **_sums(mine, theirs, ("bits_written", "bits_read", "words")))
                        for mine, theirs in zip(self.buffers, other.buffers, strict=True))
        array = None if self.array is None or other.array is None else self.array + other.array
        return replace(self, **_sums(self, other, (*_COUNTED, "dram", "sram")), buffers=buffers, array=array)

    def to_dict(self, frequency: float | None = None) -> dict[str, Any]:
        """As JSON values; with a clock in MHz, also the time in seconds."""
        return {**{name: getattr(self, name) for name in _COUNTED}, "peak": self.peak, "utilisation": self.utilisation,
                "buffers": [asdict(buffer) for buffer in self.buffers],
                "energy_pj": {"dram": self.dram, "buffers": self.sram, "array": self.array, "total": self.energy},
                "seconds": None if frequency is None else self.seconds(frequency)}


_COUNTED = ("cycles", "beats", "stalls", "bytes_read", "bytes_written", "macs", "worked", "ideal_bytes_read")


def cost(config: BuildConfig, *, m: int, n: int, k: int, mode: int | None = None,
         memory: MemoryTiming = IDEAL_MEMORY, energies: Energies = HBM2_22NM) -> SystemCost:
    """Cost of O = A · Wᵀ, M × N × K, on the co-processor that ``config`` describes.

    Parameters
    ----------
    mode: run-time mode of the processing element; None: that of the scheme.
    memory: latencies and outstanding bursts; it delivers and takes a bus word a cycle.
    energies: of memory and array.

    Raises
    ------
    ValueError: for a size below 1, a mode that does not exist, a build that is no co-processor, or a memory that
        stalls at random or answers with errors.
    """
    job = Job(config, m, n, k, config.element().mode if mode is None else mode)
    time = duration(job, memory)
    beats = job.blocks(Axis.ROW) * job.blocks(Axis.COLUMN) * job.groups * job.pe.beats(job.mode)
    peak = config.rows * config.cols * job.pe.macs_per_cycle(job.mode)
    worked = beats * peak
    buffers = tuple(buffer_traffic(job, operand) for operand in job.pe.operands)
    bytes_read, bytes_written = sum(b.bits_written for b in buffers) // 8, m * n * job.out_bytes
    return SystemCost(
        cycles=time.cycles, beats=beats, stalls=time.stalls, bytes_read=bytes_read, bytes_written=bytes_written,
        macs=m * n * k, worked=worked, peak=peak, ideal_bytes_read=ideal_bytes_read(job), buffers=buffers,
        dram=8 * (bytes_read + bytes_written) * energies.dram,
        sram=sum((b.bits_written + b.bits_read) * sram_energy(b.capacity, energies.node) for b in buffers),
        array=None if energies.mac is None else worked * energies.mac / 1000)


def _sums(one: Any, other: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(one, name) + getattr(other, name) for name in names}
