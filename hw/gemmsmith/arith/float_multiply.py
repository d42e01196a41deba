"""Multiplication of significands, and of FP32 and FP16 numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from gemmsmith import formats
from gemmsmith.arith.float_stages import Stages, check_stages, normalize
from gemmsmith.arith.round import FP16, FP32, FloatShape, RoundToFloat
from gemmsmith.arith.tech import leaf
from gemmsmith.arith.tech.portable import Row, add_neighbours

_PLACES = {
    FP32: {
        0: (),
        1: ("out",),
        2: ("level_2", "out"),
        3: ("level_2", "normalized", "out"),
        4: ("level_1", "level_3", "normalized", "out"),
        5: ("unpack", "level_1", "level_3", "normalized", "out"),
    },
    FP16: {
        0: (),
        1: ("out",),
        2: ("level_2", "out"),
        3: ("level_1", "normalized", "out"),
        4: ("unpack", "level_2", "normalized", "out"),
        5: ("unpack", "level_1", "level_3", "normalized", "out"),
        6: ("factors", "unpack", "level_1", "level_3", "normalized", "out"),
        8: ("leading", "factors", "unpack", "level_1", "level_3", "normalized", "round", "out"),
    },
}
"""Where to cut for a number of pipeline stages, so that the stages are about equally long, by the narrower factor: FP16
has fewer rows to add and must be normalized first."""

_NOTHING = Const(0, 0)


def digits_width(width: int) -> int:
    """Bits of the recoded digits of a number of ``width`` bits."""
    return 2 * (width // 2 + 1)


def recode_digits(multiplier: Value) -> Value:
    """Radix-4 digits −1, 0, 1, 2 of an unsigned number, each as two bits that hold the digit plus one.

    Adding one to every digit is all it takes: what leaves a digit as a carry is what makes 3 = 4 − 1 and 4 = 4 + 0.
    The top digit is never −1. A row of a multiplier is then one four-input function a bit, with no threefold to make
    (Booth's digits −2 … 2 need five inputs and a digit of three bits).
    """
    width = digits_width(len(multiplier))
    return (multiplier + Const(((1 << width) - 1) // 3, width))[:width]


def multiply_digits(stages: Stages, a: Value, digits: Value, *, more: Value = _NOTHING,
                    **along: Value) -> tuple[Value, ...]:
    """The exact product of a number, signed or not, and recoded digits, then whatever was given in ``along``, delayed
    as much. ``more``, an unsigned number, is added to it.

    Can be cut as ``sum_rows`` can. The product has ``len(a) + len(digits)`` bits, of which the top ones repeat its
    sign.
    """
    above = a[-1] if a.shape().signed else Const(0, 1)
    rows: list[Value] = []
    correction = Const(0, 0)
    for k in range(0, len(digits), 2):
        zero_or_minus, odd = ~digits[k + 1], digits[k]
        minus = zero_or_minus & ~odd
        single, double = Cat(a, above), Cat(0, a)
        row = Mux(zero_or_minus, (~single) & minus.replicate(len(single)), Mux(odd, double, single))
        sign = row[-1] if a.shape().signed else minus
        # The one that completes a negation stands two places below the next row, where nothing else does.
        rows.append(stages.wire("row", Cat(correction, row, sign).as_signed()))
        correction = Cat(minus, Const(0, 1))
    terms = [(max(0, 2 * k - 2), row) for k, row in enumerate(rows)]
    if len(more):
        terms.append((0, Cat(more, Const(0, 1)).as_signed()))
    return sum_rows(stages, terms, len(a) + len(digits), **along)


def sum_rows(stages: Stages, rows: Sequence[Row], width: int, **along: Value) -> tuple[Value, ...]:
    """Σ row · 2^place modulo 2^width of pairs (place, signed row), then ``along``.

    The rows are added in a balanced tree that can be cut at the places ``level_0`` (the rows themselves), ``level_1``
    and so on.
    """
    level = 0
    while True:
        values = {f"row_{k}": value for k, (_, value) in enumerate(rows)}
        delayed = stages(f"level_{level}", **values, **along)
        rows = [(place, value) for (place, _), value in zip(rows, delayed, strict=False)]
        along = dict(zip(along, delayed[len(rows):], strict=True))
        if len(rows) == 1:
            return rows[0][1][:width], *along.values()
        if not any(stages.cuts(f"level_{k}") for k in range(level + 1, len(rows).bit_length() + level + 1)):
            return leaf("sum_rows")(stages.module, rows, width), *along.values()
        rows = [add_neighbours(stages.module, rows[k : k + 2]) for k in range(0, len(rows), 2)]
        level += 1


class FloatMultiply(wiring.Component):
    """o = a · b in FP32: one rounding of the exact product, to nearest, ties to even; below the normal range +0.

    FP16 subnormals are honoured, and FP16 codes with exponent 31 read as ±65504, the largest finite number. FP32
    subnormals must not be given. Zero has no sign and 0 · x = +0 for every x; otherwise an FP32 exponent of 255 makes
    an infinity.

    Latency: ``stages`` cycles; a new product every cycle.

    Parameters
    ----------
    a_shape, b_shape: FP32 or FP16.
    stages: registers from input to output, 0 to 5, or 6 and 8 if a factor is FP16; the last one is at the output.

    Members
    -------
    a, b: In(32 or 16). o: Out(32).

    Raises
    ------
    ValueError: if a parameter is none of those.
    """

    def __init__(self, *, a_shape: FloatShape = FP32, b_shape: FloatShape = FP32, stages: int = 3):
        for name, shape in (("a_shape", a_shape), ("b_shape", b_shape)):
            if shape not in (FP32, FP16):
                raise ValueError(f"{name} must be FP32 or FP16, not {shape!r}")
        self._places = _PLACES[FP16 if FP16 in (a_shape, b_shape) else FP32]
        check_stages(stages, self._places)
        self._a_shape, self._b_shape = a_shape, b_shape
        self._stages = stages
        super().__init__({"a": In(a_shape.width), "b": In(b_shape.width), "o": Out(FP32.width)})

    @property
    def latency(self) -> int:
        """Cycles from the input to the output."""
        return self._stages

    def elaborate(self, platform: object) -> Module:
        m = Module()
        stages = Stages(m, self._places[self._stages])
        factors = (unpack(stages, self.a, self._a_shape), unpack(stages, self.b, self._b_shape))
        narrow, wide = sorted(factors, key=lambda factor: len(factor.significand))
        (negative,) = stages("factors", negative=stages("leading", negative=self.a[-1] ^ self.b[-1])[0])
        head = Cat(negative, wide.infinite | narrow.infinite)
        bias = self._a_shape.bias + self._b_shape.bias - FP32.bias
        significand, digits, exponent, head = stages(
            "unpack",
            significand=wide.significand,
            digits=recode_digits(narrow.significand),
            exponent=(wide.exponent + narrow.exponent - bias)[:10].as_signed(),
            head=head,
        )
        product, exponent, head = multiply_digits(stages, significand, digits, exponent=exponent, head=head)
        width = len(wide.significand) + len(narrow.significand)
        padded = Cat(Const(0, max(0, 27 - width)), product[:width])
        twice, rest, top = padded[-1], padded[:-26].any(), padded[-26:]
        significand, exponent, head = stages(
            "normalized",
            significand=Mux(twice, Cat(top[0] | rest, top[1:]), Cat(rest, top[:-1])),
            exponent=(exponent + twice)[:10].as_signed(),
            head=head,
        )

        m.submodules.round = round_ = RoundToFloat(
            shape=FP32, width=26, exponent_width=10, cut=stages.cuts("round"))
        m.d.comb += [
            round_.sign.eq(head[0]),
            round_.infinite.eq(head[1]),
            round_.exponent.eq(exponent),
            round_.significand.eq(significand),
        ]
        (out,) = stages("out", value=round_.o)
        m.d.comb += self.o.eq(out)
        return m


class Factor(NamedTuple):
    """A number with a normalized significand (or one of zero) and its biased, signed exponent."""

    significand: Value
    exponent: Value
    infinite: Value


def unpack(stages: Stages, code: Signal, shape: FloatShape) -> Factor:
    """A code as a factor; can be cut at the places ``leading`` and ``factors``. FP16 subnormals are normalized, FP16
    codes with exponent 31 read as the largest finite number."""
    fraction, exponent = code[: shape.fraction_bits], code[shape.fraction_bits : -1]
    if not shape.subnormals:
        fraction, exponent = stages("leading", fraction=fraction, exponent=exponent)
        return Factor(*stages(
            "factors", significand=Cat(fraction, exponent.any()), exponent=exponent, infinite=exponent.all()))
    significand, finite = finite_half(code)
    normalized, zeros, finite = normalize(
        Stages(stages.module, ("coarse",) if stages.cuts("leading") else ()), significand, finite=finite)
    normalized, finite, zeros = stages("factors", significand=normalized, finite=finite, zeros=zeros)
    return Factor(normalized, finite - zeros, Const(0, 1))


def finite_half(code: Value) -> tuple[Value, Value]:
    """``finite_code`` of an FP16 code, whose sign may be left out."""
    return finite_code(code[:FP16.width - 1], formats.FP16)


def finite_code(magnitude: Value, number: formats.FloatFormat) -> tuple[Value, Value]:
    """Significand, not normalized, and exponent, at least 1, of a code without its sign; what is no number reads as the
    largest one."""
    infinite, largest = special(magnitude, number), number.encode(number.largest)
    bits = []
    for k, bit in enumerate(magnitude):
        if not largest >> k & 1:
            bit = bit & ~infinite
        elif k < _ignored(number):
            bit = bit | infinite
        bits.append(bit)
    some = magnitude[number.fraction_width:].any()
    fraction, (least, *higher) = Cat(bits[:number.fraction_width]), bits[number.fraction_width:]
    return Cat(fraction, some), Cat(least | ~some, higher)


def special(magnitude: Value, number: formats.FloatFormat) -> Value:
    """Whether a code without its sign is an infinity or a NaN."""
    return magnitude[_ignored(number):].all()


def _ignored(number: formats.FloatFormat) -> int:
    """Bits that may be anything in a code that is no number."""
    return number.fraction_width if number.specials is formats.Specials.IEEE else 0
