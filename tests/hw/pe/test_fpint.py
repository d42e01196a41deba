import numpy as np
import pytest
from pe_bench import Bench, bits, block_of, run_and_compare

from gemmsmith.pe.fpint import FpIntElement
from gemmsmith.schemes import Axis, FpInt
from gemmsmith_sim.golden import Encoded, for_scheme
from oracle import operands


def encoded(scheme, a, w, scales):
    return (Encoded(scheme, Axis.ROW, np.shape(a), {"codes": np.asarray(a, np.uint16)}),
            Encoded(scheme, Axis.COLUMN, np.shape(w), {"codes": np.asarray(w, np.int8), "scales": np.float16(scales)}))


@pytest.mark.parametrize(("share", "idle", "group", "out"), [
    (1, 0.0, 64, "fp32"), (2, 0.2, 128, "fp16"), (3, 0.0, 64, "fp16"), (5, 0.0, 64, "fp32")])
def test_random_blocks(share, idle, group, out):
    rng, scheme = np.random.default_rng(share), FpInt(weight_group=group, out=out)
    run_and_compare(FpIntElement(scheme=scheme), [tuple(operands.encoded(scheme, axis, (rows, k), rng)
                                   for axis, rows in ((Axis.ROW, 1), (Axis.COLUMN, share))) for k in (1, 200, 64)],
                    share=share, idle=idle, seed=share)


def test_every_weight():
    """Each of the sixteen codes times subnormals, zeros and odd significands, one product to a block."""
    scheme, weights = FpInt(weight_group=64), np.arange(-8, 8).reshape(16, 1)
    pairs = [encoded(scheme, [[a]], weights, np.ones((16, 1))) for a in (0x3C00, 0xBFFF, 0x83FF, 0x8000)]
    run = run_and_compare(FpIntElement(scheme=scheme), pairs, share=16)
    assert run.outputs[0] == bits(np.float32(weights[:, 0]))


def test_scales_are_those_of_their_group():
    scheme = FpInt(weight_group=64)
    a, w = np.full((1, 192), 0x3C00), np.ones((2, 192))
    run_and_compare(FpIntElement(scheme=scheme), [encoded(scheme, a, w, [[1, 2.0**-14, 65504], [3, 5, 7]])], share=2)


def test_not_finite_activations_and_scales_read_as_the_largest():
    scheme = FpInt(weight_group=64)
    pe, golden = FpIntElement(scheme=scheme), for_scheme(scheme)
    a, w = encoded(scheme, [[0x7BFF]], [[3], [3]], [[65504.0]] * 2)
    block = block_of(pe, golden, a, w, 0)
    block.row["a_code"][0] = 0x7C00
    block.columns[0]["w_scale"], block.columns[1]["w_scale"] = [0x7C00], [0x7E01]
    assert Bench(pe, share=2, mode=0).run([block]).outputs == bits(golden.matmul(a, w))


def test_groups_follow_each_other_without_a_gap():
    scheme = FpInt(weight_group=64)
    pe = FpIntElement(scheme=scheme)
    assert pe.schedule(groups=3, mode=0, share=4).block == 3 * 64
    assert pe.macs_per_cycle(0) == 1
