"""Energy of memory accesses, from published models: the operand buffers' SRAM, and DRAM."""

from dataclasses import dataclass
from itertools import pairwise
from math import log2

__all__ = ["DRAM", "HBM2_22NM", "SRAM_NODES", "Energies", "sram_energy"]

DRAM = {"hbm2": 3.9, "ddr3": 70.0}
"""pJ per bit, device and interface. HBM2: O'Connor et al., "Fine-Grained DRAM", MICRO 2017. DDR3, fully used bus:
Malladi et al., "Towards Energy-Proportional Datacenter Memory with Mobile DRAM", ISCA 2012."""

SRAM_NODES = (45, 22)
"""nm."""

_SRAM = ((2, 0.05, 0.014), (8, 0.12, 0.034), (32, 0.33, 0.083), (64, 0.29, 0.089), (256, 0.52, 0.16), (512, 0.64, 0.22))
"""Capacity in KiB, pJ per bit read at 45 and at 22 nm: CACTI 7 (Balasubramonian et al., ACM TACO 2017), one port.
Words are 64 bits wide up to 32 KiB, then 128, 256 and 512; a wide word is cheaper per bit."""


def _check_node(node: int) -> None:
    if node not in SRAM_NODES:
        raise ValueError(f"node must be one of {', '.join(map(str, SRAM_NODES))} nm, not {node!r}")


@dataclass(frozen=True, kw_only=True)
class Energies:
    """What is charged for moving and multiplying.

    Parameters
    ----------
    dram: pJ per bit read or written, see ``DRAM``. Default: HBM2.
    node: of the operand buffers, nm: 45 or 22.
    mac: fJ per multiply-accumulate of a processing element, from its netlist; None leaves the array out.

    Raises ``ValueError`` for a negative energy or another node.
    """

    dram: float = DRAM["hbm2"]
    node: int = 22
    mac: float | None = None

    def __post_init__(self) -> None:
        if self.dram < 0:
            raise ValueError(f"dram must be at least 0 pJ per bit, not {self.dram!r}")
        if self.mac is not None and self.mac < 0:
            raise ValueError(f"mac must be at least 0 fJ, not {self.mac!r}")
        _check_node(self.node)


HBM2_22NM = Energies()
"""HBM2, buffers at 22 nm, the array left out."""


def sram_energy(capacity: int, node: int) -> float:
    """pJ per bit of an access to an SRAM of ``capacity`` bits.

    Between the points of CACTI it is interpolated linearly in the logarithm of the capacity; below 2 KiB and above
    512 KiB it is that of the nearest point. A write is charged like a read.

    Raises ``ValueError`` for a capacity that is not positive or a node that is not in ``SRAM_NODES``.
    """
    if capacity < 1:
        raise ValueError(f"capacity must be at least 1 bit, not {capacity!r}")
    _check_node(node)
    column = 1 + SRAM_NODES.index(node)
    place = log2(capacity / 8 / 1024)
    if place <= log2(_SRAM[0][0]):
        return _SRAM[0][column]
    for low, high in pairwise(_SRAM):
        if place <= log2(high[0]):
            share = (place - log2(low[0])) / log2(high[0] / low[0])
            return low[column] + share * (high[column] - low[column])
    return _SRAM[-1][column]
