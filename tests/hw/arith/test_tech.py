from itertools import product

import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.sim import Simulator

from gemmsmith.arith.tech import ecp5, leaf, registry, targeting, variant


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="no leaf is called 'nand'; there are accumulate, accumulate_chosen, "):
        leaf("nand")
    with pytest.raises(ValueError, match="target must be one of generic"):
        leaf("gated_sum", "vacuum_tube")
    with pytest.raises(ValueError, match="target must be one of generic"), targeting("vacuum_tube"):
        pass
    with pytest.raises(ValueError, match="already has a variant for generic"):
        variant("gated_sum")(lambda m: m)


def test_a_target_prefers_its_own_variants_and_falls_back(monkeypatch):
    monkeypatch.setattr(registry, "TARGETS", ("generic", "breadboard"))
    monkeypatch.setattr(registry, "_leaves", dict(registry._leaves))

    @variant("gated_sum", "breadboard")
    def special(m, a, gate_a, b, gate_b):
        raise NotImplementedError

    portable = leaf("gated_sum")
    assert portable is not special
    with targeting("breadboard"):
        assert leaf("gated_sum") is special
        assert leaf("gated_sum", "generic") is portable
        assert leaf("accumulate") is leaf("accumulate", "generic")
    assert leaf("gated_sum") is portable


def _drive(inputs, output, vectors, m):
    """Outputs of a combinational function for every vector."""
    seen = []

    async def testbench(ctx):
        for vector in vectors:
            for signal, value in zip(inputs, vector, strict=True):
                ctx.set(signal, value)
            seen.append(ctx.get(output))

    sim = Simulator(m)
    sim.add_testbench(testbench)
    sim.run()
    assert len(seen) == len(vectors) > 0
    return seen


def test_gated_sum_exhaustively():
    m = Module()
    a, b, gates, o = Signal(signed(4)), Signal(signed(4)), Signal(2), Signal(signed(5))
    total = leaf("gated_sum")(m, [a, b], list(gates), ())
    assert total.shape() == signed(5)
    m.d.comb += o.eq(total)
    vectors = [(x, y, g) for x in range(-8, 8) for y in range(-8, 8) for g in range(4)]
    assert _drive((a, b, gates), o, vectors, m) == [x * (g & 1) + y * (g >> 1) for x, y, g in vectors]


@pytest.mark.parametrize("negative", [False, True])
def test_gated_pair_exhaustively(negative):
    m = Module()
    word, gates, o = Signal(signed(4)), Signal(2), Signal(signed(6))
    total = leaf("gated_pair")(m, word, gates, negative)
    assert total.shape() == signed(6)
    m.d.comb += o.eq(total)
    vectors = [(x, g) for x in range(-8, 8) for g in range(4)]
    expected = [x * (g & 1) + (-2 if negative else 2) * x * (g >> 1) for x, g in vectors]
    assert _drive((word, gates), o, vectors, m) == expected


def test_a_chain_that_would_not_add_is_refused():
    with pytest.raises(ValueError, match=r"g\(0, 0\) must be 0"):
        ecp5.init(lambda a, _: a, lambda c, _: not c)


@pytest.mark.parametrize("subtracts", [False, True])
def test_accumulate_exhaustively(subtracts):
    m = Module()
    kept, x, clear, subtract = Signal(signed(5)), Signal(signed(4)), Signal(), Signal()
    o = Signal(signed(5))
    total = leaf("accumulate")(m, kept, clear, x, *([subtract] if subtracts else []))
    assert total.shape() == signed(5)
    m.d.comb += o.eq(total)
    vectors = [(k, c, v, s) for k in range(-16, 16) for c in (0, 1) for v in range(-8, 8) for s in range(1 + subtracts)]
    expected = [((0 if c else k) + (-v if s else v) + 16) % 32 - 16 for k, c, v, s in vectors]
    assert _drive((kept, clear, x, subtract), o, vectors, m) == expected


def test_accumulate_segment_exhaustively():
    m = Module()
    kept, clear, x, carry, o = Signal(3), Signal(), Signal(3), Signal(), Signal(4)
    total = leaf("accumulate_segment")(m, kept, clear, x, carry)
    assert len(total) == 5
    m.d.comb += o.eq(total)
    vectors = list(product(range(8), (0, 1), range(8), (0, 1)))
    assert _drive((kept, clear, x, carry), o, vectors, m) == [(0 if c else k) + v + n for k, c, v, n in vectors]


def test_negate_lanes_exhaustively():
    """Two parts of three bits: two numbers, or one."""
    m = Module()
    word, minus, joined, o = Signal(6), Signal(2), Signal(2), Signal(6)
    m.d.comb += o.eq(leaf("negate_lanes")(m, word, minus, joined))
    vectors = [(w, s, j) for w in range(64) for s, j in ((0, 0), (1, 0), (2, 0), (3, 0), (0, 2), (3, 2))]
    expected = [(-w if s else w) % 64 if j else
                ((-w if s & 1 else w) % 8) | ((-(w >> 3) if s & 2 else w >> 3) % 8) << 3 for w, s, j in vectors]
    assert _drive((word, minus, joined), o, vectors, m) == expected


def test_gated_parts_exhaustively():
    m = Module()
    word, gates, lower, upper, o = Signal(4), Signal(2), Signal(), Signal(), Signal(6)
    total = leaf("gated_parts")(m, word, gates, 1, lower, upper)
    assert len(total) == 6
    m.d.comb += o.eq(total)
    vectors = list(product(range(16), range(4), (0, 1), (0, 1)))
    expected = [(w & (1 * low | 14 * high)) * g for w, g, low, high in vectors]
    assert _drive((word, gates, lower, upper), o, vectors, m) == expected
