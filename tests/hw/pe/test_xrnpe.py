"""The processing element of XR-NPE against its golden model, in every format of operands and of outputs."""

import numpy as np
import pytest
from pe_bench import flags, run_and_compare

from gemmsmith.pe import for_scheme
from gemmsmith.schemes import Axis, parse
from gemmsmith.schemes.xrnpe import BITS, FORMATS
from gemmsmith_sim.golden import Encoded

OUTPUTS = ("fp32", "fp16", *FORMATS)


def element(name, **choices):
    options = {key: choices.pop(key) for key in ("formats", "sums", "units") if key in choices}
    return for_scheme(parse(f"xrnpe-{name}", **choices), **options)


def encoded(pe, axis, codes, exponents):
    return Encoded(pe.scheme, axis, codes.shape, {"codes": codes.astype(np.uint16),
                                                  "exponents": np.asarray(exponents, np.int8)})


def operands(pe, rng, k, *, share=2, nar=False, spread=20):
    """A row of activations and ``share`` of weights, any codes; NaR only if asked for."""
    special = 1 << BITS[pe.scheme.format] - 1
    pair = []
    for axis, rows in ((Axis.ROW, 1), (Axis.COLUMN, share)):
        codes = rng.integers(0, 2 * special, (rows, k))
        if pe.scheme.format != "fp4" and not nar:
            codes[codes == special] = 1
        pair.append(encoded(pe, axis, codes, rng.integers(-spread, spread + 1, rows)))
    return tuple(pair)


@pytest.mark.parametrize("out", OUTPUTS)
@pytest.mark.parametrize("name", FORMATS)
def test_random_blocks(name, out):
    """Back to back, some so short that the tail sets the pace."""
    pe, rng = element(name, out=out), np.random.default_rng(1)
    run_and_compare(pe, [operands(pe, rng, k, share=1) for k in (1, 10, 3)], share=1)


@pytest.mark.parametrize("name", FORMATS)
def test_stalls(name):
    pe, rng = element(name), np.random.default_rng(2)
    run_and_compare(pe, [operands(pe, rng, k, share=1) for k in (9, 16, 2)], share=1, idle=0.4, seed=3)


@pytest.mark.parametrize(("out", "units"), [("fp32", 1), ("fp16", 1), ("posit8", 2), ("fp4", 4)])
@pytest.mark.parametrize("name", ["posit4", "posit8", "posit16"])
def test_nar_reaches_its_output_and_no_other(name, out, units):
    pe, rng = element(name, out=out, units=units), np.random.default_rng(4)
    special = 1 << BITS[name] - 1
    pairs = []
    for place in (0, 3):
        a, w = operands(pe, rng, 8)
        codes = w.arrays["codes"].copy()
        codes[0, place] = special
        pairs += [(a, encoded(pe, Axis.COLUMN, codes, w.arrays["exponents"])), operands(pe, rng, 8)]
    run_and_compare(pe, pairs, share=2)


@pytest.mark.parametrize("name", FORMATS)
def test_sums_that_cancel(name):
    """The largest and the least products, and sums that are 0 or all but."""
    pe = element(name)
    special = 1 << BITS[name] - 1
    most = special - 1
    least, minus = 1, (lambda code: code | special) if name == "fp4" else (lambda code: 2 * special - code)
    a = np.array([[most, most, least, most, least]])
    weights = [[most, minus(most), least, 0, 0], [most, minus(most), 0, 0, 0], [most, most, most, most, most],
               [minus(most), minus(most), minus(least), 0, minus(least)]]
    rows = [encoded(pe, Axis.COLUMN, np.array([w]), [0]) for w in weights]
    run_and_compare(pe, [(encoded(pe, Axis.ROW, a, [0]), w) for w in rows], share=1)


def test_a_longer_sum_than_the_quire_is_sure_to_hold_is_refused():
    pe = element("posit16")
    with pytest.raises(ValueError, match="K of xrnpe-posit16 must be at most 32767, not 32768"):
        encoded(pe, Axis.ROW, np.zeros((1, 32768)), [0])


@pytest.mark.parametrize(("name", "formats"), [("fp4", 1), ("posit4", 2), ("posit8", 4), ("posit16", 8), ("fp4", 9)])
def test_builds_of_fewer_formats(name, formats):
    pe, rng = element(name, formats=formats), np.random.default_rng(5)
    run_and_compare(pe, [operands(pe, rng, k) for k in (12, 5)], share=2)


def test_four_sums_between_the_multiplier_s_stages():
    for name in ("posit8", "posit16"):
        pe, rng = element(name, sums=4), np.random.default_rng(6)
        run_and_compare(pe, [operands(pe, rng, 9, share=1)], share=1)


@pytest.mark.parametrize("units", [2, 4])
@pytest.mark.parametrize(("name", "out"), [("fp4", "fp32"), ("posit4", "posit8"), ("posit8", "fp16"),
                                           ("posit16", "posit16")])
def test_dot_products_of_several_words(name, out, units):
    """K that fills beats, and tails of any length; with pauses."""
    pe, rng = element(name, out=out, units=units), np.random.default_rng(7)
    run_and_compare(pe, [operands(pe, rng, k, share=1) for k in (8 * units, 1, 4 * units + 3)], share=1)
    pairs = [operands(pe, rng, k, share=1, nar=n == 1) for n, k in enumerate((5, 16, 9))]
    run_and_compare(pe, pairs, share=1, idle=0.4, seed=3)


@pytest.mark.parametrize("axis", list(Axis))
def test_flags_say_nar(axis):
    pe = element("posit16", formats=8)
    edge, operand = (pe.row_edge(), "a_codes") if axis is Axis.ROW else (pe.column_edge(), "w_codes")
    beats = [(0x8000, 1), (0x4000, 1), (0x8000, 0), (0x8001, 1), (0x8000, 1), (0, 0), (0, 0)]
    assert flags(edge, operand, beats) == [0, 1, 0, 0, 0, 1, 0]


@pytest.mark.parametrize(("choices", "message"), [
    ({"formats": 0}, r"formats must be 1..15, not 0"), ({"formats": 16}, r"formats must be 1..15, not 16"),
    ({"formats": 3}, r"formats must have 4, that of xrnpe-posit8, not be 3"),
    ({"sums": 3}, r"sums must be one of 2, 4, not 3"), ({"units": 3}, r"units must be one of 1, 2, 4, not 3")])
def test_options_out_of_range(choices, message):
    with pytest.raises(ValueError, match=message):
        element("posit8", **choices)


def test_modes_and_paces():
    """Of operands and, if outputs are codes, of outputs."""
    for n, name in enumerate(FORMATS):
        assert (pe := element(name)).mode == n
        assert pe.beats(n) == BITS[name] // 4
        assert pe.macs_per_cycle(n) == 16 / BITS[name]
        assert element(name, out="posit8").mode == n + 8
        assert element(name, units=4).macs_per_cycle(n) == 4 * pe.macs_per_cycle(n)
