"""Open hardware to stand beside ours, measured with the same scripts.

Each unit was synthesised by `synthesize(..., "ecp5", dsp=False)` with Yosys 0.70 and, where a frequency is
given, placed with nextpnr-ecp5 0.11 by `place_and_route` with seed 1. None of their code is part of this
project; ``source`` names where it comes from.
"""

from dataclasses import dataclass

__all__ = ["ANCHORS", "Anchor"]


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """One unit of somebody else's, on an ECP5 without DSP blocks unless ``dsps`` says so."""

    name: str
    source: str
    computes: str
    luts: int
    carries: int
    ffs: int
    dsps: int = 0
    fmax: float | None
    """MHz after placement, one seed; ``None`` if it was not placed."""
    macs_per_cycle: float
    note: str = ""

    @property
    def eq(self) -> int:
        """LUT4 + 2·CCU2C."""
        return self.luts + 2 * self.carries

    @property
    def eq_per_mac(self) -> float:
        """``eq`` for one multiply-accumulate per cycle."""
        return self.eq / self.macs_per_cycle


ANCHORS = (
    Anchor(name="cvfpu FMA", source="pulp-platform/cvfpu", computes="FP16 IEEE fused multiply-add",
           luts=1143, carries=103, ffs=50, fmax=22, macs_per_cycle=1, note="no pipeline registers"),
    Anchor(name="cvfpu FMA, 3 registers", source="pulp-platform/cvfpu",
           computes="FP16 IEEE fused multiply-add",
           luts=1195, carries=101, ffs=139, fmax=38.5, macs_per_cycle=1),
    Anchor(name="cvfpu FMA, FP8", source="pulp-platform/cvfpu", computes="E4M3 fused multiply-add",
           luts=369, carries=51, ffs=26, fmax=28, macs_per_cycle=1),
    Anchor(name="axis-systolic-array PE", source="abarajithan11/axis-systolic-array",
           computes="INT8, 32-bit accumulator", luts=357, carries=24, ffs=96, fmax=229, macs_per_cycle=1),
    Anchor(name="axis-systolic-array 4×4", source="abarajithan11/axis-systolic-array",
           computes="INT8 array behind 128-bit AXI", luts=8181, carries=940, ffs=4829, dsps=16, fmax=None,
           macs_per_cycle=16),
    Anchor(name="FP-INT-MAC", source="YiminGao0113/FP-INT-MAC", computes="FP16 × INT4, bit-serial",
           luts=479, carries=64, ffs=156, fmax=70, macs_per_cycle=0.25, note="its double drivers repaired"),
    Anchor(name="BitMoD PE at FP4", source="yc2367/BitMoD", computes="4 lanes, FP4 weights by terms",
           luts=1177, carries=116, ffs=248, fmax=44, macs_per_cycle=2),
    Anchor(name="posit MAC (8,0)", source="hpc-ulisboa/Posit-FMA-Units", computes="posit, rounded",
           luts=418, carries=46, ffs=142, fmax=59, macs_per_cycle=1),
    Anchor(name="posit MAC (16,1)", source="hpc-ulisboa/Posit-FMA-Units", computes="posit, rounded",
           luts=1340, carries=95, ffs=251, fmax=57, macs_per_cycle=1),
    Anchor(name="posit quire MAC (8,0)", source="hpc-ulisboa/Posit-FMA-Units", computes="posit, exact",
           luts=693, carries=76, ffs=161, fmax=75, macs_per_cycle=1),
    Anchor(name="mac_mxfp4", source="students_submission", computes="FP4 E2M1, exact, 14-bit accumulator",
           luts=36, carries=12, ffs=22, fmax=136, macs_per_cycle=1),
    Anchor(name="mac_int4", source="students_submission", computes="INT4 × INT4",
           luts=83, carries=8, ffs=24, fmax=157, macs_per_cycle=1),
    Anchor(name="LUT array K4 N4", source="LUT array (W4A16)", computes="FP16 × INT4 by table",
           luts=1943, carries=192, ffs=67, fmax=None, macs_per_cycle=4),
)  # fmt: skip
