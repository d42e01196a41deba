"""Integer dot products by bit planes."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.planes import PlaneCombine
from gemmsmith.arith.sum import GatedSum, check_tree, levels
from gemmsmith.arith.tech import leaf
from gemmsmith.arith.tech.portable import balanced_sum, stage


class PlaneDot(wiring.Component):
    """Dot product Σ a_i · w_i of integers, exact.

    For each bit plane of ``w`` the gated ``a`` are summed over the lanes; the planes' sums are combined last. Adding
    over lanes first keeps the adders as narrow as they can be, and the shifts are paid once, not per lane.

    Latency ``levels(lanes) + levels(w_width)`` cycles, one dot product a cycle.

    Parameters
    ----------
    lanes: products per dot product, at least 1.
    a_width, w_width: bits of an operand, at least 1 (``w_width`` planes).
    twos_complement: whether ``w`` has a sign; else it is unsigned.

    Members
    -------
    a: In(ArrayLayout(signed(a_width), lanes)). w: In(ArrayLayout(w_width, lanes)).
    o: Out(signed(a_width + w_width + levels(lanes))).

    Raises
    ------
    ValueError if an argument is below 1.
    """

    def __init__(self, *, lanes: int, a_width: int, w_width: int, twos_complement: bool = True):
        for name, value in (("lanes", lanes), ("a_width", a_width), ("w_width", w_width)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, not {value!r}")
        self.lanes = lanes
        self.a_width = a_width
        self.w_width = w_width
        self.twos_complement = twos_complement
        super().__init__({"a": In(data.ArrayLayout(signed(a_width), lanes)),
                          "w": In(data.ArrayLayout(w_width, lanes)),
                          "o": Out(signed(a_width + w_width + levels(lanes)))})

    @property
    def latency(self) -> int:
        return levels(self.lanes) + levels(self.w_width)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        paired = self.lanes == 1 and self.w_width % 2 == 0
        m.submodules.combine = combine = PlaneCombine(
            planes=self.w_width, width=self.a_width + levels(self.lanes), paired=paired,
            twos_complement=self.twos_complement)
        if paired:
            self._pairs(m, combine)
        else:
            self._planes(m, combine)
        m.d.comb += self.o.eq(combine.o)
        return m

    def _planes(self, m: Module, combine: PlaneCombine) -> None:
        """Each plane summed over the lanes."""
        for b in range(self.w_width):
            m.submodules[f"plane_{b}"] = plane = GatedSum(count=self.lanes, width=self.a_width)
            m.d.comb += [
                plane.words.eq(self.a),
                plane.gates.eq(Cat(self.w[lane][b] for lane in range(self.lanes))),
                combine.i[b].eq(plane.o),
            ]

    def _pairs(self, m: Module, combine: PlaneCombine) -> None:
        """A single lane has nothing to sum over: gates and adders of two planes are one structure."""
        for k in range(self.w_width // 2):
            gates = Value.cast(self.w[0])[2 * k:2 * k + 2]
            pair = leaf("gated_pair")(m, self.a[0], gates, self.twos_complement and 2 * k + 2 == self.w_width)
            m.d.comb += combine.i[k].eq(stage(m, pair, registered=True, name=f"pair_{k}"))


class TernaryDot(wiring.Component):
    """Dot product Σ a_i · w_i with w of −1, 0, 1, less the number of −1 among them: a word is complemented to be
    subtracted, and the ones that make negatives of complements are left to be counted where weights enter, once for all
    dot products with the same weights.

    Latency ``levels(lanes) + 1`` cycles, one dot product a cycle.

    Parameters
    ----------
    lanes: products per dot product, at least 1. a_width: bits of an activation, at least 1.

    Members
    -------
    a: In(ArrayLayout(signed(a_width), lanes)). w: In(ArrayLayout(2, lanes)), two's complement.
    o: Out(signed(a_width + levels(lanes))).

    Raises
    ------
    ValueError if an argument is below 1.
    """

    def __init__(self, *, lanes: int, a_width: int):
        self.cuts = check_tree(lanes, a_width, None)
        self.lanes = lanes
        super().__init__({"a": In(data.ArrayLayout(signed(a_width), lanes)), "w": In(data.ArrayLayout(2, lanes)),
                          "o": Out(signed(a_width + levels(lanes)))})

    @property
    def latency(self) -> int:
        return len(self.cuts) + 1

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        lanes = range(self.lanes)
        present, negative = (Cat(self.w[lane][b] for lane in lanes) for b in (0, 1))
        m.d.comb += self.o.eq(leaf("ternary_sum")(m, [self.a[lane] for lane in lanes], present, negative, self.cuts))
        return m


class ProductDot(wiring.Component):
    """Dot product Σ a_i · w_i of integers, exact, with a multiplier per lane and adders as synthesis makes them:
    what the others are compared with. Products and sum are registered.

    Parameters
    ----------
    lanes, a_width, w_width, twos_complement: as those of ``PlaneDot``.

    Members
    -------
    a: In(ArrayLayout(signed(a_width), lanes)). w: In(ArrayLayout(w_width, lanes)).
    o: Out(signed(a_width + w_width + levels(lanes))).
    """

    latency = 2

    def __init__(self, *, lanes: int, a_width: int, w_width: int, twos_complement: bool = True):
        self.lanes = lanes
        self.twos_complement = twos_complement
        super().__init__({"a": In(data.ArrayLayout(signed(a_width), lanes)),
                          "w": In(data.ArrayLayout(w_width, lanes)),
                          "o": Out(signed(a_width + w_width + levels(lanes)))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        weights = [Value.cast(self.w[lane]) for lane in range(self.lanes)]
        if self.twos_complement:
            weights = [w.as_signed() for w in weights]
        products = [stage(m, self.a[lane] * w, registered=True, name=f"product_{lane}")
                    for lane, w in enumerate(weights)]
        m.d.comb += self.o.eq(stage(m, balanced_sum(products), registered=True, name="sum"))
        return m
