"""The tail of XR-NPE: a quire, times a power of two, rounded once."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data

from gemmsmith.arith.float_convert import FloatToHalf
from gemmsmith.arith.posit_encode import EXPONENT, FRACTION, PositEncode
from gemmsmith.arith.quire_resolve import WORD, QuireResolve
from gemmsmith.arith.round import FP32, RoundToFloat
from gemmsmith.arith.serial_normalize import SPREAD, SerialNormalize
from gemmsmith.arith.sum import delay
from gemmsmith.pe.base import ProcessingElement, Tail
from gemmsmith.schemes.base import OUTPUTS

LSB = (-2, -8, -12, -56)
"""Format of the operands, as the mode numbers them: fp4, posit4, posit8, posit16 → weight of a quire's last bit."""
HALF_STAGES = 1
Along = data.StructLayout({"exponent": signed(EXPONENT), "index": 2, "zero": 1, "nar": 1})
"""What accompanies a sum through its normalisation."""


class ReadOut(Tail):
    """S · 2^(a_exponent + w_exponent) for the exact sum S of a quire's segments, rounded once to FP32 or to a code, or
    to FP32 and then to FP16.

    ``mode[:2]`` is the operands' format, ``mode[2:]`` the output's, if it is a code.

    The words of a result are resolved as they come; what follows takes them four cycles apart, and so may take as many
    for a step. A tail has a latency and may do so; its rate, one result in four cycles, is that of the words.
    """

    def __init__(self, pe: ProcessingElement, share: int):
        self._float = pe.scheme.out in OUTPUTS
        super().__init__(pe, share)

    @classmethod
    def latency(cls, out: str) -> int:
        """Cycles from a result's last word to the output ``out`` of the scheme."""
        finish = {"fp32": 2, "fp16": 2 + HALF_STAGES}.get(out, PositEncode.latency)
        return QuireResolve.latency + SerialNormalize.latency + 1 + finish

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        significand = FP32.precision + 1 if self._float else FRACTION + 1  # and the bit that rounds
        operands = self.mode[:2]
        m.submodules.resolve = resolve = QuireResolve(kept=significand + 1 + SPREAD - WORD)
        m.submodules.normalize = normalize = SerialNormalize(width=significand + 1, along=Along.size)
        along = data.View(Along, normalize.o_along)
        m.d.comb += [
            resolve.valid.eq(self.ctl.valid), resolve.word.eq(self.ctl.word), resolve.i.eq(self.i),
            resolve.two.eq(operands == 2), resolve.four.eq(~operands[1]),
            normalize.start.eq(resolve.o_valid), normalize.i.eq(resolve.o), normalize.more.eq(resolve.more),
            normalize.along.eq(Cat(self._exponent(m), resolve.index, resolve.zero, resolve.nar)),
        ]
        # Of the bit below the sign; the leading word's bits 31, 30... are 0, 1... places above it.
        place = Cat(~normalize.places, along.index)
        exponent = Signal(signed(EXPONENT), reset_less=True)
        number = Signal(significand + 1, reset_less=True)
        more, zero, nar = (Signal(name=name, reset_less=True) for name in ("more", "zero", "nar"))
        m.d.sync += [exponent.eq(along.exponent + place), number.eq(normalize.o), more.eq(normalize.o_more),
                     zero.eq(along.zero), nar.eq(along.nar)]
        start = delay(m, resolve.o_valid, SerialNormalize.latency + 1, name="start")
        if self._float:
            self._to_float(m, exponent, number, more, nar)
        else:
            m.submodules.encode = encode = PositEncode()
            m.d.comb += [
                encode.start.eq(start), encode.format.eq(self.mode[2:]), encode.sign.eq(number[-1]),
                encode.exponent.eq(exponent), encode.fraction.eq(number[:FRACTION]), encode.more.eq(more),
                encode.zero.eq(zero), encode.nar.eq(nar), self.o.eq(encode.o),
            ]
        finish = self.latency(self.pe.scheme.out) - self.latency("") + PositEncode.latency
        m.d.comb += self.o_valid.eq(delay(m, start, finish, name="finish"))
        return m

    def _exponent(self, m: Module) -> Value:
        """Exponent of the place below a quire's last bit, with the output format's bias: 3 cycles behind the operands."""
        bias = FP32.bias if self._float else 0
        halved = Const(0, 1) if self._float else self.mode[2:] == 0  # E2M1 is encoded of half the number
        scale, total = Signal(signed(9), reset_less=True), Signal(signed(EXPONENT), reset_less=True)
        base = Array(Const(lsb - 1 + bias, signed(EXPONENT)) for lsb in LSB)[self.mode[:2]]
        m.d.sync += [scale.eq(self.a_exponent.as_signed() + self.w_exponent.as_signed()),
                     total.eq(scale + base - halved)]
        return delay(m, total, 1, name="total", reset_less=True)

    def _to_float(self, m: Module, exponent: Value, number: Value, more: Value, nar: Value) -> None:
        """Rounds (1 or −2, + fraction) · 2^(exponent − bias) to FP32, and that to FP16."""
        sign, bits = number[-1], number[:-1]
        # The one that completes the negation belongs behind the last bit: that and ``more`` account for it.
        turned = bits ^ sign.replicate(len(bits))
        m.submodules.round = round_ = RoundToFloat(shape=FP32, width=FP32.precision + 2, exponent_width=EXPONENT,
                                                   cut=True)
        m.d.comb += [
            round_.sign.eq(sign & ~nar), round_.infinite.eq(nar), round_.exponent.eq(exponent),
            round_.significand.eq(Cat(Mux(sign, turned[0], more), turned[0] | (sign & ~more), turned[1:-1],
                                      turned[-1] | nar)),
        ]
        nan = delay(m, nar, 2, name="nan", reset_less=True)
        rounded = Signal(FP32.width, reset_less=True)
        m.d.sync += rounded.eq(round_.o)
        if self.pe.scheme.out == "fp32":
            m.d.comb += self.o.eq(rounded | nan << FP32.fraction_bits - 1)
            return
        m.submodules.half = half = FloatToHalf(stages=HALF_STAGES)
        quiet = delay(m, nan, HALF_STAGES, name="quiet", reset_less=True)
        m.d.comb += [half.i.eq(rounded), self.o.eq(half.o | quiet << 9)]
