import numpy as np
import pytest
from amaranth.sim import Simulator
from pe_bench import Bench, bits, block_of

from gemmsmith.pe.fp16 import DIGITS, EXPONENT, SIGNIFICAND, Fp16Element
from gemmsmith.schemes import Axis, Fp16
from gemmsmith_sim.golden import Encoded, for_scheme
from gemmsmith_sim.golden.floats import fp16_values


def encoded(scheme, axis, codes):
    codes = np.asarray(codes, np.uint16)
    return Encoded(scheme, axis, codes.shape, {"codes": codes})


def run_and_compare(products, *, share, idle=0.0, out="fp32"):
    """Runs (activation codes (1, K), weight codes (share, K)) as blocks back to back."""
    scheme = Fp16(out=out)
    pe, golden = Fp16Element(scheme=scheme), for_scheme(scheme)
    operands = [(encoded(scheme, Axis.ROW, a), encoded(scheme, Axis.COLUMN, w)) for a, w in products]
    blocks = [block_of(pe, golden, a, w, 0) for a, w in operands]
    run = Bench(pe, share=share, mode=0, idle=idle, seed=share).run(blocks)
    for (a, w), outputs in zip(operands, run.outputs, strict=True):
        assert [outputs] == bits(golden.matmul(a, w))
    return run


def random_codes(rng, shape, *, largest=0x7BFF):
    """FP16 codes of every exponent alike, both signs, zeros and subnormals over-represented."""
    codes = rng.integers(0, largest + 1, shape)
    codes = np.where(rng.random(shape) < 0.15, rng.integers(0, 0x400, shape), codes)
    codes = np.where(rng.random(shape) < 0.05, 0, codes)
    return codes | rng.integers(0, 2, shape) << 15


@pytest.mark.parametrize("out", ["fp32", "fp16"])
@pytest.mark.parametrize(("share", "idle"), [(1, 0.0), (2, 0.3), (3, 0.0)])
def test_random_blocks(out, share, idle):
    rng = np.random.default_rng(share)
    run_and_compare([(random_codes(rng, (1, k)), random_codes(rng, (share, k))) for k in (1, 2, 50, 300, 7)],
                    share=share, idle=idle, out=out)


@pytest.mark.parametrize("axis", [Axis.ROW, Axis.COLUMN])
def test_edges_keep_the_value_of_every_kind_of_code(axis):
    """Every exponent with fractions of all lengths: what leaves the edge is normalized and means the same."""
    pe = Fp16Element(scheme=Fp16())
    edge = pe.row_edge() if axis is Axis.ROW else pe.column_edge()
    codes = [s << 15 | e << 10 | f & 1023 for e in range(32) for n in range(11) for f in (1 << n, -1 << n, 5 << n)
             for s in (0, 1)]
    words = []

    async def testbench(ctx):
        ctx.set(edge.ctl.valid, 1)
        for cycle in range(len(codes) + pe.edge_latency):
            ctx.set(edge.a_code if axis is Axis.ROW else edge.w_code, codes[min(cycle, len(codes) - 1)])
            if cycle >= pe.edge_latency:
                words.append(ctx.get(edge.o))
            await ctx.tick()

    simulator = Simulator(edge)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()
    values = [payload_value(axis, word) for word in words]
    assert values == fp16_values(np.array(codes, np.uint16)).astype(np.float64).tolist()


def payload_value(axis, word):
    """The number that a word between edge and core means."""
    if axis is Axis.ROW:
        significand, word = word % (1 << SIGNIFICAND), word >> SIGNIFICAND
    else:
        digits, word = word % (1 << DIGITS), word >> DIGITS
        significand = sum(((digits >> n & 3) - 1) << n for n in range(0, DIGITS, 2))
        assert word & 1 == (significand != 0)
        word >>= 1
    exponent, sign = word % (1 << EXPONENT), word >> EXPONENT
    assert significand == 0 or significand >> (SIGNIFICAND - 1) == 1
    return (-1) ** sign * significand * 2.0 ** (exponent - 35)


def test_single_products():
    """Codes at random, Inf and NaN included, times weights of several kinds."""
    weights = np.array([[0x3C00], [0xBC01], [0x0001], [0x03FF], [0x7BFF], [0xFC00], [0x7E01], [0x8000]])
    chosen = np.random.default_rng(0).integers(0, 1 << 16, 60)
    run_and_compare([([[a]], weights) for a in (*chosen, 0x7C00, 0xFC00, 0x7FFF, 0x8000, 1, 0x8001)],
                    share=len(weights))


def test_cancellation_and_ties():
    """Sums that lose many leading bits, alternate in sign, sit on ties, or swamp what follows."""
    rng = np.random.default_rng(5)
    products = []
    for _ in range(25):
        big = random_codes(rng, (1, 20)) & 0x7FFF
        a = np.concatenate([big, big[:, ::-1]], axis=1)
        w = np.concatenate([np.full((2, 20), 0x3C00), np.full((2, 20), 0xBC00)], axis=1)
        w[1, 25:] ^= 1  # nearly cancels
        products.append((a, w))
    tie = np.array([[0x7800, 0x3C00, 0x3C00, 0x7800, 0x0001, 0x0001]])
    products.append((tie, np.array([[0x6C00, 0x3C00, 0xBC00, 0xEC00, 0x3C00, 0x0001],
                                    [0x7000, 0x3400, 0x3400, 0x7000, 0x0001, 0x8001]])))
    run_and_compare(products, share=2)


def test_blocks_follow_each_other_without_a_gap():
    pe = Fp16Element(scheme=Fp16())
    assert pe.schedule(groups=9, mode=0, share=2).block == 9
    assert pe.macs_per_cycle(0) == 1


def test_what_is_not_finite_raises_the_flag():
    pe = Fp16Element(scheme=Fp16())
    edge, seen = pe.column_edge(), {}

    async def testbench(ctx):
        for code in (0x7BFF, 0x7C00, 0xFC00, 0x7E00, 0x0000, 0x8001):
            ctx.set(edge.w_code, code)
            ctx.set(edge.ctl.valid, 1)
            await ctx.tick()
            seen[code] = ctx.get(edge.flag)
        ctx.set(edge.w_code, 0x7C00)
        ctx.set(edge.ctl.valid, 0)
        await ctx.tick()
        assert ctx.get(edge.flag) == 0

    simulator = Simulator(edge)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()
    assert seen == {0x7BFF: 0, 0x7C00: 1, 0xFC00: 1, 0x7E00: 1, 0x0000: 0, 0x8001: 0}
