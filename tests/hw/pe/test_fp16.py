import numpy as np
import pytest
from pe_bench import Bench, bits, block_of

from gemmsmith.pe.fp16 import Fp16Element
from gemmsmith.schemes import Axis, Fp16
from gemmsmith_sim.golden import Encoded, for_scheme


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


def test_every_code_times_a_few():
    """One product each: every FP16 code, Inf and NaN included, against weights of several kinds."""
    codes = np.arange(0, 1 << 16, 37)
    weights = np.array([[0x3C00], [0xBC01], [0x0001], [0x03FF], [0x7BFF], [0xFC00], [0x7E01], [0x8000]])
    rng = np.random.default_rng(0)
    chosen = rng.choice(codes, 400, replace=False)
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
    from amaranth.sim import Simulator

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
