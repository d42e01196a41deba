"""The golden model of XR-NPE against exact fractions and the formats' own rounding."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from gemmsmith.formats import CATALOG, FP32
from gemmsmith.schemes import Axis, parse
from gemmsmith.schemes.xrnpe import BITS, FORMATS
from gemmsmith_sim.golden import Encoded, for_scheme
from gemmsmith_sim.golden.exact import limbs, product_sums, rounded_to_odd

KNOWN = {"fp4": "e2m1", "posit4": "posit4es1", "posit8": "posit8es0", "posit16": "posit16es1"}
NAR = {name: 1 << BITS[name] - 1 for name in FORMATS}


def golden_of(name, **choices):
    return for_scheme(parse(f"xrnpe-{name}", **choices))


def random_codes(golden, axis, rng, rows, k, *, spread=30):
    name = golden.scheme.format
    codes = rng.integers(0, 1 << BITS[name], (rows, k)).astype(np.uint16)
    codes[codes == NAR[name]] = 1
    return Encoded(golden.scheme, axis, (rows, k), {
        "codes": codes, "exponents": rng.integers(-spread, spread + 1, rows).astype(np.int8)})


def exact(golden, encoded, row):
    """The row's numbers as fractions, from the formats' own decoder."""
    known = CATALOG[KNOWN[golden.scheme.format]].format
    scale = Fraction(2) ** int(encoded.arrays["exponents"][row])
    return [known.number(int(code)) * scale for code in encoded.arrays["codes"][row]]


@pytest.mark.parametrize("out", ["fp32", *FORMATS])
@pytest.mark.parametrize("name", FORMATS)
def test_outputs_are_exact_sums_rounded_once(name, out):
    golden, rng = golden_of(name, out=out), np.random.default_rng(1)
    for k in (1, 2, 33):
        a, w = (random_codes(golden, axis, rng, 4, k) for axis in Axis)
        outputs = golden.matmul(a, w)
        for i in range(4):
            for j in range(4):
                total = sum(x * y for x, y in zip(exact(golden, a, i), exact(golden, w, j), strict=True))
                if out == "fp32":
                    assert int(outputs[i, j].view(np.uint32)) == FP32.encode(total)
                else:
                    assert int(outputs[i, j]) == CATALOG[KNOWN[out]].format.encode(total)


@pytest.mark.parametrize("name", FORMATS)
def test_codes_are_the_nearest(name):
    """Around every boundary between two codes, and far beyond both ends."""
    golden, known = golden_of(name), CATALOG[KNOWN[name]].format
    numbers = sorted({golden.decode(Encoded(golden.scheme, Axis.ROW, (1, 1), {
        "codes": np.array([[code]], np.uint16), "exponents": np.zeros(1, np.int8)}))[0, 0]
        for code in range(0, NAR[name], 1 if BITS[name] < 16 else 97)})
    between = [(x + y) / 2 for x, y in pairwise(numbers)]
    # The largest magnitude of the row decides its scale, 1 with these.
    anchor = {"fp4": 4.0, "posit4": 16.0, "posit8": 32.0, "posit16": 8.0}[name]
    values = np.array([[*(x for x in (*numbers, *between) if x < anchor), anchor]])
    values = np.concatenate([values, -values])
    encoded = golden.encode_activations(values)
    for row in range(2):
        scale = Fraction(2) ** int(encoded.arrays["exponents"][row])
        for value, code in zip(values[row], encoded.arrays["codes"][row], strict=True):
            assert int(code) == known.encode(Fraction(float(np.float32(value))) / scale)


def test_a_row_s_exponent_has_the_least_error():
    golden, rng = golden_of("posit8"), np.random.default_rng(2)
    values = rng.normal(size=(5, 64)).astype(np.float32) * np.exp2(rng.integers(-8, 9, (5, 1))).astype(np.float32)
    encoded, known = golden.encode_activations(values), CATALOG["posit8es0"].format
    for row in range(5):
        binade = int(np.floor(np.log2(np.abs(values[row]).max())))

        def error(exponent, row=row):
            scale = Fraction(2) ** exponent
            return sum((known.number(known.encode(Fraction(float(x)) / scale)) * scale - Fraction(float(x))) ** 2
                       for x in values[row])

        assert int(encoded.arrays["exponents"][row]) == min(
            (binade - j for j in range(6)), key=lambda e: (error(e), e))


@pytest.mark.parametrize(("out", "code"), [("posit16", 0x8000), ("posit8", 0x80), ("posit4", 8), ("fp4", 8)])
def test_nar(out, code):
    """In the row and column that met one, and nowhere else."""
    rng = np.random.default_rng(3)
    golden, floats = golden_of("posit8", out=out), golden_of("posit8")
    a, w = (random_codes(golden, axis, rng, 3, 5) for axis in Axis)
    codes = a.arrays["codes"].copy()
    codes[1, 2] = 0x80
    arrays = {"codes": codes, "exponents": a.arrays["exponents"]}
    outputs = golden.matmul(Encoded(golden.scheme, Axis.ROW, (3, 5), arrays), w)
    assert (outputs[1] == code).all()
    assert np.isnan(golden.output_values(outputs)[1]).all()
    assert np.isfinite(golden.output_values(outputs)[[0, 2]]).all()
    wide = floats.matmul(*(Encoded(floats.scheme, e.axis, e.shape, dict(e.arrays)) for e in (
        Encoded(golden.scheme, Axis.ROW, (3, 5), arrays), w)))
    assert np.isnan(wide[1]).all()
    assert wide.view(np.uint32)[1, 0] == 0x7FC00000


@pytest.mark.parametrize(("name", "longest"), [("fp4", 14_913_080), ("posit4", 32_767), ("posit16", 32_767)])
def test_what_may_not_fit_the_quire_is_refused(name, longest):
    with pytest.raises(ValueError, match=f"K of xrnpe-{name} must be at most {longest}, not {longest + 1}"):
        golden_of(name).layout(Axis.ROW, (1, longest + 1))


def test_sums_of_limbs_round_to_odd():
    """Sums of many bits, negative ones, and such as all but cancel."""
    rng = np.random.default_rng(4)
    left, right = (rng.integers(-(1 << 56), 1 << 56, (3, 40)) for _ in range(2))
    left[:, 1], right[:, 1] = -left[:, 0], right[:, 0]  # cancel
    left[1, 2:], right[2, 2:] = 0, right[2, 2:]
    rounded = rounded_to_odd(product_sums(limbs(left, 3), limbs(right, 3)))
    for i in range(3):
        for j in range(3):
            total = sum(int(x) * int(y) for x, y in zip(left[i], right[j], strict=True))
            drop = max(0, abs(total).bit_length() - 53)
            kept = abs(total) >> drop
            if kept << drop != abs(total):
                kept |= 1
            assert Fraction(rounded[i, j]) == (kept << drop) * (-1 if total < 0 else 1)
