"""What later processing elements will ask of the contract passes the tile: a warm-up, several words per
result, edge sides."""

import itertools

import numpy as np
import pytest

from gemmsmith.tile import Tile
from gemmsmith_sim.backends.tile import Block, run_tile
from toys.codebook import TABLE, Codebook, CodebookElement
from toys.quire import BEATS, LANES, Quire, QuireElement


def codebook_block(rng, rows, cols, k, wanted_rows, wanted_cols):
    a = rng.integers(-128, 128, (rows, k))
    index = rng.integers(0, TABLE, (cols, k))
    table = rng.integers(-128, 128, (cols, TABLE))
    w = np.take_along_axis(table, index, axis=1)
    words = {"a_code": a & 0xFF, "w_index": index, "w_table": table & 0xFF}
    return Block(k, words, wanted_rows, wanted_cols), (a @ w.T)[:wanted_rows, :wanted_cols] & 0xFFFFFFFF


def quire_block(rng, rows, cols, groups, wanted_rows, wanted_cols):
    k = groups * LANES * BEATS
    a, w = rng.integers(-8, 8, (rows, k)), rng.integers(-8, 8, (cols, k))
    bias = rng.integers(-128, 128, (cols, -(-groups // 2)))
    lanes = 1 << (4 * np.arange(LANES))
    words = {"a_codes": ((a & 15).reshape(rows, -1, LANES) * lanes).sum(-1),
             "w_codes": ((w & 15).reshape(cols, -1, LANES) * lanes).sum(-1), "w_bias": bias & 0xFF}
    sums = a.reshape(rows, groups, -1).sum(-1)
    expected = a @ w.T + sums @ np.repeat(bias, 2, axis=1)[:, :groups].T
    return Block(groups, words, wanted_rows, wanted_cols), expected[:wanted_rows, :wanted_cols] & 0xFFFFFFFF


CASES = {"codebook": (CodebookElement, Codebook, codebook_block), "quire": (QuireElement, Quire, quire_block)}


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize(("rows", "cols", "share"), [(1, 1, 1), (2, 4, 2), (3, 4, 4), (2, 3, 1)])
@pytest.mark.parametrize("toy", CASES)
def test_tile_computes_what_the_toy_says(toy, rows, cols, share, stall):
    element, scheme, make = CASES[toy]
    rng = np.random.default_rng(rows * 100 + cols)
    tile = Tile(element(scheme=scheme()), rows=rows, cols=cols, share=share)
    made = [make(rng, rows, cols, int(rng.integers(1, 8)), int(rng.integers(1, rows + 1)), int(rng.integers(1,
                                                                                                            cols + 1)))
            for _ in range(6)]
    run = run_tile(tile, [block for block, _ in made], stall=stall, seed=cols)
    assert len(run.outputs) == 6
    for got, (_, expected) in zip(run.outputs, made, strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(("rows", "cols", "share"), [(2, 4, 1), (2, 4, 4)])
@pytest.mark.parametrize("toy", CASES)
def test_blocks_follow_each_other_as_scheduled(toy, rows, cols, share):
    element, scheme, make = CASES[toy]
    rng = np.random.default_rng(1)
    pe = element(scheme=scheme())
    groups, count = 40, 6
    blocks = [make(rng, rows, cols, groups, rows, cols)[0] for _ in range(count)]
    run = run_tile(Tile(pe, rows=rows, cols=cols, share=share), blocks)
    schedule = pe.schedule(groups=groups, mode=pe.mode, share=share)
    per_block = groups * schedule.beats
    starts = run.beats[::per_block]
    assert len(run.beats) == per_block * count
    assert {b - a for a, b in itertools.pairwise(starts[1:])} == {schedule.block}


@pytest.mark.parametrize(("arguments", "message"), [
    ({"rows": 0, "cols": 4}, "rows must be a whole number, at least 1, not 0"),
    ({"rows": 2, "cols": 4, "share": 3}, "tail_share must be a power of two that divides cols \\(4\\), not 3"),
    ({"rows": 2, "cols": 6, "share": 4}, "tail_share must be a power of two that divides cols \\(6\\), not 4"),
])
def test_impossible_arrays_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Tile(CodebookElement(scheme=Codebook()), **arguments)
