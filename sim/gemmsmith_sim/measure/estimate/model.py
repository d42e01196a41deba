"""The cost model: parts times their number, and what joins them. Pure arithmetic on a calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gemmsmith.emit.config import BuildConfig

from .memories import Fabric
from .parts import ARRAY, CONTROL, Inventory, inventory, part_key

__all__ = ["RESOURCES", "Model", "part_cells"]

RESOURCES = ("lut", "carry", "ff", "dsp")
"""What is fitted; block RAMs follow from the memories' shapes. LUTs include those used as memory."""

Coefficients = Mapping[str, float]


@dataclass(frozen=True)
class Model:
    """Cells of builds on one target, with or without DSP blocks.

    Parameters
    ----------
    fabric: the target's memories.
    parts: part (of a family, as ``core/int8``, where it belongs to a processing element) → resource → size → cells.
    assembly: resource → size → cells: what is left of the parts' cost in a whole design, and its glue.
    """

    fabric: Fabric
    parts: Mapping[str, Mapping[str, Coefficients]]
    assembly: Mapping[str, Coefficients]

    def cells(self, config: BuildConfig) -> dict[str, float]:
        """Cells of a build by resource: ``RESOURCES`` and ``bram``.

        Raises ``ValueError`` if the scheme's family has not been calibrated, or outputs can be compressed.
        """
        if config.compress:
            raise ValueError(f"the estimate does not know compress={config.compress}, only builds without it; "
                             "gemmsmith build and gemmsmith synth measure it")
        stock = inventory(config, self.fabric)
        cells = {}
        for resource in RESOURCES:
            parts = part_cells(self.parts, config, stock, resource)
            if config.level == "core":  # one part alone, behind registers
                cells[resource] = sum(parts.values()) + (stock.glue["registered"] if resource == "ff" else 0)
            else:
                cells[resource] = weighted(self.assembly[resource], {**parts, **stock.glue})
        return {**cells, "bram": float(stock.block_rams)}


def part_cells(parts: Mapping[str, Mapping[str, Coefficients]], config: BuildConfig, stock: Inventory,
               resource: str) -> dict[str, float]:
    """Cells of all parts as if each were synthesised alone: of the family's array, its control, the way to memory."""
    array = f"array/{config.parsed_scheme().family}"
    sums = {array: 0.0, "control": 0.0, "bus": 0.0}
    for kind, count in stock.counts.items():
        key = part_key(kind, config)
        if key not in parts:
            known = sorted({key.partition("/")[2] for key in parts} - {""})
            raise ValueError(f"the estimate is not calibrated for {config.parsed_scheme().family}, only for "
                             f"{', '.join(known)}; gemmsmith build and gemmsmith synth measure it")
        group = array if kind in ARRAY else "control" if kind in CONTROL else "bus"
        sums[group] += count * weighted(parts[key][resource], stock.features[kind])
    return sums


def weighted(coefficients: Coefficients, sizes: Mapping[str, float]) -> float:
    """Σ coefficient · size; a size that a build does not have is zero."""
    return sum(coefficient * sizes.get(size, 0) for size, coefficient in coefficients.items())
