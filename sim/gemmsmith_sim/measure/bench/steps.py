"""The steps of a benchmark: functions of JSON values, each the whole of one kind of job."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from gemmsmith.emit.config import BuildConfig
from gemmsmith.emit.package import emit_build
from gemmsmith.schemes import parse

from ...cache import atomic_dir, cache_dir, digest
from .. import energy
from ..routers import ROUTERS
from ..yosys import YOSYS
from .jobs import Step

__all__ = [
    "COST", "EMIT", "ENERGY", "ERROR", "MAP", "PERPLEXITY", "SYNTHESIZE", "TIME", "place_seed_step", "place_step",
]  # fmt: skip

Json = Any


def emit_verilog(config: Json) -> Json:
    """Verilog of a build, without the comment that tells builds apart: equal hardware is one file."""
    emitted = emit_build(BuildConfig(**config))
    text = "".join(line for line in emitted.verilog.splitlines(keepends=True) if not line.startswith("//"))
    directory = cache_dir("rtl") / digest(text)
    if not directory.is_dir():
        with atomic_dir(directory) as work:
            (work / f"{emitted.top}.v").write_text(text)
    return {"path": str(directory / f"{emitted.top}.v"), "top": emitted.top}


def synthesize_fpga(verilog: Json, target: str, dsp: bool, apart: list[str]) -> Json:
    """Cells of a unit on an FPGA family."""
    from ..hierarchy import synth_tree
    from ..synth import synthesize

    result = synthesize([Path(verilog["path"])], verilog["top"], target, dsp=dsp, apart=apart)
    kinds = ("luts", "carries", "ffs", "dsps", "brams", "lutrams", "muxes", "lutram_luts")
    return {"cells": dict(result.cells), "counts": {kind: getattr(result, kind) for kind in kinds}, "eq": result.eq,
            "netlist": str(result.netlist), "modules": synth_tree(result).to_dict(), "script": result.script}


def place_seed(synthesis: Json, target: str, seed: int) -> Json:
    """Place and route with one seed; the result lies in the cache for ``place_summary``."""
    from ..pnr import place_and_route

    return place_and_route(Path(synthesis["netlist"]), target, seeds=[seed], workers=1).fmax[0]


def place_summary(synthesis: Json, target: str, fmax: list[float], seeds: list[int]) -> Json:
    """Median and quartiles over the seeds, and the critical path of the median seed."""
    from ..pnr import place_and_route

    result = place_and_route(Path(synthesis["netlist"]), target, seeds=seeds, workers=1)
    return {"median": result.median, "q1": result.quartiles[0], "q3": result.quartiles[1],
            "seeds": {str(seed): value for seed, value in zip(seeds, fmax, strict=True)},
            "path": [asdict(step) for step in result.critical_path], "script": result.script}


def map_asic(verilog: Json, library: Json, style: str, clock_gating: bool, apart: list[str]) -> Json:
    """Cells of a unit in a standard-cell library."""
    from ..asic import asic_tree, synthesize_asic

    result = synthesize_asic([Path(verilog["path"])], verilog["top"], _library(library), style=style,
                             clock_gating=clock_gating, apart=apart)
    return {"cells": dict(result.cells), "area_um2": result.area_um2, "netlist": str(result.netlist),
            "script": result.script, "modules": asic_tree(result, _library(library)).to_dict()}


def time_asic(mapped: Json, library: Json) -> Json:
    """Static timing of a mapped unit: the period that its flip-flops allow, and the path that sets it."""
    from ..timing import static_timing

    result = static_timing(Path(mapped["netlist"]), _library(library))
    return {"critical_path_ns": result.critical_path_ns, "fmax_mhz": result.fmax_mhz,
            "path": [step.to_dict() for step in result.path]}


def netlist_energy(mapped: Json, config: Json, library: Json, glitches: bool, lanes: int) -> Json:
    """Energy of a mapped unit on real tensors; its outputs are compared with the golden model."""
    result = energy.measure_energy(Path(mapped["netlist"]), BuildConfig(**config), _library(library), glitches=glitches,
                                   lanes=lanes)
    fields = ("fj_per_mac", "fj_per_mac_glitch", "cycles", "lanes", "outputs_checked", "frequency_mhz")
    return {**{name: getattr(result, name) for name in fields}, "breakdown": dict(result.breakdown),
            "by_module": dict(result.modules)}


def gemm_cost(config: Json, m: int, n: int, k: int) -> Json:
    """Cycles of a product on a co-processor, by the system model, with a memory that answers in the next cycle."""
    from ..system import cost

    return cost(BuildConfig(**config), m=m, n=n, k=k).cycles


def _library(library: Json) -> Any:
    """The library that ``name`` and ``files`` stand for; ``sha256`` is only part of the key."""
    from ..liberty import named

    return named.library(library["name"], liberty=[Path(file) for file in library["files"]])


def scheme_error(scheme: str) -> Json:
    """Numerical error of a scheme on recorded tensors."""
    from ..error import numerical_error

    error = numerical_error(parse(scheme))
    return {"relative_rms": error.relative_rms, "worst": error.worst, "outputs": error.outputs}


def scheme_perplexity(scheme: str, tokens: int) -> Json:
    """Perplexity of the shipped model on the first ``tokens`` tokens of its held-out text, on the golden model."""
    from ...llm import checkpoint, tokenizer
    from ...llm.model import Llama
    from ...llm.perplexity import perplexity
    from ...llm.quantized import GoldenLinear

    model = checkpoint.load(None)
    ids = tokenizer.load_tokenizer(model).encode(checkpoint.HELDOUT_TEXT.read_text())
    return perplexity(Llama(model, GoldenLinear(parse(scheme))), ids[:tokens + 1]).value


_GOLDEN = ("gemmsmith.schemes", "gemmsmith.formats", "gemmsmith_sim.golden", "gemmsmith_sim.llm")
_MEASURE = "gemmsmith_sim.measure"

EMIT = Step(emit_verilog, sources=("gemmsmith",), tools=("amaranth", YOSYS))
_MAPPED = (f"{_MEASURE}.yosys", f"{_MEASURE}.hierarchy", f"{_MEASURE}.flat")
SYNTHESIZE = Step(synthesize_fpga, sources=(*_MAPPED, f"{_MEASURE}.synth", f"{_MEASURE}.targets"), tools=(YOSYS,))
_ASIC = (*_MAPPED, f"{_MEASURE}.liberty", f"{_MEASURE}.asic", f"{_MEASURE}.timing")
MAP = Step(map_asic, sources=_ASIC, tools=(YOSYS,))
TIME = Step(time_asic, sources=_ASIC)
ENERGY = Step(netlist_energy, sources=energy.SOURCES)
COST = Step(gemm_cost, sources=("gemmsmith", "gemmsmith_sim.backends", f"{_MEASURE}.system"))
ERROR = Step(scheme_error, sources=(*_GOLDEN, f"{_MEASURE}.error", f"{_MEASURE}.tensors"))
PERPLEXITY = Step(scheme_perplexity, sources=_GOLDEN)
_PLACING = (f"{_MEASURE}.pnr", f"{_MEASURE}.routers", f"{_MEASURE}.frame", f"{_MEASURE}.flat")


def place_seed_step(target: str) -> Step:
    """The step that places for an FPGA family."""
    return Step(place_seed, sources=_PLACING, tools=(ROUTERS[target].tool,))


def place_step(target: str) -> Step:
    """The step that sums seeds up."""
    return Step(place_summary, sources=_PLACING, tools=(ROUTERS[target].tool,))
