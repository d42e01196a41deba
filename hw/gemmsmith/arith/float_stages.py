"""Registers at named places of a floating-point datapath, and the shifters that several datapaths share."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

_PLUS = Const(0, 1)


class Stages:
    """Names the intermediate values of a datapath and registers those at chosen places.

    A datapath calls its ``Stages`` at each place where it *can* be cut, with everything that lives across the cut.
    Where the place is among ``places`` the values come back one clock cycle later, else at once.

    Parameters
    ----------
    m: the module that gets the statements.
    places: names of the places to register.
    """

    def __init__(self, m: Module, places: Collection[str] = ()):
        self.module = m
        self._places = places

    def __call__(self, place: str, /, **values: Value) -> tuple[Signal, ...]:
        """The values, in the order given, as signals named ``place_name``."""
        domain = self.module.d.sync if self.cuts(place) else self.module.d.comb
        signals = []
        for name, value in values.items():
            signal = Signal(value.shape(), name=f"{place}_{name}", reset_less=True)
            domain += signal.eq(value)
            signals.append(signal)
        return tuple(signals)

    def cuts(self, place: str) -> bool:
        """Whether there is a register at ``place``."""
        return place in self._places

    def wire(self, name: str, value: Value) -> Signal:
        """``value`` as a signal. An expression used twice is elaborated twice; a signal is not."""
        signal = Signal(value.shape(), name=name)
        self.module.d.comb += signal.eq(value)
        return signal


def check_stages(stages: int, known: Mapping[int, Collection[str]]) -> None:
    """Raise ValueError unless ``stages`` is a key of ``known``."""
    if stages not in known:
        raise ValueError(f"stages must be one of {', '.join(map(str, known))}, not {stages!r}")


def shift_right_sticky(stages: Stages, value: Value, amount: Value, *, unit: int = 1) -> Value:
    """``value >> (amount · unit)``; the last bit is sticky: the or of the one that belongs there and all shifted out.

    Arithmetic if ``value`` is signed; the result is unsigned.
    """
    sign = value[-1] if value.shape().signed else Const(0, 1)
    for k in reversed(range(len(amount))):
        distance = min(unit << k, len(value) - 1)
        lost, rest = value[: distance + 1], value[distance + 1 :]
        shifted = Cat(lost.any(), rest, sign.replicate(distance))
        value = stages.wire(f"right_{unit << k}", Mux(amount[k], shifted, value[:]))
    return value


def shift_right(stages: Stages, value: Value, amount: Value) -> Value:
    """``value >> amount`` of an unsigned value, in its width. Bits of ``amount`` that alone leave nothing are taken
    together."""
    known = (len(value) - 1).bit_length()
    kept = stages.wire("near", value & ~amount[known:].any().replicate(len(value)))
    for k in reversed(range(min(known, len(amount)))):
        kept = stages.wire(f"right_{1 << k}", Mux(amount[k], kept[1 << k:], kept))
    return kept


def shift_left(stages: Stages, value: Value, amount: Value, *, unit: int = 1) -> Value:
    """``value << (amount · unit)`` in the width of ``value``."""
    for k in reversed(range(len(amount))):
        distance = min(unit << k, len(value))
        shifted = Cat(Const(0, distance), value[: len(value) - distance])
        value = stages.wire(f"left_{unit << k}", Mux(amount[k], shifted, value))
    return value


def leading_nibbles(stages: Stages, value: Value, sign: Value) -> Value:
    """Nibbles of copies of the bit ``sign`` above the first one that is not. ``len(value)`` must be a multiple of
    four.

    If all are, it is at least their number, or as much as its bits can tell.
    """
    flags = [(value[k : k + 4] ^ sign.replicate(4)).any() for k in reversed(range(0, len(value), 4))]
    flags += [Const(1, 1)] * ((1 << (len(flags) - 1).bit_length()) - len(flags))
    # A tournament of neighbours: at each level the upper one wins if it is flagged.
    entries = [(flag, Const(0, 0)) for flag in flags]
    while len(entries) > 1:
        entries = [
            (stages.wire("flag", high | low), stages.wire("count", Cat(Mux(high, high_count, low_count), ~high)))
            for (high, high_count), (low, low_count) in zip(entries[::2], entries[1::2], strict=True)
        ]
    return entries[0][1]


def leading_places(top: Value, sign: Value) -> Value:
    """0 to 3: copies of the bit ``sign`` that lead the three bits ``top``."""
    c, b, a = (bit ^ sign for bit in top)
    return Cat(~a & (b | ~c), ~a & ~b)


def normalize(stages: Stages, value: Value, *, sign: Value = _PLUS, exponent: Value | None = None,
              **along: Value) -> tuple[Signal, ...]:
    """Shift ``value`` left, zeros coming in, until its most significant bit differs from ``sign``.

    That is the leading one of an unsigned number; for a number in two's complement give its sign, and the bits below.
    Whole nibbles first, found all at once; then 0 to 3 places, read off the nibble on top. Can be cut at the places
    ``count``, ``coarse`` and ``fine``.

    Returns
    -------
    The shifted value; the distance, or ``exponent`` less the distance; then whatever was given in ``along``, delayed as
    much. If no bit differs from the sign neither does the result's most significant one, and the distance means
    nothing.
    """
    padding = -len(value) % 4
    padded = stages.wire("padded", Cat(Const(0, padding), value))
    nibbles = stages.wire("nibbles", leading_nibbles(stages, padded, sign))
    given = {} if exponent is None else {"exponent": exponent}
    padded, nibbles, sign, *rest = stages("count", value=padded, zeros=nibbles, sign=sign, **along, **given)
    zeros = Cat(Const(0, 2), nibbles)
    moved = zeros if exponent is None else rest.pop() - zeros
    shifted = shift_left(stages, padded, nibbles, unit=4)
    shifted, moved, places, *rest = stages(
        "coarse", value=shifted, zeros=moved, places=leading_places(shifted[-3:], sign),
        **dict(zip(along, rest, strict=True)))
    moved = Cat(places, moved[2:]) if exponent is None else moved - places
    shifted = shift_left(stages, shifted, places)[padding:]
    return stages("fine", value=shifted, zeros=moved, **dict(zip(along, rest, strict=True)))
