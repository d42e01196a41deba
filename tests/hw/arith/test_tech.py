import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.sim import Simulator

from gemmsmith.arith.tech import leaf, registry, targeting, variant


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="no leaf is called 'nand'; there are accumulate, gated_add, tree_sum"):
        leaf("nand")
    with pytest.raises(ValueError, match="target must be one of generic"):
        leaf("gated_add", "vacuum_tube")
    with pytest.raises(ValueError, match="target must be one of generic"), targeting("vacuum_tube"):
        pass
    with pytest.raises(ValueError, match="already has a variant for generic"):
        variant("gated_add")(lambda m: m)


def test_a_target_prefers_its_own_variants_and_falls_back(monkeypatch):
    monkeypatch.setattr(registry, "TARGETS", ("generic", "breadboard"))
    monkeypatch.setattr(registry, "_leaves", dict(registry._leaves))

    @variant("gated_add", "breadboard")
    def special(m, a, gate_a, b, gate_b):
        raise NotImplementedError

    portable = leaf("gated_add")
    assert portable is not special
    with targeting("breadboard"):
        assert leaf("gated_add") is special
        assert leaf("gated_add", "generic") is portable
        assert leaf("tree_sum") is leaf("tree_sum", "generic")
    assert leaf("gated_add") is portable


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


def test_gated_add_exhaustively():
    m = Module()
    a, b, gate_a, gate_b = Signal(signed(4)), Signal(signed(4)), Signal(), Signal()
    o = Signal(signed(5))
    total = leaf("gated_add")(m, a, gate_a, b, gate_b)
    assert total.shape() == signed(5)
    m.d.comb += o.eq(total)
    vectors = [(x, g, y, h) for x in range(-8, 8) for y in range(-8, 8) for g in (0, 1) for h in (0, 1)]
    assert _drive((a, gate_a, b, gate_b), o, vectors, m) == [x * g + y * h for x, g, y, h in vectors]


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
