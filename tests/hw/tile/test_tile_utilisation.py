"""How busy an array is when its operands are always there: M + 1 cycles per 64 products, blocks without a gap."""

import numpy as np
import pytest

from gemmsmith.pe import for_scheme
from gemmsmith.schemes import parse
from gemmsmith.tile import Tile
from gemmsmith_sim.backends.tile import Block, run_tile
from gemmsmith_sim.golden import for_scheme as golden_for

BLOCKS, K = 8, 512
ROWS, COLS, SHARE = 2, 4, 4


def blocks_of(pe, rng):
    """Eight blocks of activations and weights, and their products."""
    golden = golden_for(pe.scheme)
    for _ in range(BLOCKS):
        a = golden.encode_activations(rng.standard_normal((ROWS, K)).astype(np.float32))
        w = golden.encode_weights(rng.standard_normal((COLS, K)).astype(np.float32))
        streams = {name: [[int.from_bytes(word.tobytes(), "little") for word in row] for row in words]
                   for name, words in {**golden.stream(a, pe.operands), **golden.stream(w, pe.operands)}.items()}
        words = {name: np.array(rows, dtype=object) for name, rows in streams.items()}
        yield Block(groups=pe.groups(K), words=words, rows=ROWS, cols=COLS), golden.matmul(a, w)


@pytest.mark.parametrize("mantissa", [3, 4, 7, 13])
def test_an_anda_array_never_waits(mantissa):
    """At least 99 % of the products that the array can do from the first beat to the last, and every output right."""
    pe = for_scheme(parse(f"anda-m{mantissa}"), stages=3)
    blocks, products = zip(*blocks_of(pe, np.random.default_rng(mantissa)), strict=True)
    run = run_tile(Tile(pe, rows=ROWS, cols=COLS, share=SHARE), blocks)
    for output, product in zip(run.outputs, products, strict=True):
        assert np.array_equal(output.astype(np.uint32), product.view(np.uint32))
    cycles = run.beats[-1] - run.beats[0] + 1
    assert len(run.beats) == BLOCKS * K // 64 * (mantissa + 1)
    assert BLOCKS * K / (pe.macs_per_cycle(mantissa) * cycles) >= 0.99
