import random

import pytest
from pipeline_bench import run_pipeline

from gemmsmith.arith.planes import PlaneCombine
from gemmsmith.arith.sum import levels


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="planes must be at least 1, not 0"):
        PlaneCombine(planes=0, width=4)
    with pytest.raises(ValueError, match="width must be at least 1, not 0"):
        PlaneCombine(planes=2, width=0)


@pytest.mark.parametrize("planes", range(1, 10))
def test_weights_planes_as_a_twos_complement_word(planes):
    rng = random.Random(planes)
    width = 5
    low, high = -16, 15
    corners = [[low] * planes, [high] * planes, [high] * (planes - 1) + [low], [low] * (planes - 1) + [high]]
    vectors = corners + [[rng.randint(low, high) for _ in range(planes)] for _ in range(60)]
    weights = [1 << b for b in range(planes - 1)] + [-(1 << planes - 1)]
    expected = [sum(p * w for p, w in zip(v, weights, strict=True)) for v in vectors]
    dut = PlaneCombine(planes=planes, width=width)
    assert dut.latency == levels(planes)
    assert run_pipeline(dut, [{"i": v} for v in vectors], latency=dut.latency) == expected
