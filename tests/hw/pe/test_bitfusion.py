import numpy as np
import pytest
from pe_bench import Bench, bits, block_of

from gemmsmith.pe.bitfusion import BitFusionElement
from gemmsmith.schemes import Axis, BitFusion
from gemmsmith.schemes.bitfusion import PAIRS
from gemmsmith_sim.golden import Encoded, for_scheme


def encoded(scheme, axis, codes, scales):
    return Encoded(scheme, axis, codes.shape, {"codes": np.int8(codes), "scales": np.float32(scales)})


def random_codes(rng, shape, width):
    """Every code, the extremes over-represented."""
    low = -(1 << width - 1)
    return np.where(rng.random(shape) < 0.3, rng.choice([low, ~low], shape), rng.integers(low, -low, shape))


def run_and_compare(pe, products, *, share, idle=0.0):
    """Runs (activations, weights) pairs as blocks back to back; compares sums and outputs."""
    golden = for_scheme(pe.scheme)
    blocks = [block_of(pe, golden, a, w, pe.mode) for a, w in products]
    run = Bench(pe, share=share, mode=pe.mode, idle=idle, seed=len(products)).run(blocks)
    for (a, w), results, outputs in zip(products, run.results, run.outputs, strict=True):
        sums = w.arrays["codes"].astype(np.int64) @ a.arrays["codes"][0].astype(np.int64)
        assert results == [[int(s) & 0xFFFFFFFF for s in sums]]
        assert [outputs] == bits(golden.matmul(a, w))
    return run


@pytest.mark.parametrize(("a", "w"), PAIRS)
@pytest.mark.parametrize(("units", "share", "idle", "out"), [(1, 1, 0.0, "fp32"), (2, 2, 0.3, "fp16")])
def test_random_blocks(a, w, units, share, idle, out):
    rng, scheme = np.random.default_rng(a * w), BitFusion(a=a, w=w, out=out)
    products = []
    for k in (1, 16 * units, 5 * 16 * units - 3):
        scales = 2.0 ** rng.uniform(-18, 2, share + 1)
        products.append((encoded(scheme, Axis.ROW, random_codes(rng, (1, k), a), scales[:1]),
                         encoded(scheme, Axis.COLUMN, random_codes(rng, (share, k), w), scales[1:])))
    run_and_compare(BitFusionElement(scheme=scheme, units=units), products, share=share, idle=idle)
