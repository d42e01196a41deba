"""Fits the model to measured points: non-negative least squares in relative error. Deterministic."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.optimize import nnls

from gemmsmith.emit.config import BuildConfig

from .designs import WHOLE, Design
from .memories import Fabric
from .model import RESOURCES, Model, part_cells
from .parts import inventory, part_features, part_key

__all__ = ["fit"]

STRUCTURE: dict[str, dict[str, float | None]] = {
    "lut": {"memory_luts": 1, "chosen": 1, "read_choice": 1, "streams": 1,
            "tile": None, "coprocessor": None, "requests": None},
    "carry": {"coprocessor": 80},
    "ff": {"delays": 1, "held": 1, "waiting": 1, "read": 1, "streams": 2,
           "tile": None, "coprocessor": None, "requests": None},
    "dsp": {},
}
"""Resource → sizes of the glue that can need it, and how many cells the structure of the hardware lets expect of each
(None: it says nothing). A LUT per bit of a 2:1 choice; a register per bit that is held, two in a register slice; five
32-bit counters at two bits a carry cell."""
PULL = 0.3
"""Weight, in designs, of these expectations, and of the one that parts cost in a whole design what they cost alone:
whole designs say what optimisation across borders really leaves."""
LEAST = 8
"""Cells below which an error counts as if of this many: an edge without LUTs has no relative error."""
NOTHING = 1e-9
"""Coefficients below are rounding errors."""

Point = Mapping[str, Any]
Sizes = Mapping[str, float]


def fit(points: Sequence[tuple[Design, Point]], fabric: Fabric) -> Model:
    """The model of one target from measured parts and whole builds (``measure``).

    Raises ``ValueError`` if there is no whole build among them.
    """
    by_part: dict[str, list[tuple[Sizes, Point]]] = defaultdict(list)
    whole: list[tuple[BuildConfig, Point]] = []
    for design, point in points:
        config = design.config
        if design.kind == WHOLE:
            whole.append((config, point))
        else:
            by_part[part_key(design.kind, config)].append((part_features(config, design.kind, fabric), point))
    if not whole:
        raise ValueError("the points must contain whole builds, not parts alone")
    parts = {key: {resource: _solve([sizes for sizes, _ in known], [point[resource] for _, point in known])
                   for resource in RESOURCES} for key, known in by_part.items()}
    arrays = {f"array/{key.partition('/')[2]}": 1 for key in parts if "/" in key}
    alone = {"control": 1, "bus": 1, **arrays}
    assembly = {resource: _assembly(parts, whole, fabric, resource, {**alone, **STRUCTURE[resource]})
                for resource in RESOURCES}
    return Model(fabric=fabric, parts=parts, assembly=assembly)


def _assembly(parts: Mapping[str, Mapping[str, Sizes]], whole: Sequence[tuple[BuildConfig, Point]], fabric: Fabric,
              resource: str, expected: Mapping[str, float | None]) -> dict[str, float]:
    """How much of the parts' cost is left in a whole design, and what their glue costs."""
    rows = []
    for config, _ in whole:
        stock = inventory(config, fabric)
        sizes = {**part_cells(parts, config, stock, resource), **stock.glue}
        rows.append({name: sizes.get(name, 0) for name in expected})
    return _solve(rows, [point[resource] for _, point in whole], {k: v for k, v in expected.items() if v is not None})


def _solve(rows: Sequence[Sizes], values: Sequence[float], expected: Sizes | None = None) -> dict[str, float]:
    """Coefficients, none negative, of the named sizes; those ``expected`` are drawn to that, which counts where data is
    scarce."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    measured = np.array(values, float)
    weights = 1 / np.maximum(measured, LEAST)
    matrix = np.array([[row.get(name, 0) for name in names] for row in rows], float) * weights[:, None]
    pulls = [[PULL / value * (name == which) for name in names] for which, value in (expected or {}).items()]
    matrix = np.vstack([matrix, *np.array(pulls)])
    solution, _ = nnls(matrix, np.append(measured * weights, [PULL] * len(pulls)))
    return {name: float(f"{value:.5g}") for name, value in zip(names, solution, strict=True) if value > NOTHING}
