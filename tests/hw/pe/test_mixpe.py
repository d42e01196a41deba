import numpy as np
import pytest
from pe_bench import Bench, bits, block_of, run_and_compare

from gemmsmith.arith.tech import targeting
from gemmsmith.pe import for_scheme as element_for
from gemmsmith.pe.mixpe import MixPeElement
from gemmsmith.schemes import Axis, MixPe
from gemmsmith_sim.golden import for_scheme
from oracle import operands

WEIGHTS = ["int8", "int4", "int3", "int2", "fp4", "ternary", "binary"]


def random_blocks(pe, ks, *, share=2, idle=0.0, seed=0):
    """Blocks of random operands with each of the lengths ``ks``, back to back; compares outputs."""
    rng = np.random.default_rng(seed)
    products = [(operands.encoded(pe.scheme, Axis.ROW, (1, k), rng),
                 operands.encoded(pe.scheme, Axis.COLUMN, (share, k), rng)) for k in ks]
    run = run_and_compare(pe, products, share=share, idle=idle, seed=seed)
    assert len({code for outputs in run.outputs for code in outputs}) > 1
    return run


@pytest.mark.parametrize(("structure", "a"), [({}, 8), ({}, 4), ({"pipelined": 0}, 8), ({"multiplier": 1}, 4)])
@pytest.mark.parametrize("w", WEIGHTS)
def test_every_weight_format(w, a, structure):
    pe = MixPeElement(scheme=MixPe(w=w, a=a, group=32), lanes=8, **structure)
    random_blocks(pe, [32, 1, 75, 160], idle=0.2, seed=a)


@pytest.mark.parametrize("w", ["int8", "int4", "int3", "int2"])
@pytest.mark.parametrize(("scale", "group"), [("fp16", 32), ("fp32", 0)])
def test_zero_points(w, scale, group):
    for structure in ({}, {"pipelined": 0}):
        pe = MixPeElement(scheme=MixPe(w=w, zero="zp", scale=scale, group=group), lanes=8, **structure)
        random_blocks(pe, [32, 9, 75], idle=0.1)


@pytest.mark.parametrize("scale", ["fp16", "fp32", "pow2"])
@pytest.mark.parametrize("group", [0, 32, 256])
@pytest.mark.parametrize("w", ["int4", "fp4", "binary"])
def test_scales_and_groups(w, group, scale):
    pe = MixPeElement(scheme=MixPe(w=w, scale=scale, group=group), lanes=16)
    random_blocks(pe, [64, 300, 33], seed=group)


@pytest.mark.parametrize(("w", "zero"), [("int4", "sym"), ("int4", "zp"), ("int3", "zp"), ("int2", "sym")])
def test_two_levels_of_scales(w, zero):
    pe = MixPeElement(scheme=MixPe(w=w, zero=zero, scale="int8", group=64), lanes=16)
    random_blocks(pe, [64, 300, 33], idle=0.2)


@pytest.mark.parametrize("tail_loop", [2, 3, 4, 8])
@pytest.mark.parametrize("out", ["fp32", "fp16"])
def test_tails(tail_loop, out):
    for share in (1, 3, 8):
        for choices in ({}, {"zero": "zp"}, {"scale": "fp32"}):
            pe = MixPeElement(scheme=MixPe(group=32, out=out, **choices), lanes=16, tail_loop=tail_loop)
            random_blocks(pe, [32, 32, 32, 96, 32, 200], share=share)


def test_int8_weights_use_the_whole_sum():
    scheme = MixPe(w="int8", group=256)
    golden, pe = for_scheme(scheme), MixPeElement(scheme=scheme)
    rng = np.random.default_rng(0)
    a, w = (operands.encoded(scheme, axis, (rows, 256), rng) for axis, rows in ((Axis.ROW, 1), (Axis.COLUMN, 2)))
    low = type(a)(scheme, Axis.ROW, (1, 256), {**a.arrays, "codes": np.full((1, 256), -128, np.int8)})
    ends = type(w)(scheme, Axis.COLUMN, (2, 256), {**w.arrays, "codes": np.repeat(np.int8([[-128], [127]]), 256, 1)})
    run = Bench(pe, share=2, mode=0).run([block_of(pe, golden, low, ends, 0)])
    assert run.results == [[[128 * 128 * 256, (-128 * 127 * 256) & 0xFFFFFF]]]
    assert run.outputs == bits(golden.matmul(low, ends))


@pytest.mark.parametrize("target", ["ecp5", "asic"])
@pytest.mark.parametrize("w", ["int4", "ternary"])
def test_blocks_follow_each_other_without_a_gap(w, target):
    pe = MixPeElement(scheme=MixPe(w=w, group=64), lanes=16)
    with targeting("generic" if target == "ecp5" else target):  # cells of an FPGA are simulated after synthesis
        run = random_blocks(pe, [128] * 3, share=4)
    assert run.cycles == 3 * 8 == 3 * pe.schedule(groups=2, mode=0, share=4).block


def test_description():
    pe = element_for(MixPe(), lanes=8)
    assert isinstance(pe, MixPeElement)
    assert (pe.group, pe.macs_per_cycle(0), pe.beats(0), pe.row_side) == (128, 8, 16, 0)
    assert {o.name: o.width for o in pe.operands} == {"a_codes": 64, "a_scale": 32, "w_codes": 32, "w_scale": 16}
    keys = {MixPeElement(scheme=scheme, **options).key for scheme, options in (
        (MixPe(), {}), (MixPe(zero="zp"), {}), (MixPe(), {"pipelined": 0}), (MixPe(), {"multiplier": 1}),
        (MixPe(), {"tail_loop": 8}), (MixPe(), {"lanes": 8}))}
    assert len(keys) == 6


@pytest.mark.parametrize(("options", "message"), [
    ({"lanes": 3}, "lanes must be a power of two from 1 to 64, not 3"),
    ({"lanes": 64}, "lanes must be at most the group of 32 weights, not 64"),
    ({"pipelined": 2}, "pipelined must be 0 or 1, not 2"),
    ({"multiplier": -1}, "multiplier must be 0 or 1, not -1"),
    ({"tail_loop": 5}, "tail_loop must be one of 2, 3, 4, 8, not 5")])
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        MixPeElement(scheme=MixPe(group=32), **options)
