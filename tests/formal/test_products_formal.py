"""Products by shift and add equal ``*``, proved for all operands: every structure in which a dot product may stand."""

import pytest
from amaranth.hdl import Module, Signal, signed, unsigned
from prover import FPGAS, prove_always

from gemmsmith.arith.digits import DigitAccumulator, DigitLayout, DigitRecoder
from gemmsmith.arith.dot import PlaneDot
from gemmsmith.arith.sum import delay
from gemmsmith.arith.tech import targeting


def prove_product(folder, target, *, a_width, w_width, build):
    """``build(m, a, w)`` adds a product and gives it, with its latency."""
    m = Module()
    a = Signal(signed(a_width))
    w = Signal(signed(w_width) if w_width > 1 else unsigned(1))
    with targeting(target):
        product, latency = build(m, a, w)
        equal = Signal()
        expected = Signal.like(a * w, name="expected")
        m.d.comb += [expected.eq(a * w), equal.eq(product == delay(m, expected, latency, name="late", reset_less=True))]
        prove_always(m, [a, w], equal, folder, target=target, latency=latency)


def sizes(*w_widths):
    """Bits of activations and of weights; the largest are in the long tier."""
    return [pytest.param(a, w, marks=pytest.mark.slow if (a, w) == (8, 8) else ()) for a in (4, 8) for w in w_widths]


@pytest.mark.parametrize(("a_width", "w_width"), sizes(1, 2, 3, 4, 5, 8))  # a single bit is 0 or 1
def test_planes(a_width, w_width, tmp_path):
    prove_planes(tmp_path, "generic", a_width, w_width)


@pytest.mark.parametrize("target", FPGAS)
@pytest.mark.parametrize(("a_width", "w_width"), sizes(2, 4, 8))
def test_planes_of_a_technology(a_width, w_width, target, tmp_path):
    prove_planes(tmp_path, target, a_width, w_width)


def prove_planes(folder, target, a_width, w_width):
    def build(m, a, w):
        m.submodules.dot = dot = PlaneDot(lanes=1, a_width=a_width, w_width=w_width, twos_complement=w_width > 1)
        m.d.comb += [dot.a[0].eq(a), dot.w[0].eq(w)]
        return dot.o, dot.latency

    prove_product(folder, target, a_width=a_width, w_width=w_width, build=build)


@pytest.mark.parametrize("target", ["generic", "asic"])
@pytest.mark.parametrize(("a_width", "w_width"), sizes(1, 2, 4, 6, 8))
def test_digits(a_width, w_width, target, tmp_path):
    def build(m, a, w):
        layout = DigitLayout(w_width)
        m.submodules.recoder = recoder = DigitRecoder(lanes=1, layout=layout)
        m.submodules.sum = total = DigitAccumulator(lanes=1, a_width=a_width, layout=layout, width=a_width + w_width)
        m.d.comb += [recoder.w[0].eq(w), total.digits.eq(recoder.digits), total.ones.eq(recoder.ones),
                     total.a[0].eq(a), total.valid.eq(1), total.first.eq(1)]
        return total.o, total.latency

    prove_product(tmp_path, target, a_width=a_width, w_width=w_width, build=build)
