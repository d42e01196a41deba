"""The bench of an array behind AXI4-Stream: a source per operand, blocks, and a sink that compares."""

from __future__ import annotations

from itertools import cycle

import numpy as np
from numpy.typing import NDArray

from gemmsmith.emit import BuildConfig
from gemmsmith.pe import ProcessingElement
from gemmsmith.schemes import Axis, Operand
from gemmsmith.tile import Tile
from gemmsmith_sim.golden import for_scheme as golden_for
from gemmsmith_sim.testbench.jobs import Job, largest_k, make_job, modes_of
from gemmsmith_sim.testbench.text import Bench, hex_bytes, hex_lines, noise

OPERAND_BYTES = 8_000
"""Operand words of a block: K is made smaller until they fit."""
MOST_OUTPUTS = 1024
"""Outputs wanted of a block."""

WHAT = """\
It sends each operand, and the list of blocks, over an AXI4-Stream of its own with random gaps, stops the output
stream at random, and compares each output and its TLAST in order. `saturated` must stay low, every word must be
taken, and no output may come too many. `cfg_mode` changes between blocks, when the array is idle. The blocks:

{listed}"""


def stream_bench(config: BuildConfig, seed: int) -> Bench:
    """Blocks of full and of partial arrays, with tails along K, two in each mode."""
    tile, rng = config.tile(), np.random.default_rng(seed)
    in_modes = (pe for pe in cycle(modes_of(tile.pe)) for _ in range(2))
    blocks = [_block(tile, pe, size, rng) for pe, size in zip(in_modes, _sizes(tile), strict=False)]
    operands = tile.pe.operands
    words = {o.name: np.concatenate([_words(tile, block, o) for block in blocks]) for o in operands}
    mode_width, out_width = tile.pe.mode_width, tile.pe.scheme.out_width
    return Bench(
        template="stream_tb.v",
        values={
            "BLOCKS": str(len(blocks)), "OUTPUTS": str(sum(block.outputs.size for block in blocks)),
            "OUT_WIDTH": str(out_width), "MODE_WIDTH": str(mode_width), "FIRST_MODE": str(blocks[0].pe.mode),
            "MAX_CYCLES": str(_patience(tile, blocks)), "NOISE": noise(rng), "BLOCK_NOISE": noise(rng),
            "SOURCES": "".join(_source(config.name, o, words[o.name], noise(rng)) for o in operands),
            "PORTS": "\n".join(_ports(o) for o in operands),
            "ANY_LEFT": " || ".join(f"source_{o.name}.left" for o in operands)},
        vectors={
            "block": hex_lines(map(_described, blocks), mode_width + 40),
            **{name: hex_bytes(array) for name, array in words.items()},
            "expected": hex_lines((word for block in blocks for word in _outputs(block, out_width)), out_width + 1)},
        docs={"block": "a block per line: the mode, then last column, last row and groups as in `s_axis_block_tdata`",
              **{o.name: f"transfers of `s_axis_{o.name}`: {o.doc}" for o in operands},
              "expected": "the outputs, one per line, with TLAST above the highest bit"},
        what=WHAT.format(listed="\n".join(f"{i}. {block}" for i, block in enumerate(blocks, 1))))


def _sizes(tile: Tile) -> list[tuple[int, int, int]]:
    """Rows, columns and K wanted of each block."""
    rows, cols, group = tile.rows, tile.cols, tile.pe.group
    tail, some = max(1, group // 3), group * -(-40 // group)
    return [(min(rows, max(1, MOST_OUTPUTS // cols)), cols, some + tail),
            (rows, min(cols, 2), group),
            (1, 1, 1),
            (min(rows, 2), cols, group + tail),
            (max(1, rows - 1), min(cols, 3), 2 * group),
            (1, max(1, cols - 1), some + 1)]


def _block(tile: Tile, pe: ProcessingElement, size: tuple[int, int, int], rng: np.random.Generator) -> Job:
    m, n, wanted = size

    def operand_bytes(k: int) -> int:
        return sum(o.words_per_row(groups=pe.groups(k), beats=pe.beats(pe.mode)) * _transfer_bytes(tile, o)
                   for o in pe.operands)

    return make_job(pe, m, n, largest_k(wanted, operand_bytes, OPERAND_BYTES), rng)


def _transfer_bytes(tile: Tile, operand: Operand) -> int:
    return tile.count(operand.axis) * operand.container // 8


def _words(tile: Tile, block: Job, operand: Operand) -> NDArray[np.uint8]:
    """Transfers of an operand, bytes (words, bytes of all rows or columns); zeros for those that are not wanted."""
    encoded = block.a if operand.axis is Axis.ROW else block.w
    words = golden_for(encoded.scheme).stream(encoded, [operand])[operand.name]
    padded = np.pad(words, ((0, tile.count(operand.axis) - len(words)), (0, 0), (0, 0)))
    return padded.transpose(1, 0, 2).reshape(words.shape[1], -1)


def _described(block: Job) -> int:
    """The mode above the word of ``s_axis_block``."""
    return block.groups | (block.m - 1) << 24 | (block.n - 1) << 32 | block.pe.mode << 40


def _outputs(block: Job, width: int) -> list[int]:
    outputs = [int(o) for o in block.outputs.flat]
    return [*outputs[:-1], outputs[-1] | 1 << width]


def _source(name: str, operand: Operand, words: NDArray[np.uint8], state: str) -> str:
    """A source of the bench, for one operand."""
    o = operand.name
    return (f"  wire [{8 * words.shape[1] - 1}:0] {o}_tdata;\n"
            f"  wire {o}_tvalid, {o}_tready;\n"
            f"  {name}_tb_source #(.WIDTH({8 * words.shape[1]}), .COUNT({len(words)}), .NOISE(32'h{state}), "
            f'.FILE("{name}_{o}.hex"))\n'
            f"    source_{o} (.aclk(aclk), .enable(aresetn), .tdata({o}_tdata), .tvalid({o}_tvalid), "
            f".tready({o}_tready));\n\n")


def _ports(operand: Operand) -> str:
    """The connections of one operand's port."""
    o = operand.name
    return "    " + " ".join(f".s_axis_{o}_{pin}({o}_{pin})," for pin in ("tdata", "tvalid", "tready"))


def _patience(tile: Tile, blocks: list[Job]) -> int:
    """Cycles after which the bench counts as stuck: many times what it should take."""
    schedules = (block.pe.schedule(groups=block.groups, mode=block.pe.mode, share=tile.share) for block in blocks)
    outputs = sum(block.outputs.size for block in blocks)
    return 10_000 + 20 * (outputs + sum(s.block + s.flush for s in schedules))
