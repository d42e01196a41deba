"""FP16 numbers to integers with a shared exponent, a beat at a time."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.float_stages import Stages
from gemmsmith.arith.round import FP16
from gemmsmith.arith.sum import delay
from gemmsmith.arith.tech import leaf

LARGEST_EXPONENT = FP16.top_exponent - 1
EXPONENT_WIDTH = FP16.exponent_bits
NEAR = 2
"""Bits of the distance that the first of two stages of the shifter takes."""


def aligned_width(guard: int | None) -> int:
    """Bits of an aligned word."""
    return 1 + FP16.precision + (LARGEST_EXPONENT - 1 if guard is None else guard)


def align_latency(lanes: int, guard: int | None) -> int:
    """Cycles that aligning takes: more if there is a largest exponent to look for."""
    return 5 if guard is None or lanes == 1 else 5 + EXPONENT_WIDTH


class BeatAligner(wiring.Component):
    """Significands of FP16 codes, shifted right by what their exponents lack of the beat's largest, cut towards zero,
    in two's complement: code i is word_i · 2^(exponent − 24 − guard) and less than a unit of it towards zero.

    The exponent is the largest effective one, max(e, 1), less one: 0..29. Infinities and NaNs count as the largest
    finite number of their sign. With ``guard=None`` the exponent is 29 whatever the codes are, and words keep all of
    them: 29 guard bits.

    A beat a cycle, ``align_latency(lanes, guard)`` cycles later.

    Parameters
    ----------
    lanes: codes of a beat, at least 1. guard: bits kept below a significand's last, or None.

    Members
    -------
    codes: In(16 · lanes), lane 0 lowest. exponent: Out(5).
    words: Out(ArrayLayout(width, lanes)): in offset binary, that is with the sign bit inverted, as sums of some
    technologies want them.
    """

    def __init__(self, *, lanes: int, guard: int | None):
        self.lanes = lanes
        self.fixed = guard is None
        self.width = aligned_width(guard)
        super().__init__({"codes": In(FP16.width * lanes), "exponent": Out(EXPONENT_WIDTH),
                          "words": Out(data.ArrayLayout(self.width, lanes))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        codes = [self.codes[i:i + FP16.width] for i in range(0, len(self.codes), FP16.width)]
        lanes = [_decoded(m, code, name=f"lane_{i}") for i, code in enumerate(codes)]
        largest: Value = Const(LARGEST_EXPONENT, EXPONENT_WIDTH) if self.fixed else lanes[0].exponent
        if not self.fixed and self.lanes > 1:
            largest = _largest(m, [lane.exponent for lane in lanes])
            lanes = [delay(m, lane, EXPONENT_WIDTH, name=f"decoded_{i}", reset_less=True)
                     for i, lane in enumerate(lanes)]
        exponent = Signal(EXPONENT_WIDTH, reset_less=True)
        m.d.sync += exponent.eq(largest - 1)
        m.d.comb += self.exponent.eq(delay(m, exponent, 3, name="exponent", reset_less=True))
        for i, lane in enumerate(lanes):
            m.d.comb += self.words[i].eq(self._aligned(m, lane, largest, name=f"lane_{i}"))
        return m

    def _aligned(self, m: Module, lane: data.View, largest: Value, *, name: str) -> Value:
        """Distance, shift by the lower bits of it, by the others, and sign: four cycles."""
        stages = Stages(m, ("distance", "near", "far", "out"))
        distance, lane = stages("distance", **{f"{name}_by": (largest - lane.exponent)[:EXPONENT_WIDTH],
                                               f"{name}_of": lane.as_value()})
        lane = data.View(LANE, lane)
        # What is saturated has the largest exponent there is and is not shifted: it may be set behind the shift.
        word = Cat(Const(0, self.width - 1 - FP16.precision), lane.fraction, lane.hidden)
        word = _shifted(stages, word, distance[:NEAR], 1)
        ones = Cat(Const(0, len(word) - FP16.precision), lane.saturated.replicate(FP16.precision))
        word, distance, sign = stages("near", **{f"{name}_word": word | ones, f"{name}_distance": distance[NEAR:],
                                                 f"{name}_negative": lane.sign})
        # Higher bits of the distance, each of which leaves nothing, are a reset of the registers.
        known = (len(word) - 1 >> NEAR).bit_length()
        shifted = _shifted(stages, word, distance[:known], 1 << NEAR)
        beyond = distance[known:].any() if known < len(distance) else Const(0, 1)
        word, sign = stages("far", **{f"{name}_shifted": Mux(beyond, 0, shifted), f"{name}_sign": sign})
        offset = Const(-1 << self.width - 1, signed(self.width))
        number = leaf("accumulate")(m, offset, Const(0, 1), Cat(word, Const(0, 1)).as_signed(), sign)
        (out,) = stages("out", **{f"{name}_out": number.as_unsigned()})
        return out


LANE = data.StructLayout({"fraction": FP16.fraction_bits, "hidden": 1, "sign": 1, "saturated": 1,
                          "exponent": EXPONENT_WIDTH})


def _decoded(m: Module, code: Value, *, name: str) -> data.View:
    """Sign, significand and effective exponent of a code, 30 if it is not finite, a cycle later."""
    lane = Signal(LANE, name=name, reset_less=True)
    field = code[FP16.fraction_bits:-1]
    m.d.sync += [lane.fraction.eq(code[:FP16.fraction_bits]), lane.sign.eq(code[-1]), lane.hidden.eq(field.any()),
                 lane.saturated.eq(field.all()),
                 lane.exponent.eq(Cat((field[0] | ~field.any()) & ~field.all(), field[1:]))]
    return lane


def _largest(m: Module, numbers: list[Value]) -> Value:
    """The largest of unsigned numbers, most significant bit first, a bit a cycle: who lacks a bit that another has is
    out of the race."""
    width = len(numbers[0])
    racing: list[Value] = [Const(1, 1)] * len(numbers)
    found: list[Value] = []
    for bit in reversed(range(width)):
        bits = [number[bit] for number in numbers]
        some = Signal(name=f"some_{bit}")
        m.d.comb += some.eq(Cat(bits) & Cat(racing) != 0)
        found = [delay(m, value, 1, name=f"found_{bit}_{i}", reset_less=True) for i, value in enumerate([some, *found])]
        racing = [delay(m, in_race & (value | ~some), 1, name=f"racing_{bit}_{i}", reset_less=True)
                  for i, (in_race, value) in enumerate(zip(racing, bits, strict=True))]
        numbers = [delay(m, number[:bit], 1, name=f"lower_{bit}_{i}", reset_less=True) if bit else number
                   for i, number in enumerate(numbers)]
    return Cat(found)


def _shifted(stages: Stages, word: Value, amount: Value, unit: int) -> Value:
    """``word`` shifted right by amount · unit places, in its width."""
    for k in range(len(amount)):
        word = stages.wire(f"right_{unit << k}", Mux(amount[k], word[unit << k:], word))
    return word
