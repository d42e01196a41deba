"""Stimuli are real tensors in the words of a unit, and the outputs due are the products of those words."""

import numpy as np
import pytest

from gemmsmith.emit import BuildConfig
from gemmsmith_sim.measure.gates.words import unpack_lanes
from gemmsmith_sim.measure.stimulus import Stimulus, make_stimulus
from gemmsmith_sim.measure.tensors import recorded

K, LANES, BLOCKS = 160, 128, 3


def _stimulus(scheme: str, rows: int = 1, cols: int = 1, **choices) -> Stimulus:
    return make_stimulus(BuildConfig.resolve(scheme).element(), rows=rows, cols=cols,
                         **{"blocks": BLOCKS, "k": K, "lanes": LANES, **choices})


def _values(stimulus: Stimulus, operand: str, dtype: str, count: int) -> np.ndarray:
    """Words (lanes, blocks, transfers, rows or columns, elements of a word) of an operand, read as numbers."""
    bits = unpack_lanes(stimulus.transfers[operand]).transpose(2, 0, 1)
    stored = np.packbits(bits, axis=-1, bitorder="little").view(dtype)
    return stored.reshape(stimulus.lanes, stimulus.blocks, -1, count, stored.shape[2] // count)


def _outputs(stimulus: Stimulus, rows: int, cols: int) -> np.ndarray:
    bits = unpack_lanes(stimulus.outputs).transpose(2, 0, 1)
    stored = np.packbits(bits, axis=-1, bitorder="little").view("<f4")
    return stored.reshape(stimulus.lanes, stimulus.blocks, rows, cols)


@pytest.mark.parametrize(("rows", "cols"), [(1, 1), (2, 3)])
def test_outputs_are_the_products_of_the_words_of_int8(rows, cols):
    stimulus = _stimulus("int8", rows, cols)
    a, w = _values(stimulus, "a_codes", "i1", rows), _values(stimulus, "w_codes", "i1", cols)
    assert a.shape == (LANES, BLOCKS, K // 16, rows, 16)
    sums = np.einsum("lbtri,lbtci->lbrc", a.astype(np.int64), w.astype(np.int64)).astype(np.float32)
    a_scale = _values(stimulus, "a_scale", "<f4", rows)[:, :, 0, :, 0]
    w_scale = _values(stimulus, "w_scale", "<f4", cols)[:, :, 0, :, 0]
    np.testing.assert_array_equal(_outputs(stimulus, rows, cols), sums * a_scale[..., :, None] * w_scale[..., None, :])
    assert stimulus.outputs_per_block == rows * cols
    assert stimulus.macs_per_block == rows * cols * K


def test_every_scheme_gets_the_same_tensors():
    half, eight = _stimulus("fp16", 2, 1), _stimulus("int8", 2, 1)
    x = _values(half, "a_code", "<f2", 2).transpose(0, 1, 3, 2, 4).reshape(LANES, BLOCKS, 2, K).astype(np.float32)
    codes = _values(eight, "a_codes", "i1", 2).transpose(0, 1, 3, 2, 4).reshape(LANES, BLOCKS, 2, K)
    scales = _values(eight, "a_scale", "<f4", 2)[:, :, 0, :, 0]
    assert (np.abs(x - codes * scales[..., None]) <= 0.6 * scales[..., None]).all()
    rows = {row.astype(np.float16).tobytes() for layer in recorded(tokens=512) for row in layer.activations[:, :128]}
    assert all(np.ascontiguousarray(row[:128]).astype(np.float16).tobytes() in rows for row in x.reshape(-1, K))


def test_lanes_and_blocks_differ():
    stimulus = _stimulus("int8")
    a = _values(stimulus, "a_codes", "u1", 1).reshape(LANES * BLOCKS, -1)
    w = _values(stimulus, "w_codes", "u1", 1).reshape(LANES * BLOCKS, -1)
    pairs = {(x.tobytes(), y.tobytes()) for x, y in zip(a, w, strict=True)}
    assert len(pairs) > 0.9 * LANES * BLOCKS
    assert len({x.tobytes() for x in a}) == pytest.approx(LANES * BLOCKS / 8, rel=0.2)


def test_words_follow_the_mode_and_the_seed():
    four, ten = _stimulus("anda-m4"), _stimulus("anda-m10")
    assert (four.mode, ten.mode) == (4, 10)
    assert len(four.transfers["a_plane"]) == BLOCKS * 3 * 5
    assert len(ten.transfers["a_plane"]) == BLOCKS * 3 * 11
    np.testing.assert_array_equal(four.transfers["w_codes"], ten.transfers["w_codes"])
    assert four.block_word == 3
    again, other = _stimulus("anda-m4"), _stimulus("anda-m4", seed=1)
    np.testing.assert_array_equal(again.outputs, four.outputs)
    assert (other.outputs != four.outputs).any()


def test_block_word_names_the_last_row_and_column():
    assert _stimulus("int8", 2, 3).block_word == 10 | 1 << 24 | 2 << 32


@pytest.mark.parametrize(("choices", "message"), [
    ({"lanes": 65}, "lanes must be a multiple of 64, not 65"), ({"lanes": 0}, "lanes must be at least 1, not 0"),
    ({"blocks": 0}, "blocks must be at least 1, not 0"), ({"k": 0}, "k must be at least 1, not 0"),
    ({"rows": 0}, "rows must be at least 1, not 0")])
def test_senseless_sizes_are_refused(choices, message):
    with pytest.raises(ValueError, match=message):
        _stimulus("int8", **choices)
