"""The tail of XR-NPE: a quire, times a power of two, rounded once."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data

from gemmsmith.arith.float_convert import FloatToHalf
from gemmsmith.arith.lane_window import WORD, WORDS
from gemmsmith.arith.posit_encode import EXPONENT, FRACTION, PositEncode
from gemmsmith.arith.quire_resolve import QuireResolve
from gemmsmith.arith.round import FP16, FP32, RoundToFloat
from gemmsmith.arith.serial_normalize import SPREAD, SerialNormalize
from gemmsmith.arith.sum import delay
from gemmsmith.pe.base import ProcessingElement, Tail
from gemmsmith.schemes import Scheme
from gemmsmith.schemes.base import OUTPUTS

LSB = (-2, -8, -12, -56)
"""Weight of a quire's last bit, by the operands' format: fp4, posit4, posit8, posit16."""
SCALE = 9
"""Bits of the sum of two exponents."""
ROUND_STAGES, HALF_STAGES = 2, 2
"""Pipeline registers of the parts that make a float."""

Along = data.StructLayout({"scale": signed(SCALE), "index": 2, "zero": 1, "nar": 1})
"""What accompanies a sum through its normalisation."""
Normal = data.StructLayout({"exponent": signed(EXPONENT), "more": 1, "zero": 1, "nar": 1})
"""What accompanies a normalised number: its exponent, whether there are ones below it, and whether it is none."""


class ReadOut(Tail):
    """S · 2^(a_exponent + w_exponent) for the exact sum S of a quire's segments, rounded once: to FP32, to FP32 and
    then to FP16, or to a code, as the scheme says.

    ``mode[:2]`` is the operands' format in the order of ``LSB``, ``mode[2:]`` that of the output, if it is a code.

    The words of a result are resolved as they come, so the results are four cycles apart, and what follows may take
    that long for each step.
    """

    def __init__(self, pe: ProcessingElement, share: int, *, units: int):
        self._out, self._units = pe.scheme.out, units
        self._is_float = self._out in OUTPUTS
        super().__init__(pe, share)

    @staticmethod
    def latency(scheme: Scheme) -> int:
        """Cycles from a result's last word to the output."""
        return QuireResolve.latency + SerialNormalize.latency + 1 + _finish(scheme.out)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        operands = self.mode[:2]
        scale = Signal(signed(SCALE), reset_less=True)
        with m.If(self.ctl.valid & (self.ctl.word == WORDS - 1)):
            m.d.sync += scale.eq(self.a_exponent.as_signed() + self.w_exponent.as_signed())
        width = FP32.precision + 2 if self._is_float else FRACTION + 2  # with the sign and a bit that rounds
        m.submodules.resolve = resolve = QuireResolve(kept=width + SPREAD - WORD, units=self._units)
        m.submodules.normalize = normalize = SerialNormalize(width=width, along=Along.size)
        m.d.comb += [
            resolve.valid.eq(self.ctl.valid), resolve.word.eq(self.ctl.word), resolve.i.eq(self.i),
            resolve.two.eq(operands == 2), resolve.four.eq(~operands[1]),
            normalize.start.eq(resolve.o_valid), normalize.i.eq(resolve.o), normalize.more.eq(resolve.more),
            normalize.along.eq(Cat(scale, resolve.index, resolve.zero, resolve.nar)),
        ]
        along = data.View(Along, normalize.o_along)
        number, normal = Signal(width, reset_less=True), Signal(Normal, reset_less=True)
        # A bit below the sign of the lowest word, moved by no place, has 2^30 times the weight of the quire's last one.
        place = Cat(~normalize.places, along.index)
        m.d.sync += [
            number.eq(normalize.o), normal.exponent.eq(along.scale + self._unit() + place),
            normal.more.eq(normalize.o_more), normal.zero.eq(along.zero), normal.nar.eq(along.nar),
        ]
        start = delay(m, resolve.o_valid, SerialNormalize.latency + 1, name="start")
        if self._is_float:
            self._to_float(m, number, normal)
        else:
            self._to_code(m, start, number, normal)
        m.d.comb += self.o_valid.eq(delay(m, start, _finish(self._out), name="finish"))
        return m

    def _unit(self) -> Value:
        """Exponent of the place below a quire's last one, as the rounding takes it."""
        bias = FP32.bias if self._is_float else 0
        unit = Array(Const(lsb - 1 + bias, signed(EXPONENT)) for lsb in LSB)[self.mode[:2]]
        if self._is_float:
            return unit
        # E2M1 is encoded of half the number; the units are odd, so that bit 0 is the one to take.
        return Cat(self.mode[2:].any(), unit[1:]).as_signed()

    def _to_code(self, m: Module, start: Value, number: Value, normal: data.View[Any]) -> None:
        m.submodules.encode = encode = PositEncode()
        m.d.comb += [
            encode.start.eq(start), encode.format.eq(self.mode[2:]), encode.sign.eq(number[-1]),
            encode.exponent.eq(normal.exponent), encode.fraction.eq(number[:FRACTION]), encode.more.eq(normal.more),
            encode.zero.eq(normal.zero), encode.nar.eq(normal.nar), self.o.eq(encode.o),
        ]

    def _to_float(self, m: Module, number: Value, normal: data.View[Any]) -> None:
        nar, sign, bits = normal.nar, number[-1], number[:-1]
        # The one that completes the negation belongs behind the last bit: that and ``more`` account for it.
        turned = bits ^ sign.replicate(len(bits))
        m.submodules.round = round_ = RoundToFloat(shape=FP32, width=FP32.precision + 2, exponent_width=EXPONENT,
                                                   cut=True)
        m.d.comb += [
            round_.sign.eq(sign & ~nar), round_.infinite.eq(nar), round_.exponent.eq(normal.exponent),
            round_.significand.eq(Cat(Mux(sign, turned[0], normal.more), turned[0] | (sign & ~normal.more),
                                      turned[1:-1], turned[-1] | nar)),
        ]
        # A NaN is what rounding knows as an infinity, and the fraction's highest bit.
        o, nan = Signal(FP32.width, reset_less=True), delay(m, nar, ROUND_STAGES, name="nan", reset_less=True)
        m.d.sync += o.eq(round_.o)
        shape, value = FP32, o
        if self._out == "fp16":
            m.submodules.half = half = FloatToHalf(stages=HALF_STAGES)
            m.d.comb += half.i.eq(o)
            shape, value, nan = FP16, half.o, delay(m, nan, HALF_STAGES, name="half_nan", reset_less=True)
        m.d.comb += self.o.eq(value | nan << shape.fraction_bits - 1)


def _finish(out: str) -> int:
    """Cycles from the normalised sum to the output."""
    return {"fp32": ROUND_STAGES, "fp16": ROUND_STAGES + HALF_STAGES}.get(out, PositEncode.latency)
