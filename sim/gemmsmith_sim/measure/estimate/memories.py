"""What a small memory becomes on a family: block RAMs or LUTs.

Widths, depths and costs are those of Yosys' memory libraries (for ECP5 ``lattice/brams_16kd.txt`` and
``lattice/lutrams_trellis.txt``): it takes block RAM where that is not dearer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["FABRICS", "Fabric", "Footprint"]


@dataclass(frozen=True)
class Footprint:
    """What a memory takes: block RAMs, LUT sites, the register behind a clocked read of LUTs, and the 2:1 choices
    among the rows of LUT memories that stand below each other, all in bits."""

    block_rams: int = 0
    luts: int = 0
    ffs: int = 0
    choices: int = 0


@dataclass(frozen=True)
class Fabric:
    """Memories and carries of a family.

    Parameters
    ----------
    block: width → depth, of one block RAM. block_cost: its cost in Yosys' count.
    lut_width, lut_depth: of one LUT memory. lut_cost: its cost. lut_sites: LUTs it takes.
    luts_per_carry: LUT sites in a carry cell.
    """

    block: Mapping[int, int]
    block_cost: int
    lut_width: int
    lut_depth: int
    lut_cost: int
    lut_sites: int
    luts_per_carry: int

    def footprint(self, width: int, depth: int, *, clocked: bool) -> Footprint:
        """Of a memory of ``depth`` words with one write port and one read port, which is ``clocked`` or not."""
        blocks = min(-(-width // w) * -(-depth // d) for w, d in self.block.items())
        rows = -(-depth // self.lut_depth)
        cells = rows * -(-width // self.lut_width)
        if clocked and blocks * self.block_cost <= cells * self.lut_cost:
            return Footprint(block_rams=blocks)
        return Footprint(luts=self.lut_sites * cells, ffs=width if clocked else 0, choices=width * (rows - 1))


FABRICS = {
    "ecp5": Fabric(block={36: 512, 18: 1024, 9: 2048, 4: 4096, 2: 8192, 1: 16384}, block_cost=128,
                   lut_width=4, lut_depth=16, lut_cost=4, lut_sites=6, luts_per_carry=2),
}  # fmt: skip
"""Target → its memories and carries."""
