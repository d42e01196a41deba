import random

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from gemmsmith.arith.digits import DigitAccumulator, DigitLayout, DigitRecoder
from gemmsmith.arith.tech import targeting


class Both(wiring.Component):
    """Weights as codes, recoded on the way to the accumulator."""

    def __init__(self, **sizes):
        self.accumulator = DigitAccumulator(**sizes)
        self.lanes, self.layout = sizes["lanes"], sizes["layout"]
        super().__init__({"valid": In(1), "first": In(1), "a": In(self.accumulator.a.shape()),
                          "w": In(self.layout.weight_width * self.lanes), "o": Out(self.accumulator.o.shape())})

    def elaborate(self, platform):
        m = Module()
        m.submodules.recoder = recoder = DigitRecoder(lanes=self.lanes, layout=self.layout)
        m.submodules.accumulator = accumulator = self.accumulator
        m.d.comb += [recoder.w.eq(self.w), accumulator.digits.eq(recoder.digits), accumulator.ones.eq(recoder.ones),
                     accumulator.valid.eq(self.valid), accumulator.first.eq(self.first), accumulator.a.eq(self.a),
                     self.o.eq(accumulator.o)]
        return m


def run(beats, *, target="generic", **sizes):
    """Sums after each of the beats (valid, first, activations, weights)."""
    dut, seen = Both(**sizes), []

    async def testbench(ctx):
        for valid, first, a, w in beats:
            ctx.set(dut.valid, valid)
            ctx.set(dut.first, first)
            for lane, value in enumerate(a):
                ctx.set(dut.a[lane], value)
            bits = dut.layout.weight_width
            ctx.set(dut.w, sum((value & (1 << bits) - 1) << bits * lane for lane, value in enumerate(w)))
            await ctx.tick()
            seen.append(ctx.get(dut.o))

    with targeting(target):
        sim = Simulator(dut)
        sim.add_clock(1e-6)
        sim.add_testbench(testbench)
        sim.run()
    return seen


@pytest.mark.parametrize("target", ["generic", "asic"])
@pytest.mark.parametrize(("layout", "weights"), [
    (DigitLayout(1), range(2)), (DigitLayout(2, ternary=True), range(-1, 2)), (DigitLayout(2), range(-2, 2)),
    (DigitLayout(4), range(-8, 8)), (DigitLayout(6), range(-32, 32)), (DigitLayout(8), range(-128, 128))])
def test_every_activation_times_every_weight(layout, weights, target):
    pairs = [(a, w) for a in range(-16, 16) for w in weights]
    seen = run([(1, 1, [a], [w]) for a, w in pairs], target=target, lanes=1, a_width=5, layout=layout, width=13)
    assert seen == [a * w for a, w in pairs]


@pytest.mark.parametrize(("target", "lanes", "a_width"), [("generic", 3, 4), ("asic", 3, 4), ("generic", 8, 14)])
def test_sums_over_beats(target, lanes, a_width):
    rng, largest = random.Random(lanes), (1 << a_width - 1) - 1
    beats, expected, total = [(1, 1, [0] * lanes, [0] * lanes)], [0], 0
    for n in range(100):
        a = rng.choices([-largest - 1, largest, 0, -1, rng.randint(-largest, largest)], k=lanes)
        w = rng.choices([-8, 7, 0, rng.randint(-8, 7)], k=lanes)
        valid, first = n < 4 or rng.random() < 0.8, n % 4 == 0
        if valid:
            total = (0 if first else total) + sum(x * y for x, y in zip(a, w, strict=True))
        beats.append((valid, first, a, w))
        expected.append(total)
    width = a_width + 16
    assert run(beats, target=target, lanes=lanes, a_width=a_width, layout=DigitLayout(4), width=width) == expected
    assert len(set(expected)) > 50


@pytest.mark.parametrize("name", ["lanes", "a_width", "width"])
def test_arguments_are_checked(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
        DigitAccumulator(**({"lanes": 1, "a_width": 8, "width": 8, "layout": DigitLayout(4)} | {name: 0}))
    with pytest.raises(ValueError, match="lanes must be at least 1, not 0"):
        DigitRecoder(lanes=0, layout=DigitLayout(4))


def test_digits_are_checked():
    for width in (0, 3):
        with pytest.raises(ValueError, match=f"width must be 1 or even, not {width}"):
            DigitLayout(width)
    with pytest.raises(ValueError, match="width of ternary weights must be 2, not 4"):
        DigitLayout(4, ternary=True)
