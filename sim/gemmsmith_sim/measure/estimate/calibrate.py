"""Measures the designs and fits the model again: ``python -m gemmsmith_sim.measure.estimate.calibrate``.

Takes an hour or more the first time; measurements are kept by content, so a run that was stopped goes on where it
was. The fit is deterministic: the same points give the same file.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gemmsmith_sim.cache import atomic_write

from ..targets import get_target
from ..tools import version
from ..yosys import YOSYS
from .calibration import CALIBRATION, SCHEMA, totals
from .designs import WHOLE, Design, designs, held_back
from .fit import fit
from .memories import FABRICS
from .model import Model
from .points import measure

__all__ = ["calibrate", "main", "measured"]

VARIANTS = {"ecp5": ("ecp5", True), "ecp5-nodsp": ("ecp5", False)}
"""Name of a model → target, and whether multipliers may become DSP blocks."""

Content = dict[str, Any]
Point = Mapping[str, Any]


def measured() -> Content:
    """Every design of every variant, measured or fetched from the cache, with a progress bar.

    A design in which no multiplication becomes a DSP block is the same without DSP blocks, and is not measured twice.
    """
    points: list[Point] = []
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for variant, (target, dsp) in VARIANTS.items():
            known = {point["design"] for point in points if _serves(point, target, dsp)}
            task = progress.add_task(variant, total=len(designs(dsp=dsp)))
            for design in designs(dsp=dsp):
                progress.update(task, description=f"{variant}: {design.key}")
                if design.key not in known:
                    points.append(measure(design, target, dsp=dsp, notify=progress.console.print))
                progress.advance(task)
    return {"tools": [f"{YOSYS} {version(YOSYS)}"], "points": points}


def calibrate(content: Content) -> Content:
    """The calibration file from the ``tools`` and ``points`` of ``measured`` (or of another calibration file): the
    models, and how far they are off."""
    known = {design.key: design for design in designs()}
    order = list(known)
    points = sorted((point for point in content["points"] if point["design"] in known),
                    key=lambda point: (not point["dsp_blocks"], order.index(point["design"])))
    models = {}
    for variant, (target, dsp) in VARIANTS.items():
        chosen = [(known[point["design"]], point) for point in points if _serves(point, target, dsp)]
        models[variant] = _model(variant, chosen)
    return {"schema": SCHEMA, "tools": content["tools"], "models": models, "points": points}


def _serves(point: Point, target: str, dsp: bool) -> bool:
    """Whether a point says what its design costs in this variant."""
    return point["target"] == target and (point["dsp_blocks"] == dsp or not (dsp or point["dsp"]))


def _model(variant: str, points: Sequence[tuple[Design, Point]]) -> Content:
    """One model: coefficients, the range they were found in, and the errors on both sets of whole designs."""
    target, dsp = VARIANTS[variant]
    used = [(design, point) for design, point in points if not held_back(design.key)]
    unseen = [(design, point) for design, point in points if held_back(design.key)]
    model = fit(used, FABRICS[target])
    return {
        "target": target, "dsp_blocks": dsp,
        "script": get_target(target).synth_command("TOP", dsp=dsp, flatten=True),
        "parts": model.parts, "assembly": model.assembly, "range": _range([design for design, _ in used]),
        "calibrated_on": len(used), "calibrated": _judged(model, used), "held_back": _judged(model, unseen),
    }


def _range(used: Sequence[Design]) -> dict[str, list[Any]]:
    """Per choice, what the model has seen: least and largest number, or every word. Sizes of the array and of the
    co-processor from whole builds, options of processing elements, as ``int8.lanes``, from parts too."""
    seen: dict[str, set[Any]] = {}
    for design in used:
        config = design.config
        values = {f"{config.parsed_scheme().family}.{name}": value for name, value in config.options.items()}
        if design.kind == WHOLE:
            values |= {name: getattr(config, name) for name in ("target", "rows", "cols", "tail_share")}
            if config.level == "coprocessor":
                values |= {name: getattr(config, name) for name in (
                    "axi_data_width", "axi_addr_width", "buffer_k", "max_burst", "outstanding")}
        for name, value in values.items():
            seen.setdefault(name, set()).add(value)
    return {name: sorted(values) if name == "target" else [min(values), max(values)] for name, values in seen.items()}


def _judged(model: Model, points: Sequence[tuple[Design, Point]]) -> dict[str, Any]:
    """Whole designs with what was measured and estimated; per resource, median, 90th percentile and worst error."""
    rows: list[Content] = []
    errors: Content = {}
    for design, point in points:
        if design.kind == WHOLE:
            said = totals(model.cells(design.config), model.fabric)
            rows.append({"design": design.key.removeprefix(f"{WHOLE} "), "measured": totals(point, model.fabric),
                         "estimated": {resource: round(count) for resource, count in said.items()}})
    for resource in rows[0]["measured"] if rows else ():
        off = sorted(_error(row["estimated"][resource], row["measured"][resource]) for row in rows)
        ninth = off[max(0, -(-9 * len(off) // 10) - 1)]
        errors[resource] = {name: round(value, 4) for name, value in (
            ("median", statistics.median(off)), ("p90", ninth), ("worst", off[-1]))}
    return {"count": len(rows), "errors": errors, "designs": rows}


def _error(estimated: float, measured: float) -> float:
    """Relative to what was measured; where that is nothing, relative to one cell."""
    return abs(estimated - measured) / max(1, measured)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line; ``--help`` says more."""
    parser = argparse.ArgumentParser(prog="python -m gemmsmith_sim.measure.estimate.calibrate", description=__doc__)
    parser.add_argument("--points", type=Path, help="measure nothing; fit the points of this calibration file")
    parser.add_argument("--output", "-o", type=Path, default=CALIBRATION, help="calibration file to write")
    chosen = parser.parse_args(arguments)
    content = json.loads(chosen.points.read_text()) if chosen.points else measured()
    atomic_write(chosen.output, json.dumps(calibrate(content), indent=1) + "\n")


if __name__ == "__main__":
    main()
