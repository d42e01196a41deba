"""The leaves of a technology equal the portable ones, proved for all inputs at several sizes.

The cells of the technology are those of Yosys' own models, in which nothing of ours is hidden.
"""

import pytest
from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from prover import FPGAS, prove_always

from gemmsmith.arith.tech import leaf, targeting


def prove_equal(target, folder, build, *, latency=0, plain=False):
    """``build(m, signal)`` gives a leaf's output; ``signal(shape, name)`` is an input, the same for both.

    ``plain``: the variant has no cells of the technology."""
    m, inputs, outputs = Module(), {}, []

    def signal(shape, name):
        return inputs.setdefault(name, Signal(shape, name=name))

    for chosen in ("generic", target):
        with targeting(chosen):
            output = Signal.like(value := build(m, signal), name=chosen)
        m.d.comb += output.eq(value)
        outputs.append(output)
    assert outputs[0].shape() == outputs[1].shape()
    equal = Signal()
    m.d.comb += equal.eq(outputs[0] == outputs[1])
    prove_always(m, list(inputs.values()), equal, folder, target="generic" if plain else target, latency=latency)


@pytest.mark.parametrize("target", FPGAS)
@pytest.mark.parametrize(("count", "width", "cuts"), [
    (2, 1, ()), (2, 4, (1,)), (2, 8, ()), (3, 4, ()), (4, 4, (1, 2)), (5, 3, (2,)), (6, 2, ()), (7, 2, (1, 3)),
    (8, 4, ()), (8, 4, (1, 2, 3)),
])
def test_gated_sum(target, count, width, cuts, tmp_path):
    def build(m, signal):
        words = [signal(signed(width), f"word_{i}") for i in range(count)]
        return leaf("gated_sum")(m, words, list(signal(count, "gates")), cuts)

    prove_equal(target, tmp_path, build, latency=len(cuts))


@pytest.mark.parametrize("target", ["ecp5"])
@pytest.mark.parametrize(("count", "width", "cuts"), [
    (2, 1, ()), (2, 4, (1,)), (3, 4, ()), (4, 4, (1, 2)), (5, 3, (2,)), (8, 3, (1, 2, 3))])
def test_ternary_sum(target, count, width, cuts, tmp_path):
    def build(m, signal):
        words = [signal(signed(width), f"word_{i}") for i in range(count)]
        return leaf("ternary_sum")(m, words, signal(count, "present"), signal(count, "negative"), cuts)

    prove_equal(target, tmp_path, build, latency=len(cuts) + 1)


@pytest.mark.parametrize("target", FPGAS)
@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("width", [1, 5, 8])
def test_gated_pair(target, width, negative, tmp_path):
    def build(m, signal):
        return leaf("gated_pair")(m, signal(signed(width), "word"), signal(2, "gates"), negative)

    prove_equal(target, tmp_path, build)


@pytest.mark.parametrize("target", FPGAS)
@pytest.mark.parametrize("subtracts", [False, True])
@pytest.mark.parametrize(("kept", "x"), [(1, 1), (4, 4), (11, 10), (32, 20)])
def test_accumulate(target, kept, x, subtracts, tmp_path):
    def build(m, signal):
        arguments = [signal(signed(kept), "kept"), signal(1, "clear"), signal(signed(x), "x")]
        return leaf("accumulate")(m, *arguments, *([signal(1, "subtract")] if subtracts else []))

    prove_equal(target, tmp_path, build)


@pytest.mark.parametrize("target", ["ecp5", "asic"])
@pytest.mark.parametrize(("low", "high", "shift", "width"), [(3, 3, 2, 6), (4, 4, 4, 9), (5, 3, 0, 7), (4, 6, 2, 8)])
def test_fused_sum(target, low, high, shift, width, tmp_path):
    def build(m, signal):
        return leaf("fused_sum")(m, signal(signed(low), "low"), signal(signed(high), "high"), signal(1, "fused"), shift,
                                 width)

    prove_equal(target, tmp_path, build)


@pytest.mark.parametrize("target", [*FPGAS, "asic"])
@pytest.mark.parametrize(("count", "width", "cuts", "planes"), [
    (1, 3, (), 1), (4, 2, (), 1), (5, 4, (), 1), (6, 3, (1, 3), 1), (1, 3, (), 2), (2, 4, (), 2), (4, 2, (), 2)])
def test_gated_accumulate(target, count, width, cuts, planes, tmp_path):
    def build(m, signal):
        words = [signal(signed(width), f"word_{i}") for i in range(count)]
        arguments = [signal(signed(width + 4), "kept"), signal(1, "clear"), signal(1, "subtract")]
        gates = [list(signal(count, f"gates_{k}")) for k in range(planes)]
        return leaf("gated_accumulate")(m, words, gates, cuts, *arguments)

    prove_equal(target, tmp_path, build, latency=len(cuts))


@pytest.mark.parametrize("target", ["asic"])
@pytest.mark.parametrize(("widths", "places", "total"), [
    ((4,), (1,), 6), ((3, 5), (0, 1), 7), ((4, 3, 4), (0, 1, 3), 8), ((2, 2, 2, 2, 5), (0, 0, 1, 3, 2), 9),
    ((3, 3, 3, 3, 3, 3), (0, 2, 4, 6, 8, 0), 12)])
def test_sum_rows(target, widths, places, total, tmp_path):
    def build(m, signal):
        rows = [(place, signal(signed(width), f"row_{k}"))
                for k, (width, place) in enumerate(zip(widths, places, strict=True))]
        return leaf("sum_rows")(m, rows, total)

    prove_equal(target, tmp_path, build)


@pytest.mark.parametrize("target", ["asic"])
@pytest.mark.parametrize(("rows", "kept"), [([(0, 3)], 4), ([(0, 4), (2, 4), (0, 2)], 8),
                                            ([(1, 3), (0, 3), (1, 2), (0, 1), (3, 3)], 5)])
def test_rows_accumulate(target, rows, kept, tmp_path):
    def build(m, signal):
        words = [(shift, signal(signed(width), f"word_{i}")) for i, (shift, width) in enumerate(rows)]
        return leaf("rows_accumulate")(m, words, signal(signed(kept), "kept"), signal(1, "clear"))

    prove_equal(target, tmp_path, build)


@pytest.mark.parametrize("target", ["ecp5"])
@pytest.mark.parametrize("width", [1, 5, 8])
def test_accumulate_chosen(target, width, tmp_path):
    def build(m, signal):
        words = [signal(signed(width), name) for name in ("kept", "low", "high")]
        return leaf("accumulate_chosen")(m, *words, signal(1, "choose"))

    prove_equal(target, tmp_path, build)


@pytest.mark.parametrize("target", ["ecp5"])
@pytest.mark.parametrize(("width", "unit"), [(1, 1), (6, 1), (9, 4), (3, 4)])
def test_shift_left(target, width, unit, tmp_path):
    def build(m, signal):
        return leaf("shift_left")(m, signal(signed(width), "word"), signal(2, "distance"), unit)

    prove_equal(target, tmp_path, build, latency=2, plain=True)


@pytest.mark.parametrize("target", ["ecp5", "xcup", "asic"])
@pytest.mark.parametrize("width", [2, 6, 32])
def test_accumulate_segment(target, width, tmp_path):
    """Narrow words repeat their sign, as the leaf demands, and their carry out may be anything."""
    half = width // 2

    def build(m, signal):
        kept, x, narrow = signal(width, "kept"), signal(width, "x"), signal(1, "narrow")
        word = Mux(narrow, Cat(x[:half], x[half - 1].replicate(width - half)), x)
        total = leaf("accumulate_segment")(m, kept, signal(1, "clear"), word, signal(1, "carry"), narrow)
        assert len(total) == width + 2
        stays = total[half:width] == kept[half:]
        return Cat(total[:width], total[width] & ~narrow, total[width + 1] | stays)

    prove_equal(target, tmp_path, build, plain=target == "asic")


@pytest.mark.parametrize("target", ["ecp5"])
@pytest.mark.parametrize(("parts", "size"), [(1, 4), (2, 3), (4, 4)])
def test_negate_lanes(target, parts, size, tmp_path):
    """A joined part has the minus of the one below it, as the leaf demands."""
    def build(m, signal):
        minus, joined = signal(parts, "minus"), signal(parts, "joined")
        same = [minus[0]]
        for part in range(1, parts):
            same.append(Mux(joined[part], same[-1], minus[part]))
        return leaf("negate_lanes")(m, signal(parts * size, "word"), Cat(same), Cat(Const(0, 1), joined[1:]))

    prove_equal(target, tmp_path, build)


@pytest.mark.parametrize("target", ["ecp5", "xcup"])
@pytest.mark.parametrize(("width", "place"), [(3, 1), (8, 4), (13, 7)])
def test_gated_parts(target, width, place, tmp_path):
    def build(m, signal):
        ways = signal(2, "ways")
        return leaf("gated_parts")(m, signal(width, "word"), signal(2, "gates"), place, ways[0], ways[1])

    prove_equal(target, tmp_path, build)
