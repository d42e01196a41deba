import numpy as np
import pytest
from pe_bench import Bench, bits, block_of

from gemmsmith.pe.w4a16 import W4A16Element
from gemmsmith.schemes import W4A16, Axis
from gemmsmith_sim.golden import Encoded, for_scheme
from oracle import operands


def encoded(scheme, a, w, scales):
    dtype = np.int8 if scheme.w == "int4" else np.uint8
    return (Encoded(scheme, Axis.ROW, np.shape(a), {"codes": np.asarray(a, np.uint16)}),
            Encoded(scheme, Axis.COLUMN, np.shape(w), {"codes": np.asarray(w, dtype), "scales": np.float16(scales)}))


def run_and_compare(scheme, pairs, *, share, idle=0.0):
    """Runs pairs of encoded activations (1, K) and weights (share, K) as blocks back to back."""
    pe, golden = W4A16Element(scheme=scheme), for_scheme(scheme)
    run = Bench(pe, share=share, mode=0, idle=idle, seed=share).run([block_of(pe, golden, a, w, 0) for a, w in pairs])
    for (a, w), outputs in zip(pairs, run.outputs, strict=True):
        assert [outputs] == bits(golden.matmul(a, w))
    return run


CASES = [("int4", 16, "2", 128, "fp32", 2, 0.0), ("int4", 16, "exact", 32, "fp16", 1, 0.3),
         ("int4", 1, "0", 32, "fp32", 2, 0.2), ("int4", 4, "8", 64, "fp16", 3, 0.0),
         ("fp4", 16, "2", 64, "fp32", 2, 0.0), ("fp4", 2, "1", 32, "fp16", 1, 0.0)]


@pytest.mark.parametrize(("w", "lanes", "guard", "group", "out", "share", "idle"), CASES)
def test_random_blocks(w, lanes, guard, group, out, share, idle):
    scheme, rng = W4A16(w=w, lanes=lanes, guard=guard, group=group, out=out), np.random.default_rng(lanes)
    pairs = []
    for k in (1, 3 * group - 5, group):
        a = operands.encoded(scheme, Axis.ROW, (2, k), rng).arrays["codes"][k % 2:][:1]
        pairs.append((Encoded(scheme, Axis.ROW, a.shape, {"codes": a}),
                      operands.encoded(scheme, Axis.COLUMN, (share, k), rng)))
    run_and_compare(scheme, pairs, share=share, idle=idle)
