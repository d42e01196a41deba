"""The one rounding point of binary floating point: a raw float, exact up to a sticky bit, becomes a code of a format.

Everything here rounds to nearest, ties to even. Zero has no sign: every zero result is +0.
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from gemmsmith.arith.float_stages import Stages


@dataclass(frozen=True)
class FloatShape:
    """Field widths of an IEEE 754 interchange format: sign, exponent, fraction, most significant first.

    ``subnormals`` says whether the datapath knows subnormal numbers of this format. If it does not, they never arise:
    results below the normal range are flushed to zero.
    """

    exponent_bits: int
    fraction_bits: int
    subnormals: bool

    @property
    def width(self) -> int:
        return 1 + self.exponent_bits + self.fraction_bits

    @property
    def precision(self) -> int:
        """Bits of a significand, the leading one included."""
        return self.fraction_bits + 1

    @property
    def bias(self) -> int:
        return 2 ** (self.exponent_bits - 1) - 1

    @property
    def top_exponent(self) -> int:
        """The biased exponent of infinities."""
        return 2**self.exponent_bits - 1


FP32 = FloatShape(exponent_bits=8, fraction_bits=23, subnormals=False)
FP16 = FloatShape(exponent_bits=5, fraction_bits=10, subnormals=True)


def any_bit(value: Value) -> Value:
    """Whether a bit of ``value`` is set; 0 if it has no bits."""
    return value.any() if len(value) else Const(0, 1)


class RoundToFloat(wiring.Component):
    """Round a raw float to ``shape``: to nearest, ties to even, once.

    The magnitude of the input is significand · 2^(exponent − bias − (width − 1)): ``exponent`` is the biased exponent
    of the significand's most significant bit. That bit is clear only if the value is zero or, where the format has
    subnormals, if ``exponent`` is 0, which then stands for exponent 1, as in a code (there, zero needs that exponent
    too). The significand's last
    bit may be sticky: a one there says that the exact value lies anywhere between that bit's neighbours.

    The result is, in this order of precedence,

    - +0, if the significand's most significant bit is clear (without subnormals), or nothing but zeros remains (with
      them);
    - an infinity, if ``infinite``, or if the rounded magnitude reaches 2^(top_exponent − bias);
    - +0, without subnormals, if the magnitude, rounded as if the exponent had no bound, is below 2^(1 − bias);
    - the rounded value.

    Latency: 0 (combinational), or 1 if it is ``cut`` in front of its carry chain.

    Parameters
    ----------
    shape: the format of the result.
    cut: whether there is a register inside.
    width: bits of the significand: ``shape.precision``, and guard and sticky if the value may need more.
    exponent_width: bits of the signed exponent.

    Members
    -------
    sign: In(1). infinite: In(1). exponent: In(signed(exponent_width)). significand: In(width).
    o: Out(shape.width): the code.

    Raises
    ------
    ValueError: if ``width`` or ``exponent_width`` cannot hold every number of ``shape``.
    """

    def __init__(self, *, shape: FloatShape, width: int, exponent_width: int, cut: bool = False):
        if width < shape.precision:
            raise ValueError(f"width must be at least {shape.precision}, not {width!r}")
        if exponent_width <= shape.exponent_bits:
            raise ValueError(f"exponent_width must be more than {shape.exponent_bits}, not {exponent_width!r}")
        self._shape = shape
        self._width = width
        self._cut = cut
        super().__init__({
            "sign": In(1),
            "infinite": In(1),
            "exponent": In(signed(exponent_width)),
            "significand": In(width),
            "o": Out(shape.width),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        shape = self._shape
        rest_width = self._width - shape.precision
        rest, kept = self.significand[:rest_width], self.significand[rest_width:]
        up = any_bit(rest[-1:]) & (any_bit(rest[:-1]) | kept[0])

        # The range is judged by the exponent, in two cases together with what is carried into it: that is faster than
        # by the sum.
        negative, beyond = self.exponent[-1], self.exponent[shape.exponent_bits:-1].any()
        topmost = ~negative & self.exponent[1:shape.exponent_bits].all()  # top_exponent, or the one below it
        if shape.subnormals:
            zero, zero_uncarried = ~self.infinite & ~kept.any() & ~up, Const(0, 1)
        else:
            zero = ~kept[-1] | (~self.infinite & negative)
            zero_uncarried = ~self.infinite & (self.exponent == 0)
        infinite = self.infinite | (~negative & beyond) | (topmost & self.exponent[0])
        infinite_carried = topmost & ~self.exponent[0]
        # A fraction of zero, by whether there is a carry: one function behind the carry chain, then a reset.
        cleared = Cat(zero | zero_uncarried | infinite, zero | infinite | infinite_carried)
        fraction, exponent, sign, up, zero, zero_uncarried, infinite, infinite_carried, cleared = Stages(
            m, ("cut",) if self._cut else ())(
            "cut", fraction=kept[:-1], exponent=self.exponent, sign=self.sign, up=up, zero=zero,
            zero_uncarried=zero_uncarried, infinite=infinite, infinite_carried=infinite_carried, cleared=cleared)

        # Exponent over fraction is one number: rounding up past the largest fraction carries into the exponent by
        # itself.
        number = Cat(fraction, exponent)
        rounded = Signal(len(number))
        m.d.comb += rounded.eq(number + up)
        carried = rounded[shape.fraction_bits]  # where it matters, the exponent was even
        fraction, exponent = rounded[:shape.fraction_bits], rounded[shape.fraction_bits:shape.width - 1]
        overflow = infinite | (infinite_carried & carried)
        m.d.comb += self.o.eq(Cat(
            Mux(Mux(carried, cleared[1], cleared[0]), 0, fraction),
            Mux(zero | (zero_uncarried & ~carried), 0, Cat(exponent | overflow.replicate(len(exponent)), sign))))
        return m
