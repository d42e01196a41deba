"""Combining the sums of bit planes into one integer."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.sum import levels


class PlaneCombine(wiring.Component):
    """Σ 2^b · plane_b over the planes of a word; in two's complement, the last plane counts −2^(planes−1).

    Latency ``levels(planes)`` cycles, or one less if planes come in pairs; one result a cycle. A single plane is
    negated combinationally.

    Parameters
    ----------
    planes: number of planes, at least 1.
    width: bits of a plane's (signed) sum, at least 1.
    paired: neighbours 2b and 2b + 1 come combined, plane_2b + 2 · plane_(2b+1), the last pair with a minus; ``planes``
        must be even then.
    twos_complement: whether the last plane is that of the sign.

    Members
    -------
    i: In(ArrayLayout(signed(width), planes)), least significant plane first; ``paired``:
        In(ArrayLayout(signed(width + 2), planes / 2)).
    o: Out(signed(width + planes)): exact.

    Raises
    ------
    ValueError if ``planes`` or ``width`` is below 1, or ``planes`` odd and ``paired``.
    """

    def __init__(self, *, planes: int, width: int, paired: bool = False, twos_complement: bool = True):
        if planes < 1:
            raise ValueError(f"planes must be at least 1, not {planes!r}")
        if width < 1:
            raise ValueError(f"width must be at least 1, not {width!r}")
        if paired and planes % 2:
            raise ValueError(f"planes must be even if they come in pairs, not {planes!r}")
        self.planes = planes
        self.width = width
        self.paired = paired
        self.twos_complement = twos_complement
        layout = data.ArrayLayout(signed(width + 2), planes // 2) if paired else data.ArrayLayout(signed(width), planes)
        super().__init__({"i": In(layout), "o": Out(signed(width + planes))})

    @property
    def latency(self) -> int:
        return levels(self.planes) - self.paired

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        # A node is the sum of ``span`` neighbouring planes; a pair of nodes is added with the upper one shifted by
        # the lower one's span, whose low bits pass by the adder. The rightmost path carries the sign plane, if any.
        span = 1 + self.paired
        nodes = [(self.i[b], span) for b in range(self.planes // span)]
        negative = self.twos_complement and not self.paired
        while len(nodes) > 1:
            pairs = list(zip(nodes[::2], nodes[1::2], strict=False))
            merged = []
            for n, ((low, shift), (high, span)) in enumerate(pairs):
                rest = low >> shift
                minus = negative and 2 * n + 2 == len(nodes)
                total = rest - high if minus else rest + high
                node = Signal(signed(self.width + shift + span), name=f"planes_{shift + span}_{n}", reset_less=True)
                m.d.sync += node.eq(Cat(low[:shift], total).as_signed())
                merged.append((node, shift + span))
            if len(nodes) % 2:
                node = Signal.like(nodes[-1][0], name=f"odd_{len(nodes)}", reset_less=True)
                m.d.sync += node.eq(nodes[-1][0])
                merged.append((node, nodes[-1][1]))
            else:
                negative = False
            nodes = merged
        m.d.comb += self.o.eq(-nodes[0][0] if negative else nodes[0][0])
        return m
