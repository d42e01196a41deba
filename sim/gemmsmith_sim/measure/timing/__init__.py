"""Static timing of a mapped netlist from its Liberty tables: the period that its flip-flops allow, before layout."""

from .analysis import static_timing
from .result import KINDS, TimingPath, TimingResult, TimingStep

__all__ = ["KINDS", "TimingPath", "TimingResult", "TimingStep", "static_timing"]
