"""Rows of FP16 codes for a compressor, and what it must make of them, from the golden model."""

import random
from dataclasses import dataclass

import numpy as np

from busmodels.streams import Bench, drive, watch
from gemmsmith_sim.golden.prealigned import align

GROUP = 64


@dataclass
class Groups:
    """Compressed groups, in order: ``signs`` and ``planes`` (groups, m; most significant first) as words of 64 bits."""

    exponents: np.ndarray
    signs: np.ndarray
    planes: np.ndarray
    row_ends: np.ndarray
    """Groups that had come when a row ended."""


def assert_equal(got: Groups, want: Groups) -> None:
    assert len(want.signs) > 0
    for name in ("exponents", "signs", "planes", "row_ends"):
        np.testing.assert_array_equal(getattr(got, name), getattr(want, name), err_msg=name)


def expected(rows, *, m, nearest) -> Groups:
    """What golden's ``align`` says of rows of FP16 codes."""
    groups = np.concatenate([np.pad(np.asarray(codes, np.uint16), (0, -len(codes) % GROUP)) for codes in rows])
    mantissas, exponents = align(groups.reshape(-1, GROUP), m=m, round="nearest" if nearest else "trunc")
    planes = np.abs(mantissas)[:, None, :] >> np.arange(m)[::-1, None] & 1
    return Groups(exponents[:, 0], _words(mantissas < 0), _words(planes),
                  np.cumsum([-(-len(codes) // GROUP) for codes in rows]))


def _words(bits) -> np.ndarray:
    """Words of 64 bits, the first bit lowest."""
    packed = np.packbits(np.asarray(bits, np.uint8), axis=-1, bitorder="little")
    return np.ascontiguousarray(packed).view("<u8")[..., 0]


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
        self.exponents, self.signs, self.row_ends = [], [], []
        self.planes: list[list[int]] = []
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
            self.signs += [payload.signs >> GROUP * k & (1 << GROUP) - 1 for k in range(count)]
            self.exponents += [payload.exponents >> 5 * k & 31 for k in range(count)]
            self.planes += [[] for _ in range(count)]
            if payload.row_last:
                self.row_ends.append(len(self.signs))
        assert not payload.first or self._plane == 0
        assert about == self._open, "what is said of a batch must hold throughout it"
        for k in range(count):
            self.planes[k - count].append(payload.plane >> GROUP * k & (1 << GROUP) - 1)
        self._plane += 1
        assert payload.last == (self._plane == self.m)
        self._plane %= self.m

    def complete(self, count):
        """Whether ``count`` groups have come, with all their planes."""
        return len(self.planes) == count and self._plane == 0

    def groups(self):
        return Groups(np.array(self.exponents), np.array(self.signs, np.uint64), np.array(self.planes, np.uint64),
                      np.array(self.row_ends))


def compress(dut, *jobs, in_rate=1.0, out_rate=1.0, seed=0, cycles=20_000):
    """Runs jobs (rows, m, nearest) one after another through ``dut``, compares every bit with golden, and returns the
    cycles that each took."""
    bench, rng = Bench(dut, cycles=cycles), random.Random(seed)
    waiting, taken, sink = [], [], []

    async def run(ctx):
        for rows, m, nearest in jobs:
            want, collector = expected(rows, m=m, nearest=nearest), Collector(dut.lanes, m)
            ctx.set(dut.m, m)
            ctx.set(dut.nearest, nearest)
            await ctx.tick().repeat(2)
            sink[:], waiting[:] = [collector], beats(rows, dut.elements)
            taken.append(-1)  # the driver looks at `waiting` behind the next edge
            while not collector.complete(len(want.signs)):
                await ctx.tick()
                taken[-1] += 1
            assert_equal(collector.groups(), want)

    bench.add(drive, dut.i, lambda: waiting.pop(0) if waiting else None, rng=rng, rate=in_rate, background=True)
    bench.add(watch, dut.o, lambda payload: sink[0].take(payload), rng=rng, rate=out_rate, background=True)
    bench.add(run)
    bench.run()
    assert len(taken) == len(jobs) > 0
    return taken


def random_codes(rng, count):
    """FP16 codes of all kinds: near each other in exponent, or anything, infinities and NaNs among them."""
    base = int(rng.integers(0, 32))
    exponents = np.clip(base - rng.geometric(0.3, count), 0, 31) if rng.random() < 0.8 else rng.integers(0, 32, count)
    fractions = rng.choice([0, 1, 1023, 512, 511, 513], count) if rng.random() < 0.2 else rng.integers(0, 1024, count)
    codes = rng.integers(0, 2, count) << 15 | exponents << 10 | fractions
    return np.where(rng.random(count) < 0.1, rng.choice([0, 0x8000, 1, 0x8001], count), codes).astype(np.uint16)
