"""Random jobs for the toys' co-processors: operand bytes as they lie in memory, and the outputs that are
due."""

from __future__ import annotations

import numpy as np

from toys.codebook import TABLE
from toys.quire import BEATS, LANES


def codebook_job(rng, m, n, k):
    a, index = rng.integers(-128, 128, (m, k)), rng.integers(0, TABLE, (n, k))
    table = rng.integers(-128, 128, (n, TABLE))
    w = np.take_along_axis(table, index, axis=1)
    operands = {"a_code": a.astype(np.int8).view(np.uint8), "w_index": index.astype(np.uint8),
                "w_table": table.astype(np.int8).view(np.uint8)}
    return operands, k, (a @ w.T).astype(np.int32).view(np.uint32)


def quire_job(rng, m, n, groups):
    k = groups * LANES * BEATS
    a, w = rng.integers(-8, 8, (m, k)), rng.integers(-8, 8, (n, k))
    bias = rng.integers(-128, 128, (n, -(-groups // 2)))
    sums = a.reshape(m, groups, -1).sum(-1)
    expected = a @ w.T + sums @ np.repeat(bias, 2, axis=1)[:, :groups].T
    operands = {"a_codes": _words(a), "w_codes": _words(w), "w_bias": bias.astype(np.int8).view(np.uint8)}
    return operands, groups, expected.astype(np.int32).view(np.uint32)


def _words(codes):
    nibbles = (codes & 15).astype(np.uint8)
    return nibbles[:, 0::2] | nibbles[:, 1::2] << 4
