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
