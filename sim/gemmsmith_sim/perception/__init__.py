"""A small image network, the pictures it reads, and what each number format costs it."""

from gemmsmith_sim.perception.measure import Score, score
from gemmsmith_sim.perception.network import LAYERS, MODULES, Layer, Network, load
from gemmsmith_sim.perception.scenes import CLASSES, Scenes, make_scenes

__all__ = ["CLASSES", "LAYERS", "MODULES", "Layer", "Network", "Scenes", "Score", "load", "make_scenes", "score"]
