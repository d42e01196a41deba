"""Weights for a scheme: quantisers of float weights, and checkpoints whose weights are quantised already."""

from gemmsmith_sim.quantise.packed import PackedFormat, PackedWeight
from gemmsmith_sim.quantise.powers import ErrorFeedback, Recorder, error_feedback, one_scale
from gemmsmith_sim.quantise.quantisers import QUANTISERS, Quantiser, clip_search, round_to_nearest

__all__ = ["QUANTISERS", "ErrorFeedback", "PackedFormat", "PackedWeight", "Quantiser", "Recorder", "clip_search",
           "error_feedback", "one_scale", "round_to_nearest"]
