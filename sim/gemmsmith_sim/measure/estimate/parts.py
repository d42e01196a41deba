"""What a build is made of: its parts, how often each stands, and the sizes on which the cost of one depends.

Everything here follows from the contract of processing elements and the structure of array and co-processor; no
processing element is known by name. Nothing is elaborated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Shape

from gemmsmith.coprocessor import Plan
from gemmsmith.coprocessor.dense import operand_buffer
from gemmsmith.coprocessor.loader import tag_layout
from gemmsmith.emit.config import BuildConfig
from gemmsmith.pe import Control
from gemmsmith.schemes import Axis, Cadence, Operand, Part
from gemmsmith.tile import block_layout

from .memories import Fabric, Footprint

__all__ = ["ARRAY", "BUS", "CONTROL", "Inventory", "inventory", "part_features", "part_key"]

ARRAY = ("core", "row_edge", "column_edge", "tail")
"""Parts that belong to the processing element; the others are the same for all of them."""

CONTROL = ("feeder", "drain")
BUS = ("buffers", "loader", "storer", "reader", "writer", "registers")

Features = Mapping[str, float]


@dataclass(frozen=True)
class Inventory:
    """Parts of a build, and what joins them.

    Parameters
    ----------
    counts: kind of part → how often it stands. features: kind of part → sizes that its cost depends on.
    glue: sizes of what stands between the parts, by name. block_rams: how many, from the memories' shapes.
    """

    counts: Mapping[str, int]
    features: Mapping[str, Features]
    glue: Features
    block_rams: int


def inventory(config: BuildConfig, fabric: Fabric) -> Inventory:
    """What the build is made of on a family with these memories."""
    rows, cols = config.rows, config.cols
    if config.level == "core":
        counts = {"core": 1}
    else:
        counts = {"core": rows * cols, "row_edge": rows, "column_edge": cols, "tail": rows * cols // config.tail_share,
                  **dict.fromkeys(CONTROL, 1)}
    whole = config.level == "coprocessor"
    if whole:
        counts |= dict.fromkeys(BUS, 1)
    return Inventory(counts=counts, features={kind: part_features(config, kind, fabric) for kind in counts},
                     glue=_glue(config, fabric), block_rams=_block_rams(config, fabric) if whole else 0)


def part_key(kind: str, config: BuildConfig) -> str:
    """Under which name a part's cost is kept: those of processing elements are known by family."""
    return f"{kind}/{config.parsed_scheme().family}" if kind in ARRAY else kind


def part_features(config: BuildConfig, kind: str, fabric: Fabric) -> Features:
    """Sizes of one part of a build. Bits, unless the name says otherwise."""
    if kind in ("feeder", *ARRAY):
        return _array_features(config, kind)
    if kind == "buffers":
        return _buffers(config, fabric)
    pe, bus, addr = config.element(), config.axi_data_width, config.axi_addr_width
    operands, out = len(pe.operands), pe.scheme.out_width
    if kind == "drain":
        return {"one": 1, "choice": config.rows * out, "output": out}
    if kind == "loader":
        products = sum(o.cadence is Cadence.BEAT for o in pe.operands) if pe.max_beats > 1 else 0
        odd = config.rows & (config.rows - 1) != 0
        return {"one": 1, "operands": operands, "addresses": operands * addr, "products": products, "odd_rows": odd}
    if kind == "storer":
        return {"one": 1, "bus": bus, "address": addr, "lanes": bus // out}
    if kind == "reader":
        tag = tag_layout(Plan(pe, bus, config.buffer_k), config.rows, config.cols).size
        return {"one": 1, "bus": bus, "address": addr, "tag": tag}
    if kind == "writer":
        return {"one": 1, "bus": bus, "address": addr}
    if kind == "registers":
        return {"one": 1, "addresses": (operands + 1) * (addr + 32), "operands": operands}
    raise ValueError(f"kind must be one of {', '.join([*ARRAY, *CONTROL, *BUS])}, not {kind!r}")


def _array_features(config: BuildConfig, kind: str) -> Features:
    pe = config.element()
    row, column = _bits(pe.row_payload), _bits(pe.column_payload)
    if kind == "core":
        return {"one": 1, "payload": row + column, "result": pe.result_width * pe.result_words}
    if kind == "tail":
        return {"one": 1, "result": pe.result_width, "index": (config.tail_share - 1).bit_length(),
                "narrowed": pe.scheme.out_width < 32}
    if kind == "feeder":
        return {"one": 1, "operands": len(pe.operands), "per_beat": pe.max_beats > 1}
    return {"one": 1, "payload": row if kind == "row_edge" else column}


def _buffers(config: BuildConfig, fabric: Fabric) -> Features:
    """Of all operand buffers together."""
    total: Counter[str] = Counter()
    for operand, memories, footprint in _memories(config, fabric):
        choice = _count(config, operand) * max(0, config.axi_data_width - operand.container) * (1 + operand.dense)
        total += Counter({"one": 1, "memories": memories, "choice": choice, "luts": memories * footprint.luts,
                          "ffs": memories * footprint.ffs, "rows": memories * footprint.choices})
    return dict(total)


def _block_rams(config: BuildConfig, fabric: Fabric) -> int:
    return sum(memories * footprint.block_rams for _, memories, footprint in _memories(config, fabric))


def _memories(config: BuildConfig, fabric: Fabric) -> list[tuple[Operand, int, Footprint]]:
    """Per operand: how many memories its buffer has, and what one of them takes."""
    pe, bus = config.element(), config.axi_data_width
    plan, found = Plan(pe, bus, config.buffer_k), []
    for operand in pe.operands:
        buffer = operand_buffer(plan, operand, banks=_count(config, operand))
        memories, width, rows = buffer.memories
        found.append((operand, _count(config, operand) * memories, fabric.footprint(width, rows, clocked=True)))
    return found


def _glue(config: BuildConfig, fabric: Fabric) -> Features:
    """Sizes of what the array and the co-processor add between their parts."""
    pe, rows, cols, share = config.element(), config.rows, config.cols, config.tail_share
    if config.level == "core":
        return {"registered": _bits(pe.row_payload) + _bits(pe.column_payload) + _bits(Control)}
    out, tails = pe.scheme.out_width, rows * cols // share
    result = pe.result_width * pe.result_words
    at_tail = sum(o.width * _count(config, o) for o in pe.select(None, Part.TAIL))
    column_words = pe.result_width + sum(o.width for o in pe.select(Axis.COLUMN, Part.TAIL)) + pe.column_side
    outputs = fabric.footprint(out, 2 * share, clocked=False)
    waiting = fabric.footprint(at_tail + 2, 16, clocked=False)
    glue: dict[str, float] = {
        "tile": 1,
        "delays": pe.edge_latency + pe.core_latency + pe.tail_latency + 1,
        "held": rows * cols * result + rows * pe.row_side + cols * pe.column_side,
        "waiting": at_tail,
        "chosen": tails * (share - 1) * column_words,
        "read": rows * out,
        "read_choice": (tails - rows) * out,
        "memory_luts": tails * outputs.luts + waiting.luts,
    }
    if config.level == "coprocessor":
        return glue | {"coprocessor": 1, "requests": len(pe.operands) * config.axi_addr_width}
    block = _bits(block_layout(rows, cols))
    return glue | {"streams": block + out + sum(o.width * _count(config, o) for o in pe.operands)}


def _count(config: BuildConfig, operand: Operand) -> int:
    """Rows or columns of the array: how often an operand's word stands side by side."""
    return config.rows if operand.axis is Axis.ROW else config.cols


def _bits(shape: Any) -> int:
    return Shape.cast(shape).width
