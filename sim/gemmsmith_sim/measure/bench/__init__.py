"""Put units through the same scripts in one run, and keep what came out.

A *unit* is a build (scheme, level, options); a *row* is one unit on one target with one script. Rows are measured by
*jobs* on any ``concurrent.futures.Executor`` and kept in a content-addressed store, so that what has been measured
once is not measured again.
"""

from .record import Bench, Energy, Error, Fmax, Module, PathStep, Provenance, Relative, Row, load

__all__ = ["Bench", "Energy", "Error", "Fmax", "Module", "PathStep", "Provenance", "Relative", "Row", "load"]
