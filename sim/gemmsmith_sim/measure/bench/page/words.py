"""What the report says besides figures."""

from __future__ import annotations

from ..record import Bench
from .groups import groups

__all__ = ["COLUMNS", "failures"]

COLUMNS = (
    ("MACs per cycle", "Multiply-accumulates per cycle at the peak, without memory traffic."),
    ("area", "ECP5: eq = LUT4 + 2 · CCU2C + LUTs as memory. Other FPGAs: LUTs. ASIC: µm² of cells. Before layout. "
             "DSP blocks and block RAMs are not in it: where they are used, area is not compared."),
    ("area per throughput", "Area divided by MACs per cycle."),
    ("Fmax", "FPGA: after place and route, the median over placer seeds. ASIC: static timing of the mapped cells, "
             "without wires."),
    ("throughput", "MACs per cycle at Fmax: 10⁹ MACs per second. Per area: 10⁶ MACs per second and unit of area."),
    ("energy", "fJ per useful MAC, from the activity of the mapped netlist on real tensors: with glitches where they "
               "were simulated, else without."),
    ("RMS error", "‖result − exact‖ / ‖exact‖ over all outputs, against float64 on the same tensors."),
    ("worst error", "Largest |result − exact|, divided by the RMS of the exact outputs of its layer."),
    ("perplexity", "Of the model whose linear layers are computed by the scheme."),
    ("cost per MAC", "In the tables of ratios: area is area per MAC per cycle, time is 1 / (Fmax · MACs per cycle), "
                     "energy is per MAC; each divided by the baseline's on the same target, variant and level."),
    ("–", "Not measured, or not comparable."),
)
"""Column → what it means."""


def failures(bench: Bench) -> list[tuple[str, str, str]]:
    """Unit, where, what could not be measured."""
    return [(row.unit, group.title, text) for group in groups(bench) for row in group.rows for text in row.failures]
