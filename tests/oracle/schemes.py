"""The built-in schemes, one scalar step after another. Matrices are lists of rows, results output codes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from gemmsmith.formats import FloatFormat, PositFormat, Special
from oracle.exact import (
    Number,
    floor_log2,
    fp16_bits,
    fp16_fields,
    fp16_number,
    nearest_even,
    output_bits,
    round_to_fp32,
    round_to_ieee_fp16,
    round_to_ieee_fp32,
)
from oracle.posits import posit_number, posit_rounded

Rows = Sequence[Sequence[int]]
GROUP = 64


def fp16_product(a: Rows, w: Rows, *, out: str) -> list[list[int]]:
    """Of FP16 codes."""
    return [[output_bits(_fp16_dot(x, y), out) for y in w] for x in a]


def _fp16_dot(x: Sequence[int], y: Sequence[int]) -> Number:
    acc: Number = Fraction(0)
    for left, right in zip(x, y, strict=True):
        acc = round_to_fp32(acc + fp16_number(left) * fp16_number(right))
    return acc


def floatmac_product(a: Rows, w: Rows, number: FloatFormat, *, out: str) -> list[list[int]]:
    """Of codes of a format, infinities and NaN as the largest number."""
    x, y = ([[_finite(code, number) for code in row] for row in rows] for rows in (a, w))
    return [[output_bits(_floatmac_dot(p, q), out) for q in y] for p in x]


def _finite(code: int, number: FloatFormat) -> Fraction:
    value = number.decode(code)
    if isinstance(value, Special):
        return -number.largest if code >> number.width - 1 else number.largest
    return value


def _floatmac_dot(x: Sequence[Fraction], y: Sequence[Fraction]) -> Number:
    acc = Fraction(0)
    for p, q in zip(x, y, strict=True):
        acc = nearest_even(acc + p * q, precision=24, finest=None)
    return round_to_fp32(acc)


def positfma_product(a: Rows, w: Rows, number: PositFormat, *, out: str) -> list[list[int]]:
    """Of posit codes."""
    return [[_positfma_dot(x, y, number, out) for y in w] for x in a]


def _positfma_dot(x: Sequence[int], y: Sequence[int], number: PositFormat, out: str) -> int:
    acc: Fraction | None = Fraction(0)
    for p, q in zip(x, y, strict=True):
        left, right = (posit_number(code, number.n, number.es) for code in (p, q))
        if acc is None or left is None or right is None:
            return {"fp32": 0x7FC00000, "fp16": 0x7E00}[out]
        acc = posit_number(posit_rounded(acc + left * right, number.n, number.es), number.n, number.es)
    assert acc is not None
    return output_bits(acc, out)


def fp16dot_product(a: Rows, w: Rows, *, out: str) -> list[list[int]]:
    """Of FP16 codes, four at a time."""
    return [[output_bits(_fp16dot_dot(x, y), out) for y in w] for x in a]


def _fp16dot_dot(x: Sequence[int], y: Sequence[int]) -> Number:
    total = Fraction(0)
    for start in range(0, len(x), 4):
        pairs = [(fp16_number(p), fp16_number(q)) for p, q in zip(x[start:start + 4], y[start:start + 4], strict=True)]
        exponents = [floor_log2(abs(p)) + floor_log2(abs(q)) for p, q in pairs if p * q != 0]
        if exponents:
            unit = Fraction(2) ** (max(exponents) - 22)
            total += sum(int(p * q / unit) for p, q in pairs) * unit  # int() truncates towards zero
    return round_to_fp32(total)


def fpint_product(a: Rows, w: Rows, w_scales: Sequence[Sequence[Fraction]], *, weight_group: int,
                  out: str) -> list[list[int]]:
    """Of FP16 codes and INT4 weights."""
    return [[output_bits(_fpint_dot(x, y, s, weight_group), out) for y, s in zip(w, w_scales, strict=True)] for x in a]


def _fpint_dot(x: Sequence[int], y: Sequence[int], scales: Sequence[Fraction], weight_group: int) -> Number:
    total: Number = Fraction(0)
    for group, scale in enumerate(scales):
        acc: Number = Fraction(0)
        for k in range(group * weight_group, min(len(x), (group + 1) * weight_group)):
            acc = round_to_fp32(acc + fp16_number(x[k]) * y[k])
        total = round_to_fp32(total + round_to_fp32(acc * scale))
    return total


def dequantise(row: Sequence[int], scales: Sequence[Fraction], group: int) -> list[int]:
    """FP16 codes of INT4 weights."""
    exact = [round_to_ieee_fp16(q * scales[k // group]) for k, q in enumerate(row)]
    return [fp16_bits(max(Fraction(-65504), min(Fraction(65504), w))) for w in exact]


FP4 = [Fraction(value) for value in (0, Fraction(1, 2), 1, Fraction(3, 2), 2, 3, 4, 6)]
"""Magnitudes of the E2M1 codes."""


def fp4_number(code: int) -> Fraction:
    return -FP4[code - 8] if code & 8 else FP4[code]


def fp4_encode(row: Sequence[float], size: int) -> tuple[list[int], list[Fraction]]:
    """Codes and the group scales of one row."""
    x = [Fraction(round_to_ieee_fp32(Fraction(value))) for value in row]
    codes, scales = [], []
    for start in range(0, len(x), size):
        group = x[start : start + size]
        largest = max(abs(value) for value in group)
        scale = max(Fraction(round_to_ieee_fp16(round_to_ieee_fp32(largest / 6))), Fraction(1, 2**14))
        scales.append(scale if largest else Fraction(1))
        for value in group:
            quotient = Fraction(round_to_ieee_fp32(value / scales[-1]))
            code = min(range(8), key=lambda c: (abs(abs(quotient) - FP4[c]), c % 2))
            codes.append(code + 8 if quotient < 0 and code else code)
    return codes, scales


def w4a16_product(a: Rows, w: Sequence[Sequence[Fraction]], w_scales: Sequence[Sequence[Fraction]], *, lanes: int,
                  guard: int | None, group: int, out: str) -> list[list[int]]:
    """Of FP16 codes and the weights' numbers; ``guard`` None: exact."""
    rows = [_w4a16_aligned(x, lanes, guard) for x in a]
    return [[output_bits(_w4a16_dot(x, y, s, group), out) for y, s in zip(w, w_scales, strict=True)] for x in rows]


def _w4a16_aligned(codes: Sequence[int], lanes: int, guard: int | None) -> list[Fraction]:
    """Activations with what a beat keeps of them."""
    if guard is None:
        return [fp16_number(code) for code in codes]
    aligned = []
    for start in range(0, len(codes), lanes):
        beat = codes[start : start + lanes]
        unit = Fraction(2) ** (max(fp16_fields(code)[1] for code in beat) - 25 - guard)
        aligned += [int(fp16_number(code) / unit) * unit for code in beat]  # int() truncates towards zero
    return aligned


def _w4a16_dot(x: Sequence[Fraction], y: Sequence[Fraction], scales: Sequence[Fraction], group: int) -> Number:
    acc: Number = Fraction(0)
    for index, scale in enumerate(scales):
        span = slice(index * group, (index + 1) * group)
        total = sum((p * q for p, q in zip(x[span], y[span], strict=True)), Fraction(0))
        acc = round_to_fp32(acc + round_to_fp32(round_to_fp32(total) * scale))
    return acc


def quantise(row: Sequence[Fraction], *, low: int, high: int, scale: Fraction) -> list[int]:
    """clip(RNE(x / scale)), the quotient being rounded to FP32 first."""
    return [max(low, min(high, round(round_to_ieee_fp32(x / scale)))) for x in row]


def int8_encode(row: Sequence[float]) -> tuple[list[int], Fraction]:
    """Codes and scale of one row."""
    return symmetric_encode(row, 127)


def symmetric_encode(row: Sequence[float], largest: int) -> tuple[list[int], Fraction]:
    """Integers −largest … largest and scale of one row."""
    x = [Fraction(round_to_ieee_fp32(Fraction(value))) for value in row]
    scale = row_scale(x, largest)
    return quantise(x, low=-largest, high=largest, scale=scale), scale


def row_scale(x: Sequence[Fraction], largest: int) -> Fraction:
    """The scale by which the row's largest magnitude becomes ``largest``."""
    peak = max(abs(value) for value in x)
    return max(Fraction(round_to_ieee_fp32(peak / largest)), Fraction(1, 2**126)) if peak else Fraction(1)


def int8_product(a: Rows, a_scales: Sequence[Fraction], w: Rows, w_scales: Sequence[Fraction], *,
                 out: str) -> list[list[int]]:
    return [[output_bits(_int8_dot(x, s, y, t), out) for y, t in zip(w, w_scales, strict=True)]
            for x, s in zip(a, a_scales, strict=True)]


def _int8_dot(x: Sequence[int], x_scale: Fraction, y: Sequence[int], y_scale: Fraction) -> Number:
    total = round_to_fp32(Fraction(sum(p * q for p, q in zip(x, y, strict=True))))
    scaled = round_to_fp32(total * x_scale)
    return round_to_fp32(scaled * (y_scale if isinstance(scaled, Fraction) else float(y_scale)))


def bitfusion_encode(row: Sequence[float], bits: int) -> tuple[list[int], Fraction]:
    """Codes of ``bits`` bits and scale of one row."""
    return symmetric_encode(row, 2 ** (bits - 1) - 1)


def ant_number(code: int, kind: str) -> int:
    """What a 4-bit code means, from the bits."""
    if kind == "int":
        return code - 16 if code >= 8 else code
    sign, magnitude = (-1) ** (code // 8), code % 8
    if kind == "pot":
        return sign * 2 ** (magnitude - 1) if magnitude else 0
    if kind == "float":
        exponent, mantissa = divmod(magnitude, 2)
        return sign * (2 + mantissa) * 2 ** (exponent - 1) if exponent else sign * mantissa
    text = f"{magnitude:03b}"
    if text[0] == "0":
        return sign * magnitude
    exponent = 2 + (text[1:] + "1").index("1")  # 11x, 101, 100
    mantissa = int(text[2]) if exponent == 2 else 0
    return sign * (2 + mantissa) * 2 ** (exponent - 1)


def ant_encode(row: Sequence[float], kind: str) -> tuple[list[int], Fraction]:
    """Numbers, not codes, and scale of one row."""
    magnitudes = sorted({abs(ant_number(code, kind)) for code in range(16)} - ({8} if kind == "int" else set()))
    x = [Fraction(round_to_ieee_fp32(Fraction(value))) for value in row]
    scale = row_scale(x, magnitudes[-1])
    numbers = []
    for value in x:
        q = Fraction(round_to_ieee_fp32(value / scale))
        nearest = min(magnitudes, key=lambda v: (abs(abs(q) - v), magnitudes.index(v) % 2))
        numbers.append(nearest if q >= 0 else -nearest)
    return numbers, scale


def fp4_row_encode(row: Sequence[float]) -> tuple[list[int], Fraction]:
    """E2M1 codes and scale of one row."""
    x = [Fraction(round_to_ieee_fp32(Fraction(value))) for value in row]
    scale = row_scale(x, 6)
    return [_nearest_e2m1(Fraction(round_to_ieee_fp32(value / scale))) for value in x], scale


def anda_group(codes: Sequence[int], m: int, *, nearest: bool = False) -> tuple[list[int], int]:
    """Signed mantissas and the exponent of at most 64 FP16 codes."""
    fields = [fp16_fields(code) for code in codes]
    largest = max(exponent for _, exponent, _ in fields)
    mantissas = []
    for sign, exponent, significand in fields:
        value = Fraction(significand, 1024) * Fraction(2) ** (exponent - largest)  # hidden one at weight 1
        # int() drops what falls out, round() goes to nearest even
        mantissa = min(round(value * 2 ** (m - 1)), 2**m - 1) if nearest else int(value * 2 ** (m - 1))
        mantissas.append((-1) ** sign * mantissa)
    return mantissas, largest


def anda_weight_groups(row: Sequence[float], size: int) -> tuple[list[int], list[Fraction]]:
    """Codes and the group scales of one row."""
    x = [Fraction(round_to_ieee_fp32(Fraction(value))) for value in row]
    codes, scales = [], []
    for start in range(0, len(x), size):
        group = x[start : start + size]
        largest = max(abs(value) for value in group)
        scale = Fraction(round_to_ieee_fp16(round_to_ieee_fp32(largest / 7)))
        scale = max(scale, Fraction(1, 2**14)) if largest else Fraction(1)
        codes += quantise(group, low=-8, high=7, scale=scale)
        scales.append(scale)
    return codes, scales


def anda_product(a: Rows, exponents: Rows, w: Rows, w_scales: Sequence[Sequence[Fraction]], *, m: int,
                 weight_group: int, out: str) -> list[list[int]]:
    share = weight_group // GROUP
    result: list[list[int]] = []
    for x, e in zip(a, exponents, strict=True):
        result.append([])
        for y, s in zip(w, w_scales, strict=True):
            acc: Number = Fraction(0)
            for g, start in enumerate(range(0, len(x), GROUP)):
                span = slice(start, start + GROUP)
                total = sum(p * q for p, q in zip(x[span], y[span], strict=True))
                t = round_to_fp32(total * Fraction(2) ** (e[g] - 15 - (m - 1)))
                acc = round_to_fp32(acc + round_to_fp32(t * s[g // share]))
            result[-1].append(output_bits(acc, out))
    return result


E2M1_TWICE = (0, 1, 2, 3, 4, 6, 8, 12)


def mixpe_weight(code: int, zero: int, w: str) -> Fraction:
    """What is multiplied with activations: an integer, or half of one."""
    if w == "fp4":
        return (-1) ** (code >> 3) * Fraction(E2M1_TWICE[code & 7], 2)
    return Fraction({0: -1, 1: 1}[code] if w == "binary" else code - zero)


def mixpe_product(a: Rows, a_scales: Sequence[Fraction], w: Sequence[Sequence[Fraction]],
                  w_scales: Sequence[Sequence[Fraction]], *, group: int, out: str) -> list[list[int]]:
    """Of integers, weights as ``mixpe_weight`` gives them. ``group`` 0: one sum over K, one scale per row of W.

    With two levels the weights are those times the groups' factors, and ``group`` is 0.
    """
    return [[output_bits(_mixpe_dot(x, s, y, t, group or len(x)), out) for y, t in zip(w, w_scales, strict=True)]
            for x, s in zip(a, a_scales, strict=True)]


def _mixpe_dot(x: Sequence[int], x_scale: Fraction, y: Sequence[Fraction], scales: Sequence[Fraction],
               group: int) -> Number:
    acc: Number = Fraction(0)
    for start, scale in zip(range(0, len(x), group), scales, strict=True):
        span = slice(start, start + group)
        total = round_to_fp32(sum((p * q for p, q in zip(x[span], y[span], strict=True)), start=Fraction(0)))
        assert isinstance(total, Fraction)
        u = round_to_fp32(total * scale)
        if math.isinf(acc) and math.isinf(u) and acc != u:
            return math.inf
        acc = acc if math.isinf(acc) else round_to_fp32(u if math.isinf(u) else acc + u)
    return acc if math.isinf(acc) else round_to_fp32(acc * x_scale)


def mixpe_scale(step: Fraction, scale: str) -> Fraction:
    """A positive step as an FP16 or FP32 scale, from a step that is an FP32 number."""
    if scale == "fp16":
        return max(Fraction(round_to_ieee_fp16(step)), Fraction(1, 2**14))
    return max(step, Fraction(1, 2**126))


def mixpe_encode_group(values: Sequence[float], *, w: str, zero: str, scale: str) -> tuple[list[int], Fraction, int]:
    """Codes, scale and zero point of a group of FP32 numbers, not all 0, with FP16 or FP32 scales; not of means."""
    x = [Fraction(value) for value in values]
    bits = {"int8": 8, "int4": 4, "int3": 3, "int2": 2, "fp4": 4}[w]
    low, high = min(*x, Fraction(0)), max(*x, Fraction(0))
    if zero == "zp":
        top = 2**bits - 1
        s = mixpe_scale(Fraction(round_to_ieee_fp32(Fraction(round_to_ieee_fp32(high - low)) / top)), scale)
        z = max(0, min(top, round(round_to_ieee_fp32(-low / s))))
        return [max(0, min(top, round(round_to_ieee_fp32(v / s)) + z)) for v in x], s, z
    if w == "fp4":
        s = mixpe_scale(Fraction(round_to_ieee_fp32(max(high, -low) / 6)), scale)
        return [_nearest_e2m1(Fraction(round_to_ieee_fp32(v / s))) for v in x], s, 0
    s = mixpe_scale(Fraction(round_to_ieee_fp32(max(high, -low) / (2 ** (bits - 1) - 1))), scale)
    return quantise(x, low=-(2 ** (bits - 1)), high=2 ** (bits - 1) - 1, scale=s), s, 0


def _nearest_e2m1(x: Fraction) -> int:
    """The nearest of all codes; of two, the even one; zero is code 0."""
    code = min(range(8), key=lambda c: (abs(abs(x) - Fraction(E2M1_TWICE[c], 2)), c % 2))
    return code | 8 if x < 0 and code else code
