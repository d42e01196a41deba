import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator
from pe_bench import run_and_compare

from gemmsmith.formats import POSIT4_1, POSIT8_0, Special
from gemmsmith.pe import for_scheme as element_for
from gemmsmith.schemes import Axis, PositFma
from gemmsmith_sim.golden import Encoded
from gemmsmith_sim.golden.posits import posit_codes, posit_values

FORMATS = ["posit4es1", "posit8es0", "posit16es1"]


def encoded(scheme, axis, codes):
    n = scheme.number.n
    return Encoded(scheme, axis, np.shape(codes), {"codes": np.asarray(codes).astype(np.uint16 if n > 8 else np.uint8)})


def run(x, products, *, share, idle=0.0, out="fp32"):
    scheme = PositFma(x=x, out=out)
    pairs = [(encoded(scheme, Axis.ROW, a), encoded(scheme, Axis.COLUMN, w)) for a, w in products]
    return run_and_compare(element_for(scheme), pairs, share=share, idle=idle, seed=share)


def numbers(x, rng, shape, *, near):
    """Codes that are no NaR: any, or near ±1, where sums cancel and tie."""
    n = PositFma(x=x).number.n
    nar, one, step = 1 << n - 1, 1 << n - 2, 1 << n - 3
    codes = (one + rng.integers(-step, step, shape)) * rng.choice([-1, 1], shape) if near else rng.integers(
        1 - nar, nar, shape)
    return codes % (2 * nar)


@pytest.mark.parametrize(("share", "idle", "out"), [(1, 0.0, "fp32"), (2, 0.3, "fp16")])
@pytest.mark.parametrize("x", FORMATS)
def test_random_blocks(x, share, idle, out):
    """Any code, NaR among them, numbers, and numbers near 1."""
    rng, top = np.random.default_rng(share), 1 << PositFma(x=x).number.n
    products = [(rng.integers(0, top, (1, k)), rng.integers(0, top, (share, k))) for k in (1, 2, 3)]
    products += [(numbers(x, rng, (1, k), near=near), numbers(x, rng, (share, k), near=near))
                 for k in (1, 30) for near in (0, 1)]
    run(x, products, share=share, idle=idle, out=out)


def parts_value(pe, word):
    """The number that a core's result means; NaN of NaR."""
    width = pe.shape.significand - 1
    fraction, rest = word % (1 << width), word >> width
    scale, flags = rest % (1 << pe.shape.scale), rest >> pe.shape.scale
    scale -= (scale >> pe.shape.scale - 1) << pe.shape.scale
    negative, nonzero, nar = flags & 1, flags >> 1 & 1, flags >> 2
    return float("nan") if nar else (-1) ** negative * nonzero * (1 + fraction / (1 << width)) * 2.0**scale


def sums(pe, beats):
    """The accumulator after each of the beats (first, a, w), one in every cycle."""
    row, column, core = pe.row_edge(), pe.column_edge(), pe.core()
    m = Module()
    m.submodules.row, m.submodules.column, m.submodules.core = row, column, core
    m.d.comb += [column.ctl.eq(row.ctl), core.ctl.eq(row.ctl_o), core.a.eq(row.o), core.w.eq(column.o)]
    seen, latency = [], pe.edge_latency + pe.core_latency

    async def testbench(ctx):
        for first, a, w in [*beats, *[(1, 0, 0)] * latency]:
            ctx.set(row.ctl, {"valid": 1, "first": first, "last": 1, "load": 0})
            ctx.set(row.a_code, int(a))
            ctx.set(column.w_code, int(w))
            seen.append(ctx.get(core.o))
            await ctx.tick()

    sim = Simulator(m)
    sim.add_clock(1e-6)
    sim.add_testbench(testbench)
    sim.run()
    assert len(seen) == len(beats) + latency > latency
    return np.array([parts_value(pe, word) for word in seen[latency:]])


@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_every_multiply_add_of_four_bits(step):
    """acc + a · w for all 4096 of them (a third of a by default), against the scalar format; acc is what 1 · acc
    leaves."""
    number = POSIT4_1
    triples = [(acc, a, w) for acc in range(16) for a in range(acc % step, 16, step) for w in range(16)]
    beats = [beat for acc, a, w in triples for beat in ((1, number.encode(1), acc), (0, a, w))]
    found = sums(element_for(PositFma(x=number.name)), beats)[1::2]
    wanted = []
    for triple in triples:
        acc, a, w = (number.decode(code) for code in triple)
        nar = any(isinstance(value, Special) for value in (acc, a, w))
        wanted.append(float("nan") if nar else float(number.number(number.encode(acc + a * w))))
    assert np.array_equal(found, wanted, equal_nan=True)


@pytest.mark.slow
@pytest.mark.parametrize("operation", ["product", "sum"])
def test_every_pair_of_eight_bits(operation):
    """All products, and all sums of two numbers, of posit8es0."""
    number, one = POSIT8_0, POSIT8_0.encode(1)
    pe, (x, y) = element_for(PositFma(x=number.name)), np.divmod(np.arange(1 << 16), 256)
    a, w = posit_values(number, x), posit_values(number, y)
    if operation == "product":
        found, exact = sums(pe, [(1, p, q) for p, q in zip(x, y, strict=True)]), a * w
    else:
        beats = [beat for p, q in zip(x, y, strict=True) for beat in ((1, p, one), (0, one, q))]
        found, exact = sums(pe, beats)[1::2], a + w
    assert np.array_equal(found, posit_values(number, posit_codes(number, exact)), equal_nan=True)


def test_cancelling_sums():
    """A sum that is taken back, exactly and nearly, from numbers of every size; sums that saturate and come back."""
    rng, products = np.random.default_rng(7), []
    for _ in range(8):
        a = numbers("posit16es1", rng, (1, 6), near=False)
        w = np.full((2, 12), 0x4000)
        w[:, 6:] = 0xC000
        w[1, 8] += 1
        products.append((np.concatenate([a, a], axis=1), w))
    products.append(([[0x7FFF, 0x7FFF, 0x7FFF, 0x0001, 0x8001]], [[0x7FFF, 0x4000, 0xC000, 0x0001, 0x4000],
                                                                  [0x0001, 0x8001, 0, 0x0001, 0x0001]]))
    run("posit16es1", products, share=2)


def test_description():
    assert [element_for(PositFma(x=x)).operands[0].width for x in FORMATS] == [4, 8, 16]
    pe = element_for(PositFma())
    assert (pe.group, pe.macs_per_cycle(0), pe.schedule(groups=9, mode=0, share=2).block) == (1, 1, 9)
