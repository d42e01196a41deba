"""Rows of FP16 codes for a compressor, and what it must make of them, from the golden model."""

import random
from dataclasses import dataclass, field

import numpy as np

from busmodels.streams import Bench, drain, drive, from_list, watch
from gemmsmith_sim.golden.anda import align

GROUP = 64


@dataclass
class Groups:
    """Compressed groups, in order: ``signs`` and ``planes`` (m of them, most significant first) as 64-bit integers."""

    exponents: list[int] = field(default_factory=list)
    signs: list[int] = field(default_factory=list)
    planes: list[list[int]] = field(default_factory=list)
    row_ends: list[int] = field(default_factory=list)
    """Groups that had come when a row ended."""


def expected(rows, *, m, nearest) -> Groups:
    """What golden's ``align`` says of rows of FP16 codes."""
    groups = Groups()
    for codes in rows:
        padded = np.pad(np.asarray(codes, np.uint16), (0, -len(codes) % GROUP)).reshape(-1, GROUP)
        mantissas, exponents = align(padded, m=m, round="nearest" if nearest else "trunc")
        groups.exponents += [int(e) for e in exponents[:, 0]]
        groups.signs += [_word(row < 0) for row in mantissas]
        groups.planes += [[_word(np.abs(row) >> m - 1 - p & 1) for p in range(m)] for row in mantissas]
        groups.row_ends.append(len(groups.signs))
    return groups


def _word(bits) -> int:
    return int.from_bytes(np.packbits(np.asarray(bits, np.uint8), bitorder="little").tobytes(), "little")


def beats(rows, elements):
    """Beats of rows of codes, the last one of a row filled with zeros."""
    items = []
    for codes in rows:
        padded = np.pad(np.asarray(codes, np.uint16), (0, -len(codes) % elements)).reshape(-1, elements)
        items += [{"codes": int.from_bytes(beat.astype("<u2").tobytes(), "little"), "last": k == len(padded) - 1}
                  for k, beat in enumerate(padded)]
    return items


class Collector:
    """Takes batches apart, and checks what is said of them."""

    def __init__(self, lanes, m):
        self.lanes, self.m = lanes, m
        self.groups = Groups()
        self._open = None
        self._plane = 0

    def take(self, payload):
        count = payload.count
        about = (payload.signs, payload.exponents, count, payload.row_last)
        if self._plane == 0:
            assert payload.first
            assert 1 <= count <= self.lanes
            assert count == self.lanes or payload.row_last, "only the last batch of a row may be partly filled"
            self._open = about
            self.groups.signs += [payload.signs >> GROUP * k & (1 << GROUP) - 1 for k in range(count)]
            self.groups.exponents += [payload.exponents >> 5 * k & 31 for k in range(count)]
            self.groups.planes += [[] for _ in range(count)]
            if payload.row_last:
                self.groups.row_ends.append(len(self.groups.signs))
        assert not payload.first or self._plane == 0
        assert about == self._open, "what is said of a batch must hold throughout it"
        for k in range(count):
            self.groups.planes[k - count].append(payload.plane >> GROUP * k & (1 << GROUP) - 1)
        self._plane += 1
        assert payload.last == (self._plane == self.m)
        self._plane %= self.m


def compress(dut, rows, *, m, nearest=False, in_rate=1.0, out_rate=1.0, seed=0, cycles=20_000):
    """Runs rows through ``dut``, compares every bit with golden, and returns the cycles it took."""
    want = expected(rows, m=m, nearest=nearest)
    assert want.signs
    collector, rng, took = Collector(dut.lanes, m), random.Random(seed), []
    bench = Bench(dut, cycles=cycles)

    async def configure(ctx):
        ctx.set(dut.m, m)
        ctx.set(dut.nearest, nearest)

    async def count(ctx):
        while not collector.groups.planes or len(collector.groups.planes) < len(want.planes) or (
                len(collector.groups.planes[-1]) < m):
            await ctx.tick()
            took.append(1)

    bench.add(configure)
    bench.add(drive, dut.i, from_list(beats(rows, dut.elements)), rng=rng, rate=in_rate, background=True)
    bench.add(watch, dut.o, collector.take, rng=rng, rate=out_rate, background=True)
    bench.add(count)
    bench.run()
    assert collector.groups == want
    return len(took)


def random_codes(rng, count):
    """FP16 codes of all kinds: near each other in exponent, or anything, infinities and NaNs among them."""
    base = int(rng.integers(0, 32))
    exponents = np.clip(base - rng.geometric(0.3, count), 0, 31) if rng.random() < 0.8 else rng.integers(0, 32, count)
    fractions = rng.choice([0, 1, 1023, 512, 511, 513], count) if rng.random() < 0.2 else rng.integers(0, 1024, count)
    codes = rng.integers(0, 2, count) << 15 | exponents << 10 | fractions
    return np.where(rng.random(count) < 0.1, rng.choice([0, 0x8000, 1, 0x8001], count), codes).astype(np.uint16)
