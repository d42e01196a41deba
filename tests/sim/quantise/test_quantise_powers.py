"""Quantisers of the XR-NPE schemes: one scale against all scales there are, error feedback against what it is for."""

import numpy as np
import pytest

from gemmsmith.schemes import parse
from gemmsmith_sim.golden import EncodeError, for_scheme
from gemmsmith_sim.llm.model import FloatLinear
from gemmsmith_sim.llm.quantized import GoldenLinear
from gemmsmith_sim.quantise import ErrorFeedback, Recorder, error_feedback, one_scale
from oracle.posits import posit_number

rng = np.random.default_rng(31)
W = (rng.normal(size=(6, 24)) * np.exp2(rng.integers(-2, 3, (6, 1)))).astype(np.float32)
FORMATS = {"xrnpe-posit4": (4, 1), "xrnpe-posit8": (8, 0)}
SHORT = [*FORMATS, "xrnpe-fp4"]
FP4 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6])


def numbers_of(name):
    if name == "xrnpe-fp4":
        return np.concatenate([FP4, -FP4])
    n, es = FORMATS[name]
    return np.array([float(posit_number(code, n, es) or 0) for code in range(2**n)])


@pytest.mark.parametrize("name", SHORT)
def test_one_scale_is_the_best_of_all_there_are(name):
    encoded = one_scale(parse(name), W)
    assert len(set(encoded.arrays["exponents"])) == 1
    found = np.square(encoded.values - W).sum()
    numbers, least = numbers_of(name), []
    for exponent in range(-20, 20):
        distances = np.abs(W[..., None] - numbers * 2.0**exponent)
        if "posit" in name:
            distances[W != 0][:, numbers == 0] = np.inf  # what is not 0 never becomes 0
            distances = np.where((W != 0)[..., None] & (numbers == 0), np.inf, distances)
        least.append(np.square(distances.min(axis=2)).sum())
    assert found <= min(least) * (1.0 if name == "xrnpe-fp4" else 1.02)  # a posit's ties are not at the mean


def test_one_scale_of_equal_rows_is_that_of_a_row_and_of_zeros_is_one():
    row = W[:1]
    np.testing.assert_array_equal(one_scale(parse("xrnpe-posit8"), np.repeat(row, 3, axis=0)).values,
                                  np.repeat(for_scheme(parse("xrnpe-posit8")).encode_weights(row).values, 3, axis=0))
    zeros = one_scale(parse("xrnpe-fp4"), np.zeros((2, 3), np.float32))
    assert not zeros.arrays["codes"].any()
    assert not zeros.arrays["exponents"].any()


def test_feedback_without_correlation_is_rounding():
    for name in SHORT:
        scheme = parse(name)
        np.testing.assert_array_equal(error_feedback(scheme, W, 3.0 * np.eye(24)).values,
                                      for_scheme(scheme).encode_weights(W).values)


@pytest.mark.parametrize("name", SHORT)
def test_feedback_keeps_outputs_closer(name):
    scheme = parse(name)
    x = rng.normal(size=(400, 5)) @ rng.normal(size=(5, 24)) + 0.3 * rng.normal(size=(400, 24))
    plain, made = for_scheme(scheme).encode_weights(W), error_feedback(scheme, W, x.T @ x)
    np.testing.assert_array_equal(made.arrays["exponents"], plain.arrays["exponents"])
    errors = [np.linalg.norm(x @ (encoded.values - W).T) for encoded in (made, plain)]
    assert errors[0] < 0.7 * errors[1]
    assert np.linalg.norm(made.values - W) > np.linalg.norm(plain.values - W)


def test_feedback_with_inputs_that_never_came():
    made = error_feedback(parse("xrnpe-posit8"), W, np.zeros((24, 24)))
    np.testing.assert_array_equal(made.values, for_scheme(parse("xrnpe-posit8")).encode_weights(W).values)


def test_a_layers_own_inputs_are_used():
    recorder, x = Recorder(), rng.normal(size=(7, 24)).astype(np.float32)
    for name, inputs in (("a", x), ("b", 2 * x), ("a", x)):
        handle = recorder.prepare(name, W) if name not in recorder.moments else (name, W)
        np.testing.assert_array_equal(recorder.matmul(handle, inputs), FloatLinear().matmul(W, inputs))
    np.testing.assert_allclose(recorder.moments["a"], 2 * x.astype(np.float64).T @ x, rtol=1e-6)
    np.testing.assert_allclose(recorder.moments["b"], 4 * x.astype(np.float64).T @ x, rtol=1e-6)
    scheme = parse("xrnpe-fp4")
    linear = GoldenLinear(scheme, ErrorFeedback(recorder.moments))
    _, encoded = linear.prepare("b", W)
    np.testing.assert_array_equal(encoded.values, error_feedback(scheme, W, recorder.moments["b"]).values)


def test_outputs_that_are_codes_reach_the_model_as_numbers():
    x = rng.normal(size=(3, 24)).astype(np.float32)
    for out in ("posit8", "fp4", "posit16"):
        golden = for_scheme(parse("xrnpe-posit8", out=out))
        linear = GoldenLinear(golden.scheme)
        product = linear.matmul(linear.prepare("a", W), x)
        codes = golden.matmul(golden.encode_activations(x), golden.encode_weights(W))
        assert codes.dtype == np.uint16
        np.testing.assert_array_equal(product, golden.output_values(codes))
        np.testing.assert_allclose(product, x @ W.T, rtol=0.6, atol=1.0 if out != "fp4" else 200)


def test_refused():
    bad = W.copy()
    bad[2, 3] = np.nan
    scheme = parse("xrnpe-posit8")
    for quantise in (one_scale, lambda chosen, weights: error_feedback(chosen, weights, np.eye(24))):
        with pytest.raises(EncodeError, match="weights: nan at row 2, column 3"):
            quantise(scheme, bad)
        with pytest.raises(ValueError, match="serves the xrnpe schemes, not int8"):
            quantise(parse("int8"), W)
    with pytest.raises(ValueError, match=r"moments must be of shape \(24, 24\), not \(3, 3\)"):
        error_feedback(scheme, W, np.eye(3))
