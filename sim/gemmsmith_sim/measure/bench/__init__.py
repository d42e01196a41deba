"""Put units through the same scripts in one run, and keep what came out.

A *unit* is a build (scheme, level, options); a *row* is one unit on one target with one script. Rows are measured by
*jobs* on any ``concurrent.futures.Executor`` and kept in a content-addressed store, so that what has been measured
once is not measured again.
"""

from .flows import AsicFlow, Flow, FpgaFlow
from .jobs import Job, Outcome, Step, run_jobs
from .plan import Plan
from .record import ASIC, Bench, Energy, Error, Fmax, Module, PathStep, Provenance, Relative, Row, load
from .unit import Unit, default_units

__all__ = [
    "ASIC", "AsicFlow", "Bench", "Energy", "Error", "Flow", "Fmax", "FpgaFlow", "Job", "Module", "Outcome",
    "PathStep", "Plan", "Provenance", "Relative", "Row", "Step", "Unit", "default_units", "load", "run_jobs",
]  # fmt: skip
