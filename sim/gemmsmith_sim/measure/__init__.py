"""Measure Verilog designs with open tools: cells, clock frequency, and the netlist as something to simulate.

For example::

    result = synthesize([Path("unit.v")], "unit", "ecp5", dsp=False)
    placed = place_and_route(result.netlist, "ecp5", seeds=(1, 2, 3))
    print(markdown([Measurement("unit", result, placed, macs_per_cycle=1)], anchors=ANCHORS))
"""

from .anchors import ANCHORS, Anchor
from .hierarchy import Module, module_tree, synth_tree
from .netlist import cell_models, netlist_verilog
from .pnr import PathStep, PnrResult, place_and_route
from .report import Measurement, markdown, provenance, table, to_dict
from .synth import SynthResult, synthesize
from .targets import TARGETS, Target
from .tools import MissingToolError, Tool, ToolError, find_tool, find_tools

__all__ = [
    "ANCHORS",
    "TARGETS",
    "Anchor",
    "Measurement",
    "MissingToolError",
    "Module",
    "PathStep",
    "PnrResult",
    "SynthResult",
    "Target",
    "Tool",
    "ToolError",
    "cell_models",
    "find_tool",
    "find_tools",
    "markdown",
    "module_tree",
    "netlist_verilog",
    "place_and_route",
    "provenance",
    "synth_tree",
    "synthesize",
    "table",
    "to_dict",
]
