"""The parts of a processing element wired as the contract says: one row edge, ``share`` columns, one tail.

Every declared latency is checked as the bench runs; operands are garbage whenever the contract does not promise them.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator

from gemmsmith.schemes import Axis, Cadence, Part
from gemmsmith_sim.golden import for_scheme

WINDOW = 40
"""Cycles without news after which the bench gives up."""


@dataclass
class Block:
    """Words of one block: operand name → words; of a column operand, words per column."""

    row: dict[str, list[int]]
    columns: list[dict[str, list[int]]]
    beats: int
    """Beats of the block."""

    def word(self, pe, operand, mode, *, beat, column=None):
        words = (self.row if column is None else self.columns[column])[operand.name]
        if operand.cadence is Cadence.BLOCK:
            return words[0]
        if operand.cadence is Cadence.BEAT:
            return words[beat]
        return words[beat // pe.beats(mode) // operand.every]


def words_of(packed, pe, axis, row):
    """Words of ``Golden.stream``ed operands of one matrix row, as integers."""
    words = {}
    for operand in pe.select(axis, None):
        words[operand.name] = [int.from_bytes(word.tobytes(), "little") for word in packed[operand.name][row]]
    return words


def block_of(pe, golden, a, w, mode):
    """A block of encoded activations (one row) and weights (one row per column)."""
    row, columns = golden.stream(a, pe.operands), golden.stream(w, pe.operands)
    return Block(row=words_of(row, pe, Axis.ROW, 0),
                 columns=[words_of(columns, pe, Axis.COLUMN, c) for c in range(w.shape[0])],
                 beats=pe.groups(a.shape[1]) * pe.beats(mode))


@dataclass
class Run:
    """``results[block][group][column]``, ``outputs[block][column]``, cycles from the first to the last beat."""

    results: list = field(default_factory=list)
    outputs: list = field(default_factory=list)
    cycles: int = 0


class Bench:
    def __init__(self, pe, *, share, mode, idle=0.0, seed=0):
        self.pe, self.share, self.mode_value, self.idle = pe, share, mode, idle
        self.rng = random.Random(seed)
        self.row, self.tail = pe.row_edge(), pe.tail(share)
        self.columns = [pe.column_edge() for _ in range(share)]
        self.cores = [pe.core() for _ in range(share)]

    def module(self):
        m = Module()
        mode = Signal(self.pe.mode_width, init=self.mode_value)
        m.submodules.row, m.submodules.tail = self.row, self.tail
        m.d.comb += [self.row.mode.eq(mode), self.tail.mode.eq(mode)]
        for n, (column, core) in enumerate(zip(self.columns, self.cores, strict=True)):
            m.submodules[f"column_{n}"], m.submodules[f"core_{n}"] = column, core
            m.d.comb += [column.mode.eq(mode), core.mode.eq(mode), column.ctl.eq(self.row.ctl),
                         core.ctl.eq(self.row.ctl_o), core.a.eq(self.row.o), core.w.eq(column.o)]
        return m

    def run(self, blocks):
        """Outputs of ``blocks`` in a row, beats issued at random or (``idle=0``) as fast as declared."""
        run = Run()

        async def testbench(ctx):
            await self._cycles(ctx, blocks, run)

        sim = Simulator(self.module())
        sim.add_clock(1e-6)
        sim.add_testbench(testbench)
        sim.run()
        assert len(run.outputs) == len(blocks) > 0
        return run

    async def _cycles(self, ctx, blocks, run):
        pe, mode = self.pe, self.mode_value
        per_group = pe.result is Cadence.GROUP
        stretch = pe.beats(mode) if per_group else None
        beats = deque((n, b) for n, block in enumerate(blocks) for b in range(block.beats))
        started = None                   # the group that is under way, as (block, beat of its start)
        edge_due, core_due, out_due = deque(), deque(), deque()
        words, last_result, tail_free, tail_loop_free = deque(), -10**9, 0, 0
        outputs = [[None] * self.share for _ in blocks]
        run.results = [[] for _ in blocks]
        cycle, quiet, first_beat = 0, 0, None
        while quiet < WINDOW:
            # A beat, or garbage.
            n, b = beats[0] if beats else (0, 0)
            length = stretch or (blocks[n].beats if beats else 1)
            first, last = b % length == 0, b % length == length - 1
            spaced = not last or cycle - last_result >= pe.result_interval(self.share)
            valid = bool(beats) and spaced and self.rng.random() >= self.idle
            self._drive(ctx, blocks, n, b, valid=valid, started=started)
            ctx.set(self.row.ctl, {"valid": valid, "load": 0, "first": first if valid else self.rng.getrandbits(1),
                                   "last": last if valid else self.rng.getrandbits(1)})
            if valid:
                beats.popleft()
                first_beat = cycle if first_beat is None else first_beat
                run.cycles = cycle - first_beat + 1
                started = None if (b + 1) % pe.beats(mode) == 0 else (n, b)
                if last:
                    last_result = cycle
                    edge_due.append((cycle + pe.edge_latency, n, b))

            # The row edge's control is as late as declared, and so is the core's result.
            ended = bool(ctx.get(self.row.ctl_o.valid) and ctx.get(self.row.ctl_o.last))
            assert ended == bool(edge_due and edge_due[0][0] == cycle)
            if ended:
                _, n, b = edge_due.popleft()
                core_due.append((cycle + pe.core_latency, n, b))
            if core_due and core_due[0][0] == cycle:
                _, n, b = core_due.popleft()
                results = [ctx.get(core.o) for core in self.cores]
                run.results[n].append(results)
                block_first, block_last = (b < length, b == blocks[n].beats - 1) if per_group else (True, True)
                sides = [(ctx.get(self.row.side) if pe.row_side else 0, ctx.get(edge.side) if pe.column_side else 0)
                         for edge in self.columns]
                words += [(n, b, c, word, results[c] >> word * pe.result_width & (1 << pe.result_width) - 1,
                           block_first, block_last, sides[c])
                          for c in range(self.share) for word in range(pe.result_words)]

            # The tail takes the cores' results in turn, the words of one in consecutive cycles.
            index, word = words[0][2:4] if words else (0, 0)
            take = bool(words) and (word > 0 or (cycle >= tail_free and (index > 0 or cycle >= tail_loop_free)))
            self._drive_tail(ctx, blocks, words[0] if take else None)
            if take:
                n, _, c, word, _, _, block_last, _ = words.popleft()
                if word == 0:
                    tail_free = cycle + pe.tail_interval
                    tail_loop_free = cycle + pe.tail_loop if c == 0 else tail_loop_free
                if block_last and word == pe.result_words - 1:
                    out_due.append((cycle + pe.tail_latency, n, c))
            assert ctx.get(self.tail.o_valid) == bool(out_due and out_due[0][0] == cycle)
            if out_due and out_due[0][0] == cycle:
                _, n, c = out_due.popleft()
                outputs[n][c] = ctx.get(self.tail.o)
            busy = beats or words or edge_due or core_due or out_due
            quiet = 0 if busy else quiet + 1
            cycle += 1
            await ctx.tick()
        run.outputs = outputs

    def _drive(self, ctx, blocks, n, b, *, valid, started):
        """Edge operands: this beat's, the held ones of a group under way, else garbage."""
        parts = [(self.row, None), *((edge, c) for c, edge in enumerate(self.columns))]
        for edge, column in parts:
            for operand in self.pe.select(Axis.ROW if column is None else Axis.COLUMN, Part.EDGE):
                held = operand.cadence is Cadence.GROUP and started is not None
                block, beat = (n, b) if valid else started if held else (None, None)
                word = (self.rng.getrandbits(operand.width) if block is None
                        else blocks[block].word(self.pe, operand, self.mode_value, beat=beat, column=column))
                ctx.set(getattr(edge, operand.name), word)

    def _drive_tail(self, ctx, blocks, entry):
        tail, pe = self.tail, self.pe
        if entry is None:
            ctx.set(tail.ctl, {"valid": 0, "first": self.rng.getrandbits(1), "last": self.rng.getrandbits(1),
                               "index": self.rng.randrange(self.share), "word": 0})
            ctx.set(tail.i, self.rng.getrandbits(pe.result_width))
            sides = self.rng.getrandbits(pe.row_side), self.rng.getrandbits(pe.column_side)
        else:
            n, b, c, word, value, first, last, sides = entry
            ctx.set(tail.ctl, {"valid": 1, "first": first, "last": last, "index": c, "word": word})
            ctx.set(tail.i, value)
        for name, side in zip(("row_side", "column_side"), sides, strict=True):
            if getattr(pe, name):
                ctx.set(getattr(tail, name), side)
        for operand in pe.select(None, Part.TAIL):
            if entry is None:
                word = self.rng.getrandbits(operand.width)
            else:
                column = None if operand.axis is Axis.ROW else c
                word = blocks[n].word(pe, operand, self.mode_value, beat=b, column=column)
            ctx.set(getattr(tail, operand.name), word)


def bits(array):
    """Codes of a float array, as a list of lists of integers."""
    return np.ascontiguousarray(array).view({4: np.uint32, 2: np.uint16}[array.itemsize]).tolist()


def run_and_compare(pe, pairs, *, share, idle=0.0, seed=0):
    """Runs pairs of encoded activations (1, K) and weights (share, K) as blocks back to back; compares outputs."""
    golden = for_scheme(pe.scheme)
    run = Bench(pe, share=share, mode=pe.mode, idle=idle, seed=seed).run(
        [block_of(pe, golden, a, w, pe.mode) for a, w in pairs])
    for (a, w), outputs in zip(pairs, run.outputs, strict=True):
        assert [outputs] == bits(golden.matmul(a, w))
    return run


def flags(edge, operand, beats):
    """The edge's flag after each of the beats (word of the operand, valid)."""
    seen = []

    async def testbench(ctx):
        for word, valid in beats:
            ctx.set(getattr(edge, operand), word)
            ctx.set(edge.ctl.valid, valid)
            await ctx.tick()
            seen.append(ctx.get(edge.flag))

    sim = Simulator(edge)
    sim.add_clock(1e-6)
    sim.add_testbench(testbench)
    sim.run()
    return seen
