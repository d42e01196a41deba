"""Stalling drivers and watchers of streams for pysim test benches."""

import random
from collections.abc import Callable, Iterable
from typing import Any

from amaranth.hdl import ClockDomain, Const, Elaboratable, Module, Value
from amaranth.sim import Simulator

__all__ = ["Bench", "cycles_until", "drain", "drive", "from_list", "watch"]

_NEVER = Const(0)


class Bench:
    """A simulator around one component with a clock, a reset that tests may pull, and a time limit."""

    def __init__(self, dut: Elaboratable, *, cycles: int = 20_000):
        self._cycles = cycles
        self.domain = ClockDomain("sync")
        self._top = Module()
        self._top.domains += self.domain
        self._top.submodules.dut = dut
        self._sim = Simulator(self._top)
        self._sim.add_clock(1e-6)
        self._sim.add_testbench(self._limit, background=True)

    def add(self, process: Callable[..., Any], *args: Any, background: bool = False, **kwargs: Any) -> None:
        """Run `process(ctx, *args, **kwargs)` beside the others."""

        async def testbench(ctx: Any) -> None:
            await process(ctx, *args, **kwargs)

        self._sim.add_testbench(testbench, background=background)

    async def _limit(self, ctx: Any) -> None:
        for _ in range(self._cycles):
            await ctx.tick()
        raise TimeoutError(f"the bench did not finish within {self._cycles} cycles")

    def run(self) -> None:
        """Simulate until every process that is not a background one has ended."""
        self._sim.run()


def from_list(items: Iterable[Any]) -> Callable[[], Any]:
    """A source for `drive` that offers `items` one by one and then nothing."""
    rest = iter(items)
    return lambda: next(rest, None)


async def drive(
    ctx: Any, stream: Any, source: Callable[[], Any], *, rng: random.Random, rate: float = 0.5
) -> None:
    """Offer what `source` returns (None: nothing now) in a share `rate` of the cycles, until it is taken."""
    while True:
        item = source() if rng.random() < rate else None
        if item is not None:
            ctx.set(stream.payload, item)
            ctx.set(stream.valid, 1)
        while True:
            _, reset, ready = await ctx.tick().sample(stream.ready)
            if reset or ready or item is None:
                break
        ctx.set(stream.valid, 0)


async def watch(
    ctx: Any, stream: Any, sink: Callable[[Any], None], *, rng: random.Random, rate: float = 0.5,
    withdrawal: Any = _NEVER,
) -> None:
    """Be ready in a share `rate` of the cycles, hand every payload to `sink`, and check the contract.

    VALID is low after a reset, and stays up with a stable payload until READY unless `withdrawal` is high.
    """
    bits = Value.cast(stream.payload)
    offered = None
    was_reset = False
    while True:
        ready = rng.random() < rate
        ctx.set(stream.ready, ready)
        _, reset, valid, payload, raw, excused = await ctx.tick().sample(
            stream.valid, stream.payload, bits, withdrawal
        )
        assert not (was_reset and valid), "VALID is up in reset"
        if offered is not None:
            assert valid, "VALID fell before READY"
            assert raw == offered, "the payload changed before READY"
        offered = raw if valid and not (ready or reset or excused) else None
        was_reset = bool(reset)
        if valid and ready and not reset:
            sink(payload)


async def cycles_until(ctx: Any, signal: Any) -> int:
    """Cycles after the present one until `signal` is high."""
    cycles = 0
    while not ctx.get(signal):
        await ctx.tick()
        cycles += 1
    return cycles


async def drain(ctx: Any, done: Callable[[], bool]) -> None:
    """Wait until `done()`."""
    while not done():
        await ctx.tick()
