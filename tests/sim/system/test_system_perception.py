"""Layers of an image network on one co-processor, each in another format."""

from collections import Counter

import numpy as np
from systems import system

from gemmsmith.schemes import parse
from gemmsmith_sim.llm.quantized import GoldenLinear, RtlLinear
from gemmsmith_sim.perception import LAYERS, MODULES, Network, load, make_scenes
from gemmsmith_sim.search import PrecisionMap

FORMATS = {"conv1": "posit16", "conv2": "fp4", "point": "posit4", "head": "posit8"}


class Watched(RtlLinear):
    """Counts outputs by layer."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.by_layer = Counter()

    def matmul(self, handle, x):
        product = super().matmul(handle, x)
        self.by_layer[handle[0]] += product.size
        return product


def test_every_kind_of_layer_in_every_format():
    model, images = load(), make_scenes(1, seed=13).images
    mixed = PrecisionMap(parse("xrnpe-posit8"), {name: {"format": chosen} for name, chosen in FORMATS.items()},
                         modules=MODULES)
    assert mixed.build_choices == {}
    with system("verilator", "xrnpe-posit8") as driver:
        linear = Watched(driver, mixed)
        scores = Network(model.parameters, linear).scores(images)
    assert linear.by_layer == {layer.name: layer.rows * layer.outputs for layer in LAYERS}
    assert {layer.kind for layer in LAYERS} == {"convolution", "pointwise", "dense"}
    assert set(FORMATS.values()) == {"fp4", "posit4", "posit8", "posit16"}
    assert (linear.mismatches, linear.first_mismatch) == (0, None)
    np.testing.assert_array_equal(scores, Network(model.parameters, GoldenLinear(mixed)).scores(images))
