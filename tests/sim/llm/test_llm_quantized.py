"""The adapters between the model and the golden models (which have tests of their own)."""

import numpy as np
import pytest

from gemmsmith.schemes import parse
from gemmsmith_sim.golden import EncodeError
from gemmsmith_sim.llm.checkpoint import HELDOUT_TEXT, load
from gemmsmith_sim.llm.model import FloatLinear, Llama
from gemmsmith_sim.llm.perplexity import perplexity
from gemmsmith_sim.llm.quantized import GoldenLinear, WeightOnlyLinear

rng = np.random.default_rng(7)
X = rng.normal(size=(5, 200)).astype(np.float32)
W = rng.normal(size=(9, 200)).astype(np.float32)


def quantise_w4(weights: np.ndarray, group: int = 128) -> np.ndarray:
    """The default four-bit quantiser, written from its definition, one group at a time."""
    out = np.empty(weights.shape)
    for n, k in np.ndindex(len(weights), -(-weights.shape[1] // group)):
        part = np.s_[n, k * group : (k + 1) * group]
        scale = np.float16(np.abs(weights[part]).max() / np.float32(7))
        out[part] = np.clip(np.rint(weights[part] / np.float32(scale)), -8, 7) * np.float64(scale)
    return out


def test_golden_int8():
    """Against integers and scales written out; W8A8 has one scale per row on either side."""
    linear = GoldenLinear(parse("int8"))
    product = linear.matmul(linear.prepare("layers.0.q", W), X)
    scales = [np.abs(matrix).max(axis=1, keepdims=True) / np.float32(127) for matrix in (X, W)]
    codes = [np.rint(matrix / scale).astype(int) for matrix, scale in zip((X, W), scales, strict=True)]
    sums = (codes[0] @ codes[1].T).astype(np.float32)
    np.testing.assert_array_equal(product, sums * scales[0] * scales[1].T)
    assert product.dtype == np.float32
    assert linear.outputs == 45


def test_golden_weights_are_the_schemes():
    """With sixteen mantissa bits Anda's activations are as good as FP16, which leaves the weights' error."""
    linear = GoldenLinear(parse("anda-m16"))
    halves = X.astype(np.float16).astype(np.float64)
    product = linear.matmul(linear.prepare("layers.0.q", W), X)
    np.testing.assert_allclose(product, halves @ quantise_w4(W).T, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("short", ["fp16", "int8", "anda-m6"])
def test_golden_output_is_float32_whatever_the_scheme_rounds_to(short):
    linear = GoldenLinear(parse(short, out="fp16"))
    product = linear.matmul(linear.prepare("layers.0.q", W), X)
    assert product.dtype == np.float32
    np.testing.assert_array_equal(product, product.astype(np.float16))


def test_weight_only():
    linear = WeightOnlyLinear(parse("anda-m1"))
    product = linear.matmul(linear.prepare("layers.0.q", W), X)
    halves = X.astype(np.float16).astype(np.float64)
    np.testing.assert_allclose(product, halves @ quantise_w4(W).T, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("backend", [GoldenLinear, WeightOnlyLinear])
def test_values_that_do_not_fit_are_refused_with_the_layers_name(backend):
    linear = backend(parse("anda-m6"))
    handle = linear.prepare("layers.3.down", W)
    bad = X.copy()
    bad[2, 3] = 7e4
    with pytest.raises(EncodeError, match=r"^layers\.3\.down: activations: 70000.* row 2, column 3"):
        linear.matmul(handle, bad)
    with pytest.raises(EncodeError, match=r"^layers\.3\.up: weights: "):
        linear.prepare("layers.3.up", W * np.float32(1e6))


def test_outputs_of_a_whole_forward_pass(folder):
    linear = GoldenLinear(parse("int8"))
    Llama(load(folder.write()), linear).forward([1, 2, 3])
    assert linear.outputs == 2 * 3 * (24 + 8 + 8 + 20 + 28 + 28 + 20)


def test_fp16_follows_the_float_model():
    """The model is stored in FP16, so only activations are rounded."""
    tokens = list(HELDOUT_TEXT.read_bytes()[:64])
    logits = Llama(load(), GoldenLinear(parse("fp16"))).forward(tokens)
    error = np.abs(logits - Llama(load(), FloatLinear()).forward(tokens)).max()
    assert 0 < error < 0.02


def test_precision_costs_perplexity_in_the_expected_order():
    ids = np.frombuffer(HELDOUT_TEXT.read_bytes(), np.uint8)[: 16 * 128 + 1]
    backends = {
        "float": FloatLinear(),
        "int8": GoldenLinear(parse("int8")),
        "w4a16": WeightOnlyLinear(parse("anda-m6")),
        "m5": GoldenLinear(parse("anda-m5")),
        "m4": GoldenLinear(parse("anda-m4")),
    }
    nats = {name: perplexity(Llama(load(), linear), ids).nats for name, linear in backends.items()}
    assert nats["int8"] == pytest.approx(nats["float"], abs=0.005)
    assert nats["float"] + 0.01 < nats["w4a16"] < nats["m5"] - 0.005 < nats["m4"] - 0.03
    assert nats["m4"] < nats["float"] + 0.15
