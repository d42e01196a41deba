"""The shipped calibration, and estimates with it."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gemmsmith.emit.config import BuildConfig

from .memories import FABRICS, Fabric
from .model import Model

__all__ = ["CALIBRATION", "SCHEMA", "Estimate", "estimate", "shipped", "totals"]

CALIBRATION = Path(__file__).with_name("calibration.json")
SCHEMA = "gemmsmith-estimate-1"


@dataclass(frozen=True)
class Estimate:
    """Cells of a build, and what they are worth. Pre-layout, as ``synthesize`` would count them.

    Parameters
    ----------
    target: FPGA family. dsp_blocks: whether multipliers may become DSP blocks.
    cells: resource → how many; ``lut`` includes LUTs used as memory, ``eq`` is LUT sites, carries
        among them.
    band: resource → the relative error that nine of ten designs which the model had not seen stayed below.
    median: resource → their median relative error. calibrated_on, judged_on: designs in the fit (parts included), and
        whole designs not in it. tools, script: what measured them.
    outside: what of the build lies outside the calibrated range, one line each; empty: nothing.
    """

    target: str
    dsp_blocks: bool
    cells: Mapping[str, int]
    band: Mapping[str, float]
    median: Mapping[str, float]
    calibrated_on: int
    judged_on: int
    tools: tuple[str, ...]
    script: str
    outside: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON values."""
        return asdict(self)


@functools.cache
def shipped() -> dict[str, Any]:
    """The content of the shipped calibration file."""
    return json.loads(CALIBRATION.read_text())


def estimate(config: BuildConfig, target: str, *, dsp: bool | None = None) -> Estimate:
    """What a build costs on ``target``, without synthesis: microseconds of arithmetic.

    ``dsp``: whether multipliers may become DSP blocks; default as ``synthesize``.

    Raises
    ------
    ValueError
        If the target, with or without DSP blocks, or the scheme's family has not been calibrated.
    """
    models = shipped()["models"]
    known = {(model["target"], model["dsp_blocks"]): model for model in models.values()}
    if target not in FABRICS or not any(target == name for name, _ in known):
        raise ValueError(f"target must be one of {', '.join(sorted({name for name, _ in known}))}, which the estimate "
                         f"is calibrated for, not {target!r}")
    dsp = max(has for name, has in known if name == target) if dsp is None else dsp
    if (target, dsp) not in known:
        raise ValueError(f"the estimate for {target} is calibrated {'without' if dsp else 'with'} DSP blocks only")
    content = known[target, dsp]
    model = Model(fabric=FABRICS[target], parts=content["parts"], assembly=content["assembly"])
    errors = content["held_back"]["errors"]
    return Estimate(
        target=target, dsp_blocks=dsp,
        cells={resource: round(count) for resource, count in totals(model.cells(config), model.fabric).items()},
        band={resource: error["p90"] for resource, error in errors.items()},
        median={resource: error["median"] for resource, error in errors.items()},
        calibrated_on=content["calibrated_on"], judged_on=content["held_back"]["count"],
        tools=tuple(shipped()["tools"]), script=content["script"], outside=_outside(config, content["range"]))


def totals(cells: Mapping[str, float], fabric: Fabric) -> dict[str, float]:
    """Resources as they are reported, ``eq`` among them."""
    found = {resource: cells[resource] for resource in ("lut", "carry", "ff", "dsp", "bram")}
    return found | {"eq": cells["lut"] + fabric.luts_per_carry * cells["carry"]}


def _outside(config: BuildConfig, ranges: Mapping[str, list[Any]]) -> tuple[str, ...]:
    family = config.parsed_scheme().family
    values = {f"{family}.{name}": value for name, value in config.options.items()}
    values |= {name: getattr(config, name) for name in ranges if name in type(config).model_fields
               and (config.level == "coprocessor" or name in ("target", "rows", "cols", "tail_share"))}
    return tuple(line for name, value in values.items() if (line := _beyond(name, value, ranges.get(name))))


def _beyond(name: str, value: Any, seen: list[Any] | None) -> str:
    name = name.rpartition(".")[2]
    if seen is None:
        return f"{name} = {value}, which has not been calibrated"
    if isinstance(value, str):
        return "" if value in seen else f"{name} = {value}, calibrated {', '.join(seen)}"
    return "" if seen[0] <= value <= seen[1] else f"{name} = {value}, calibrated {seen[0]} to {seen[1]}"
