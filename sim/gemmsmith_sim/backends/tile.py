"""Runs a tile alone in pysim: operand words in, outputs and the cycle of each out."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.sim import Simulator, SimulatorContext

from gemmsmith.tile import Tile

Words = dict[str, np.ndarray]
"""Per operand, unsigned words [row or column, word] as Python integers (object) or unsigned integers."""


@dataclass(frozen=True)
class Block:
    """One block for the array: groups, wanted rows and columns, and the words of every operand."""

    groups: int
    words: Words
    rows: int
    cols: int


@dataclass(frozen=True)
class TileRun:
    """What a tile did: raw outputs per block [row, column]; cycles in which beats were let in; cycles of a
    block's last output."""

    outputs: list[np.ndarray]
    beats: list[int]
    finished: list[int]


def run_tile(tile: Tile, blocks: Sequence[Block], *, mode: int | None = None, stall: float = 0.0, seed: int = 0,
             max_cycles: int = 100_000) -> TileRun:
    """Feeds ``blocks`` to ``tile``, every stream pausing at random with probability ``stall``.

    Raises ``TimeoutError`` when the outputs are not there after ``max_cycles`` cycles.
    """
    run = TileRun([], [], [])
    expected = sum(b.rows * b.cols for b in blocks)
    rng = random.Random(seed)
    mode = tile.pe.mode if mode is None else mode

    async def send(ctx: SimulatorContext, port: Any, payloads: list[Any], pace: random.Random) -> None:
        for payload in payloads:
            while pace.random() < stall:
                await ctx.tick()
            ctx.set(port.payload, payload)
            ctx.set(port.valid, 1)
            await ctx.tick().until(port.ready)
            ctx.set(port.valid, 0)

    def sender(port: Any, payloads: list[Any]) -> Any:
        pace = random.Random(rng.random())

        async def testbench(ctx: SimulatorContext) -> None:
            await send(ctx, port, payloads, pace)
        return testbench

    async def collect(ctx: SimulatorContext) -> None:
        pace, cycle, current, got = random.Random(rng.random()), 0, [], 0
        while got < expected:
            ctx.set(tile.o.ready, int(pace.random() >= stall))
            _, _, valid, ready, payload, beat = await ctx.tick().sample(tile.o.valid, tile.o.ready, tile.o.payload,
                                                                        tile.beat)
            if beat:
                run.beats.append(cycle)
            if valid and ready:
                current.append(payload.data)
                got += 1
                if payload.last:
                    block = blocks[len(run.outputs)]
                    run.outputs.append(np.array(current, dtype=np.uint64).reshape(block.rows, block.cols))
                    run.finished.append(cycle)
                    current = []
            cycle += 1
            if cycle > max_cycles:
                raise TimeoutError(f"the tile gave {got} of {expected} outputs in {max_cycles} cycles")

    simulator = Simulator(tile)
    simulator.add_clock(1e-8)
    simulator.add_testbench(sender(tile.block, [
        {"groups": b.groups, "last_row": b.rows - 1, "last_column": b.cols - 1} for b in blocks]), background=True)
    for operand in tile.pe.operands:
        payloads = [[int(x) for x in b.words[operand.name][:, i]] for b in blocks
                    for i in range(b.words[operand.name].shape[1])]
        simulator.add_testbench(sender(getattr(tile, operand.name), payloads), background=True)

    async def main(ctx: SimulatorContext) -> None:
        ctx.set(tile.mode, mode)
        await collect(ctx)
    simulator.add_testbench(main)
    simulator.run()
    return run
