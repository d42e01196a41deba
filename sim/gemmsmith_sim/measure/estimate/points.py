"""Measures the designs: Verilog of a build, or of one of its parts alone, through the usual synthesis."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gemmsmith.arith.tech import targeting
from gemmsmith.bus.reader import AxiReader
from gemmsmith.bus.registers import RegisterBank
from gemmsmith.bus.writer import AxiWriter
from gemmsmith.coprocessor.dense import operand_buffer
from gemmsmith.coprocessor.loader import Loader, tag_layout
from gemmsmith.coprocessor.storer import Storer
from gemmsmith.emit import BuildConfig, emit, emit_build
from gemmsmith.tile.drain import Drain
from gemmsmith.tile.feeder import Feeder
from gemmsmith_sim.cache import digest

from ..synth import synthesize
from .designs import WHOLE, Design

__all__ = ["components", "measure"]

_TOP = "design"


def measure(design: Design, target: str, *, dsp: bool, notify: Callable[[str], None] | None = None) -> dict[str, Any]:
    """The cells of a design as a point of the calibration; results are kept by content.

    ``lut`` includes LUTs used as memory, ``rtl`` is a digest of the Verilog. Raises ``ToolError`` as ``synthesize``.
    """
    config = design.config
    if design.kind == WHOLE:
        texts = [(config.name, emit_build(config).verilog)]
    else:
        with targeting(config.target):
            texts = [(_TOP, emit(component, name=_TOP).verilog) for component in components(config, design.kind)]
    totals = dict.fromkeys(("lut", "carry", "ff", "dsp", "bram"), 0)
    seconds = 0.0
    for top, text in texts:
        with tempfile.TemporaryDirectory() as directory:
            source = Path(directory) / "design.v"
            source.write_text(text)
            result = synthesize([source], top, target, dsp=dsp, notify=notify)
        seconds += result.seconds
        found = {"lut": result.luts + result.lutram_luts, "carry": result.carries, "ff": result.ffs,
                 "dsp": result.dsps, "bram": result.brams}
        totals = {resource: totals[resource] + count for resource, count in found.items()}
    return {"design": design.key, "target": target, "dsp_blocks": dsp, **totals, "seconds": round(seconds, 1),
            "rtl": digest(*(text for _, text in texts))[:16]}


def components(config: BuildConfig, kind: str) -> list[Any]:
    """The components of a build that make up its part ``kind``, once each: a core, a tail, the co-processor's reader;
    ``buffers`` are one per operand."""
    pe, rows, cols, share = config.element(), config.rows, config.cols, config.tail_share
    coprocessor = config.coprocessor()
    plan, addr_width = coprocessor.plan, config.axi_addr_width
    bus = {"data_width": config.axi_data_width, "addr_width": addr_width}
    bursts = {"max_burst": config.max_burst, "outstanding": config.outstanding}

    def storer() -> Storer:
        return Storer(rows=rows, cols=cols, out_width=pe.scheme.out_width, **bus)

    makers: dict[str, Callable[[], Any]] = {
        "core": pe.core,
        "row_edge": pe.row_edge,
        "column_edge": pe.column_edge,
        "tail": lambda: pe.tail(share),
        "feeder": lambda: Feeder(pe, rows=rows, cols=cols, share=share),
        "drain": lambda: Drain(rows=rows, cols=cols, width=pe.scheme.out_width),
        "loader": lambda: Loader(plan, rows=rows, cols=cols, addr_width=addr_width),
        "storer": storer,
        "reader": lambda: AxiReader(tag_width=tag_layout(plan, rows, cols).size, **bus, **bursts),
        "writer": lambda: AxiWriter(max_row_beats=storer().max_row_beats, **bus, **bursts),
        "registers": lambda: RegisterBank(coprocessor.registers),
    }
    if kind == "buffers":
        return [operand_buffer(plan, o, banks=coprocessor.tile.count(o.axis)) for o in pe.operands]
    return [makers[kind]()]
