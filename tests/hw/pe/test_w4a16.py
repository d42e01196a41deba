import numpy as np
import pytest
from pe_bench import Bench, bits, block_of, flags, run_and_compare

from gemmsmith.pe.w4a16 import W4A16Element
from gemmsmith.schemes import W4A16, Axis
from gemmsmith_sim.golden import Encoded, for_scheme
from oracle import operands


def encoded(scheme, a, w, scales):
    dtype = np.int8 if scheme.w == "int4" else np.uint8
    return (Encoded(scheme, Axis.ROW, np.shape(a), {"codes": np.asarray(a, np.uint16)}),
            Encoded(scheme, Axis.COLUMN, np.shape(w), {"codes": np.asarray(w, dtype), "scales": np.float16(scales)}))


CASES = [("int4", 16, "2", 128, "fp32", 2, 0.0), ("int4", 16, "exact", 32, "fp16", 1, 0.3),
         ("int4", 1, "0", 32, "fp32", 2, 0.2), ("int4", 4, "8", 64, "fp16", 3, 0.0),
         ("fp4", 16, "2", 64, "fp32", 2, 0.0), ("fp4", 2, "1", 32, "fp16", 1, 0.0)]


@pytest.mark.parametrize(("w", "lanes", "guard", "group", "out", "share", "idle"), CASES)
def test_random_blocks(w, lanes, guard, group, out, share, idle):
    scheme, rng = W4A16(w=w, lanes=lanes, guard=guard, group=group, out=out), np.random.default_rng(lanes)
    pairs = []
    for k in (1, 3 * group - 5, group):
        a = operands.encoded(scheme, Axis.ROW, (2, k), rng).arrays["codes"][k % 2:][:1]
        pairs.append((Encoded(scheme, Axis.ROW, a.shape, {"codes": a}),
                      operands.encoded(scheme, Axis.COLUMN, (share, k), rng)))
    run_and_compare(W4A16Element(scheme=scheme), pairs, share=share, idle=idle, seed=share)


@pytest.mark.parametrize("w", ["int4", "fp4"])
def test_every_weight(w):
    """Each of the sixteen codes times subnormals, zeros and odd significands, one product to a block."""
    scheme = W4A16(w=w, lanes=1, group=32)
    weights = np.arange(-8, 8) if w == "int4" else np.arange(16)
    pairs = [encoded(scheme, [[a]], weights.reshape(16, 1), np.ones((16, 1)))
             for a in (0x3C00, 0xBFFF, 0x83FF, 0x8000)]
    run = run_and_compare(W4A16Element(scheme=scheme), pairs, share=16)
    values = weights if w == "int4" else np.array([0, .5, 1, 1.5, 2, 3, 4, 6, 0, -.5, -1, -1.5, -2, -3, -4, -6])
    assert run.outputs[0] == bits(np.float32(values))


def test_sums_at_their_limits():
    """The largest magnitudes of activations and weights, all of one sign, at the largest and the smallest exponent."""
    for w, weight in (("int4", -8), ("fp4", 7), ("fp4", 15)):
        scheme = W4A16(w=w, lanes=4, group=32)
        pairs = [encoded(scheme, np.full((1, 32), a), np.full((1, 32), weight), [[65504.0]])
                 for a in (0x7BFF, 0xFBFF, 0x0001, 0x83FF)]
        run_and_compare(W4A16Element(scheme=scheme), pairs, share=1)


def test_not_finite_activations_and_scales_read_as_the_largest():
    scheme = W4A16(lanes=2, group=32)
    pe, golden = W4A16Element(scheme=scheme), for_scheme(scheme)
    a, w = encoded(scheme, [[0x7BFF, 0x3C00]], [[3, 1], [3, 1]], [[65504.0]] * 2)
    block = block_of(pe, golden, a, w, 0)
    block.row["a_codes"][0] = 0x3C00 << 16 | 0x7C00
    block.columns[0]["w_scale"], block.columns[1]["w_scale"] = [0x7C00], [0x7E01]
    assert Bench(pe, share=2, mode=0).run([block]).outputs == bits(golden.matmul(a, w))


def test_flag_tells_of_saturation():
    edge = W4A16Element(scheme=W4A16(lanes=2, group=32)).row_edge()
    beats = [(code << 16 | 0x3C00, valid) for code, valid in ((0x7BFF, 1), (0x7C00, 0), (0xFC01, 1), (0x3C00, 1))]
    assert flags(edge, "a_codes", beats) == [0, 0, 1, 0]


def test_what_a_beat_drops_depends_on_its_lanes():
    """A small activation loses what is below the guard bits of a large one beside it, unless alignment is exact."""
    a, w = [[0x6400, 0xBC01]], [[0, 1]]  # 1024 and −(1 + 2^-10): ten places apart
    got = {}
    for lanes, guard in ((2, "2"), (1, "2"), (2, "exact")):
        scheme = W4A16(lanes=lanes, guard=guard, group=32)
        run = run_and_compare(W4A16Element(scheme=scheme), [encoded(scheme, a, w, [[1.0]])], share=1)
        got[lanes, guard] = run.outputs[0][0]
    whole = bits(np.float32([-1 - 2.0**-10]))[0]
    assert got == {(2, "2"): bits(np.float32([-1]))[0], (1, "2"): whole, (2, "exact"): whole}


def test_groups_follow_each_other_as_scheduled():
    pe = W4A16Element(scheme=W4A16())
    assert pe.schedule(groups=3, mode=0, share=4).block == 3 * 8
    assert W4A16Element(scheme=W4A16(lanes=64)).schedule(groups=3, mode=0, share=4).block == 3 * pe.tail_loop
    assert (pe.macs_per_cycle(0), pe.edge_latency, pe.core_latency) == (16, 10, 11)
    assert {o.name: o.width for o in pe.operands} == {"a_codes": 256, "w_codes": 64, "w_scale": 16}
