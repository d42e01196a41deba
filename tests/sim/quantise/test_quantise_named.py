"""Quantisers by name."""

import numpy as np
import pytest

from gemmsmith.schemes import Anda, parse
from gemmsmith_sim.quantise import (
    ErrorFeedback,
    check_quantiser,
    clip_search,
    make_quantiser,
    one_scale,
    round_to_nearest,
)

SERVED = {"nearest": {"anda-m6", "w4a8", "xrnpe-fp4"}, "clip": {"w4a8"}, "tensor": {"xrnpe-fp4"},
          "feedback": {"xrnpe-fp4"}}


@pytest.mark.parametrize("name", SERVED)
def test_what_is_let_pass_serves_and_nothing_else(name):
    weights = np.random.default_rng(4).normal(size=(3, 64)).astype(np.float32)
    for short in SERVED["nearest"]:
        scheme = parse(short)
        quantiser = make_quantiser(name, lambda: {"a": np.eye(64)})
        encode = (lambda s, w, q=quantiser: q.encode("a", s, w)) if isinstance(quantiser, ErrorFeedback) else quantiser
        if short in SERVED[name]:
            check_quantiser(name, scheme)
            assert encode(scheme, weights).shape == (3, 64)
            continue
        with pytest.raises(ValueError, match=f"^quantiser {name} serves the .* schemes .*, not {short}$"):
            check_quantiser(name, scheme)
        with pytest.raises(ValueError, match="serves the"):
            encode(scheme, weights)


def test_data_are_asked_for_where_they_are_read():
    def never():
        raise AssertionError("no data are due")

    assert [make_quantiser(name, never) for name in (None, "nearest", "clip", "tensor")] == [
        round_to_nearest, round_to_nearest, clip_search, one_scale]
    moments = {"a": np.eye(2)}
    assert make_quantiser("feedback", lambda: moments) == ErrorFeedback(moments)


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="no quantiser is called 'median'; there are nearest, clip, tensor, feedback"):
        check_quantiser("median", Anda())
