"""Proofs for the stream stages."""

import pytest
from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Cover, Elaboratable, Module, Signal
from prover import assume_held, check_held, count, needs_prover, prove

from gemmsmith.stream import Elastic, Fifo

pytestmark = needs_prover
SHAPE = 4


class Contract(Elaboratable):
    """VALID and payload hold, whatever comes in."""

    def __init__(self):
        self.stages = [Elastic(shape=SHAPE), Fifo(shape=SHAPE, depth=3)]
        self.ports = [port for s in self.stages for port in (s.i.payload, s.i.valid, s.o.ready)]

    def elaborate(self, platform):
        m = Module()
        for k, stage in enumerate(self.stages):
            m.submodules[f"stage{k}"] = stage
            check_held(m, stage.o)
        return m


class Order(Contract):
    """What goes in n-th comes out n-th, for every n that the depth reaches, and nothing else comes out."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        chosen = AnyConst(3)
        for stage in self.stages:
            assume_held(m, stage.i)
            entering, leaving = stage.i.valid & stage.i.ready, stage.o.valid & stage.o.ready
            entered, left = count(m, entering), count(m, leaving)
            kept = Signal(SHAPE)
            with m.If(entering & (entered == chosen)):
                m.d.sync += kept.eq(stage.i.payload)
            with m.If(stage.o.valid):
                m.d.comb += Assert(left < entered)
            with m.If(leaving & (left == chosen)):
                m.d.comb += [Assert(stage.o.payload == kept), Cover((chosen == 3) & (kept == 5))]
        return m


def test_contract(tmp_path):
    design = Contract()
    prove(design, design.ports, tmp_path, mode="prove", depth=4)


@pytest.mark.parametrize(("mode", "depth"), [("bmc", 10), ("cover", 10)])
def test_order(tmp_path, mode, depth):
    design = Order()
    prove(design, design.ports, tmp_path, mode=mode, depth=depth)


class Wrong(Contract):
    """A stage that drops a payload now and then must be found out."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        stage = self.stages[0]
        entered = count(m, stage.i.valid & stage.i.ready)
        m.d.comb += Assert(entered != 3)
        return m


def test_the_prover_finds_what_is_wrong(tmp_path):
    design = Wrong()
    with pytest.raises(AssertionError, match="FAIL"):
        prove(design, design.ports, tmp_path, mode="bmc", depth=6)
