import numpy as np
import pytest
from pe_bench import Bench, bits, block_of

from gemmsmith.pe import for_scheme as element_for
from gemmsmith.pe.figna import FignaElement
from gemmsmith.schemes import Axis, Figna
from gemmsmith_sim.golden import Encoded, for_scheme
from oracle import operands


def random_product(rng, scheme, *, k, columns):
    """One row of activations and some of weights, the first of them at the ends of their ranges."""
    a = operands.encoded(scheme, Axis.ROW, (2, k), rng)
    row = {name: array[1:] if k % 3 else array[:1] for name, array in a.arrays.items()}
    return Encoded(scheme, Axis.ROW, (1, k), row), operands.encoded(scheme, Axis.COLUMN, (columns, k), rng)


def run_and_compare(scheme, products, *, share, idle=0.0, **options):
    """Runs (activations, weights) pairs as blocks back to back; compares group sums and outputs."""
    pe, golden = FignaElement(scheme=scheme, **options), for_scheme(scheme)
    blocks = [block_of(pe, golden, a, w, 0) for a, w in products]
    run = Bench(pe, share=share, mode=0, idle=idle, seed=scheme.m).run(blocks)
    mask = (1 << pe.result_width) - 1
    for (a, w), results, outputs in zip(products, run.results, run.outputs, strict=True):
        pad = -a.shape[1] % 64
        x, y = (np.pad(e.arrays["codes"], ((0, 0), (0, pad))).astype(np.int64).reshape(len(e.arrays["codes"]), -1, 64)
                for e in (a, w))
        assert results == [[int(s) & mask for s in group] for group in np.einsum("gk,cgk->gc", x[0], y)]
        assert [outputs] == bits(golden.matmul(a, w))
    return run


@pytest.mark.parametrize(("m", "lanes", "pipelined", "tail_loop"), [
    (13, 16, 1, 4), (11, 4, 1, 8), (8, 8, 1, 8), (16, 1, 1, 4), (1, 2, 1, 4),
    (13, 8, 0, 8), (8, 4, 0, 4), (16, 2, 0, 4), (1, 1, 0, 4)])
def test_random_blocks(m, lanes, pipelined, tail_loop):
    rng, scheme = np.random.default_rng(m), Figna(m=m, weight_group=64 << m % 4, out=("fp32", "fp16")[lanes % 16 == 8])
    products = [random_product(rng, scheme, k=k, columns=2) for k in (64, 200, 5)]
    run_and_compare(scheme, products, share=2, idle=0.2 * (m % 2), lanes=lanes, pipelined=pipelined,
                    tail_loop=tail_loop)


@pytest.mark.parametrize("pipelined", [0, 1])
def test_extremes(pipelined):
    scheme, ones, largest = Figna(m=8), np.ones((1, 64)), 255
    w = Encoded(scheme, Axis.COLUMN, (2, 64), {"codes": np.concatenate([-8 * ones, 7 * ones]).astype(np.int8),
                                               "scales": np.float16([[65504.0], [2.0**-14]])})
    products = [(Encoded(scheme, Axis.ROW, (1, 64), {"codes": (sign * largest * ones).astype(np.int32),
                                                     "exponents": np.uint8([[e]])}), w)
                for sign in (1, -1) for e in (1, 30)]
    run_and_compare(scheme, products, share=2, lanes=16, pipelined=pipelined)


@pytest.mark.parametrize(("lanes", "share", "tail_loop", "beats"), [(16, 4, 4, 4), (32, 1, 4, 4), (8, 8, 8, 8)])
def test_groups_follow_each_other_as_scheduled(lanes, share, tail_loop, beats):
    rng, scheme = np.random.default_rng(0), Figna(m=8)
    products = [random_product(rng, scheme, k=4 * 64, columns=share) for _ in range(2)]
    run = run_and_compare(scheme, products, share=share, lanes=lanes, tail_loop=tail_loop)
    pe = FignaElement(scheme=scheme, lanes=lanes, tail_loop=tail_loop)
    assert 2 * pe.schedule(groups=4, mode=0, share=share).block == 8 * beats
    assert run.cycles == 8 * beats - (beats - 64 // lanes)  # the first group need not wait


@pytest.mark.parametrize(("options", "message"), [
    ({"lanes": 3}, "lanes must be a power of two from 1 to 64, not 3"),
    ({"pipelined": 2}, "pipelined must be 0 or 1, not 2"), ({"tail_loop": 5}, "tail_loop must be one of 4, 8, not 5")])
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        FignaElement(scheme=Figna(), **options)


def test_description():
    pe = element_for(Figna(m=11), lanes=8)
    assert isinstance(pe, FignaElement)
    assert (pe.group, pe.mode, pe.beats(0), pe.macs_per_cycle(0), pe.warmup) == (64, 0, 8, 8, 0)
    assert {o.name: o.width for o in pe.operands} == {"a_codes": 96, "a_exponent": 5, "w_codes": 32, "w_scale": 16}
    assert pe.key == FignaElement(scheme=Figna(m=11), lanes=8).key
    assert pe.key != FignaElement(scheme=Figna(m=11), lanes=8, pipelined=0).key
