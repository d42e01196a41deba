"""Weights for a scheme: quantisers of float weights, and checkpoints whose weights are quantised already."""

from gemmsmith_sim.quantise.named import FEEDBACK, NEAREST, AnyQuantiser, Moments, check_quantiser, make_quantiser
from gemmsmith_sim.quantise.packed import PackedFormat, PackedWeight
from gemmsmith_sim.quantise.powers import ErrorFeedback, Recorder, error_feedback, one_scale
from gemmsmith_sim.quantise.quantisers import QUANTISERS, Quantiser, clip_search, round_to_nearest

__all__ = ["FEEDBACK", "NEAREST", "QUANTISERS", "AnyQuantiser", "ErrorFeedback", "Moments", "PackedFormat",
           "PackedWeight", "Quantiser", "Recorder", "check_quantiser", "clip_search", "error_feedback",
           "make_quantiser", "one_scale", "round_to_nearest"]
