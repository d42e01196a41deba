"""Numerical error against float64: by hand on small operands, its order and parts on real ones."""

import numpy as np
import pytest

from gemmsmith.schemes import parse
from gemmsmith_sim.golden import EncodeError, for_scheme
from gemmsmith_sim.measure.error import numerical_error
from gemmsmith_sim.measure.tensors import Recorded, recorded

FEW = 32
"""Tokens: enough for an order of magnitude."""


def layer(name, a, w):
    return Recorded(name, np.array(a, np.float32), np.array(w, np.float32))


def test_by_hand():
    """1 + 2⁻¹² is 1 as an FP16 code; all else is exact."""
    lost = 2.0**-12
    tensors = [layer("one", [[1 + lost]], [[1.0], [3.0]]), layer("two", [[2.0]], [[4.0]])]
    error = numerical_error(parse("fp16"), tensors=tensors)
    exact = np.array([1 + lost, 3 * (1 + lost)])
    missing = exact - [1, 3]
    assert error.relative_rms == pytest.approx(np.sqrt(np.sum(missing**2) / (np.sum(exact**2) + 64)))
    assert error.worst == pytest.approx(missing.max() / np.sqrt(np.mean(exact**2)))
    assert error.by_layer == {"one": pytest.approx(lost / (1 + lost)), "two": 0}
    assert (error.encoding, error.arithmetic, error.outputs) == (error.relative_rms, 0, 3)


def test_arithmetic_alone():
    """Codes that lose nothing, summed in FP32: 1 + 2⁻²⁴ rounds to 1."""
    error = numerical_error(parse("fp16"), tensors=[layer("sum", [[1.0, 2.0**-12]], [[1.0, 2.0**-12]])])
    assert error.encoding == 0
    assert error.arithmetic == error.relative_rms == pytest.approx(2.0**-24)


def test_outputs_that_are_codes_count_as_numbers():
    """1 + 2⁻⁶ lies in the middle of 1 and 1 + 2⁻⁵, of Posit(8, 0); the code of 1 is even."""
    tensors = [layer("sum", [[1.0, 2.0**-6]], [[1.0, 1.0]])]
    error = numerical_error(parse("xrnpe-posit8", out="posit8"), tensors=tensors)
    assert error.encoding == 0
    assert error.relative_rms == pytest.approx(2.0**-6 / (1 + 2.0**-6))


def test_order_of_schemes_on_real_tensors():
    errors = {name: numerical_error(parse(name), tensors=recorded(tokens=FEW))
              for name in ("fp16", "int8", "anda-m8", "anda-m4")}
    ordered = [error.relative_rms for error in errors.values()]
    assert ordered == sorted(ordered)
    assert 1e-5 < ordered[0] < 1e-3, "FP16 operands keep eleven bits"
    for error in errors.values():
        assert error.outputs == FEW * sum(len(t.weights) for t in recorded())
        assert error.worst > error.relative_rms > error.arithmetic
        assert error.relative_rms == pytest.approx(error.encoding, rel=0.01), "arithmetic adds next to nothing"
        assert set(error.by_layer) == {t.layer for t in recorded()}


def test_it_is_the_golden_model_that_is_measured(monkeypatch):
    """An output that is off by the RMS of its layer is seen."""
    scheme = parse("fp16")
    tensors = recorded(tokens=4)[:1]
    family = type(for_scheme(scheme))
    product = family.product
    monkeypatch.setattr(family, "product", lambda self, a, w: product(self, a, w) + np.float32(1))
    exact = tensors[0].activations.astype(float) @ tensors[0].weights.T.astype(float)
    assert numerical_error(scheme, tensors=tensors).worst == pytest.approx(1 / np.sqrt(np.mean(exact**2)), rel=0.01)


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ValueError, match="at least one layer"):
        numerical_error(parse("fp16"), tensors=[])
    with pytest.raises(ValueError, match="zeros: all exact outputs are zero"):
        numerical_error(parse("fp16"), tensors=[layer("zeros", [[0.0]], [[1.0]])])
    with pytest.raises(EncodeError, match="huge: activations: 1000000"):
        numerical_error(parse("fp16"), tensors=[layer("huge", [[1e6]], [[1.0]])])
