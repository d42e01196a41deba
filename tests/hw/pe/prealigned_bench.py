"""Blocks of pre-aligned products through the parts of a processing element that has one mode."""

import numpy as np
from pe_bench import Bench, bits, block_of

from gemmsmith.schemes import Axis
from gemmsmith_sim.golden import Encoded, for_scheme
from oracle import operands


def random_product(rng, scheme, *, k, columns):
    """One row of activations and some of weights, the first of them at the ends of their ranges."""
    a = operands.encoded(scheme, Axis.ROW, (2, k), rng)
    row = {name: array[1:] if k % 3 else array[:1] for name, array in a.arrays.items()}
    return Encoded(scheme, Axis.ROW, (1, k), row), operands.encoded(scheme, Axis.COLUMN, (columns, k), rng)


def run_and_compare(pe, products, *, share, idle=0.0):
    """Runs (activations, weights) pairs as blocks back to back; compares group sums and outputs."""
    golden = for_scheme(pe.scheme)
    blocks = [block_of(pe, golden, a, w, 0) for a, w in products]
    run = Bench(pe, share=share, mode=0, idle=idle, seed=pe.scheme.m).run(blocks)
    mask = (1 << pe.result_width) - 1
    for (a, w), results, outputs in zip(products, run.results, run.outputs, strict=True):
        pad = -a.shape[1] % 64
        x, y = (np.pad(e.arrays["codes"], ((0, 0), (0, pad))).astype(np.int64).reshape(len(e.arrays["codes"]), -1, 64)
                for e in (a, w))
        assert results == [[int(s) & mask for s in group] for group in np.einsum("gk,cgk->gc", x[0], y)]
        assert [outputs] == bits(golden.matmul(a, w))
    return run


def extreme_products(scheme):
    """All activations at an end of their range, all weights likewise; scales and exponents too."""
    ones, largest = np.ones((1, 64)), (1 << scheme.m) - 1
    w = Encoded(scheme, Axis.COLUMN, (2, 64), {"codes": np.concatenate([-8 * ones, 7 * ones]).astype(np.int8),
                                               "scales": np.float16([[65504.0], [2.0**-14]])})
    return [(Encoded(scheme, Axis.ROW, (1, 64), {"codes": (sign * largest * ones).astype(np.int32),
                                                 "exponents": np.uint8([[e]])}), w)
            for sign in (1, -1) for e in (1, 30)]
