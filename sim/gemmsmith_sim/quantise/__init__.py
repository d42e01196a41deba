"""Weights for a scheme: quantisers of float weights, and checkpoints whose weights are quantised already."""

from gemmsmith_sim.quantise.packed import PackedFormat, PackedWeight
from gemmsmith_sim.quantise.quantisers import QUANTISERS, Quantiser, clip_search, round_to_nearest

__all__ = ["QUANTISERS", "PackedFormat", "PackedWeight", "Quantiser", "clip_search", "round_to_nearest"]
