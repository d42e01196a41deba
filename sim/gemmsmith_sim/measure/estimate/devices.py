"""Devices that an estimate is held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["DEVICES", "Device"]


@dataclass(frozen=True)
class Device:
    """What a device has.

    Parameters
    ----------
    name, target: the device, and its family as a target of synthesis.
    sites: resource → how many. LUTs are counted as ``eq``, since carries take LUT sites; ``bram`` counts the family's
        block RAMs (ECP5: 18 kbit).
    source: where the numbers are from.
    """

    name: str
    target: str
    sites: Mapping[str, int]
    source: str

    def share(self, cells: Mapping[str, float]) -> dict[str, float]:
        """Resource → part of the device's sites that ``cells`` take."""
        return {resource: cells[resource] / sites for resource, sites in self.sites.items()}


def _ecp5(name: str, luts: int, dsps: int, brams: int, source: str = "sites of nextpnr-ecp5 0.11") -> Device:
    return Device(name, "ecp5", {"eq": luts, "ff": luts, "dsp": dsps, "bram": brams}, source)


DEVICES = (
    _ecp5("LFE5U-12F", 12_000, 28, 32, "Lattice data sheet FPGA-DS-02012, table 1.1"),
    _ecp5("LFE5U-25F", 24_288, 28, 56),
    _ecp5("LFE5U-45F", 43_848, 72, 108),
    _ecp5("LFE5U-85F", 83_640, 156, 208),
)
"""Small ones first, per target."""
