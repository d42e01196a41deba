"""How the memory behind a device behaves: latencies, stalls, errors. Free of numpy, for what must start quickly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum


class Response(IntEnum):
    """xRESP codes (AMBA AXI specification, "Read and write response structure")."""

    OKAY = 0
    EXOKAY = 1
    SLVERR = 2
    DECERR = 3


class Channel(IntEnum):
    """Where a stall or an event belongs: the five channels of ``m_axi`` and all of ``s_axil``."""

    AR = 0
    R = 1
    AW = 2
    W = 3
    B = 4
    REGISTERS = 5


@dataclass(frozen=True, kw_only=True)
class ErrorRange:
    """Bytes ``start`` to ``stop`` (exclusive) answer ``response``: beats there read 0 and write nothing."""

    start: int
    stop: int
    response: Response = Response.SLVERR

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop:
            raise ValueError(f"an error range needs 0 <= start < stop, not {self.start!r} and {self.stop!r}")
        if self.response not in (Response.SLVERR, Response.DECERR):
            raise ValueError(f"response must be SLVERR or DECERR, not {self.response!r}")


@dataclass(frozen=True, kw_only=True)
class MemoryTiming:
    """How the memory behaves; the default is an ideal one that answers in the next cycle.

    Parameters
    ----------
    read_latency, write_latency : int
        Cycles from the AR handshake to the first RVALID, and from the last W handshake to BVALID; at least 1.
        Bursts overlap: the latency is paid once for bursts that follow each other.
    outstanding : int
        Read bursts, and write bursts, that the memory accepts before it has finished the first of them.
    stall : float or mapping from channel name to float
        Probability, per cycle, that a channel does not move: READY is low (``"ar"``, ``"aw"``, ``"w"``), or
        VALID is not yet raised (``"r"``, ``"b"``). ``"registers"`` does both on ``s_axil``. One number stands
        for all.
    seed : int
        Seed of the stalls. pysim and Verilator draw the same stalls from the same seed, cycle by cycle.
    error_at : tuple of ErrorRange
        Addresses that answer with an error; the first range that a beat touches counts. Addresses outside the
        memory always answer DECERR.
    """

    read_latency: int = 1
    write_latency: int = 1
    outstanding: int = 8
    stall: float | Mapping[str, float] = 0.0
    seed: int = 1
    error_at: tuple[ErrorRange, ...] = ()
    stall_of: tuple[float, ...] = field(init=False, repr=False, compare=False)
    """Stall probability by :class:`Channel`."""

    def __post_init__(self) -> None:
        for name in ("read_latency", "write_latency", "outstanding"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)!r}")
        names = [channel.name.lower() for channel in Channel]
        by_name = self.stall if isinstance(self.stall, Mapping) else dict.fromkeys(names, self.stall)
        if unknown := set(by_name) - set(names):
            raise ValueError(f"stall has no channel {sorted(unknown)}; the channels are {names}")
        if bad := [p for p in by_name.values() if not 0 <= p < 1]:
            raise ValueError(f"a stall probability must be in [0, 1), not {bad[0]!r}")
        object.__setattr__(self, "stall_of", tuple(float(by_name.get(name, 0.0)) for name in names))
