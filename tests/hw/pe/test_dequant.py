import numpy as np
import pytest
from pe_bench import Bench, bits, block_of, flags, run_and_compare

from gemmsmith.pe.dequant import DequantElement
from gemmsmith.schemes import Axis, Dequant
from gemmsmith_sim.golden import Encoded, for_scheme
from oracle import operands


def encoded(scheme, a, w, scales):
    return (Encoded(scheme, Axis.ROW, np.shape(a), {"codes": np.asarray(a, np.uint16)}),
            Encoded(scheme, Axis.COLUMN, np.shape(w), {"codes": np.asarray(w, np.int8), "scales": np.float16(scales)}))


@pytest.mark.parametrize(("share", "idle", "out"), [(1, 0.0, "fp32"), (2, 0.2, "fp16"), (3, 0.0, "fp32")])
def test_random_blocks(share, idle, out):
    rng, scheme = np.random.default_rng(share), Dequant(group=32, out=out)
    run_and_compare(DequantElement(scheme=scheme), [tuple(operands.encoded(scheme, axis, (rows, k), rng)
                                   for axis, rows in ((Axis.ROW, 1), (Axis.COLUMN, share))) for k in (1, 100, 64)],
                    share=share, idle=idle, seed=share)


def test_every_weight():
    """Each of the sixteen codes by scales that round up, down and to even, underflow least and overflow most."""
    scheme, weights = Dequant(group=32), np.arange(-8, 8).reshape(16, 1)
    pairs = [encoded(scheme, [[0x3C00]], weights, np.full((16, 1), scale, np.uint16).view(np.float16))
             for scale in (0x3C00, 0x3FFF, 0x3C03, 0x3D55, 0x0400, 0x7BFF, 0x6FFE)]
    run_and_compare(DequantElement(scheme=scheme), pairs, share=16)


def test_scales_that_are_not_finite_read_as_the_largest():
    scheme = Dequant(group=32)
    pe, golden = DequantElement(scheme=scheme), for_scheme(scheme)
    a, w = encoded(scheme, [[0x3C00]], [[1]], [[65504.0]])
    block = block_of(pe, golden, a, w, 0)
    block.columns[0]["w_scale"] = [0x7E01]
    assert Bench(pe, share=1, mode=0).run([block]).outputs == bits(golden.matmul(a, w))


def test_flag_tells_of_scales_that_are_not_finite():
    edge = DequantElement(scheme=Dequant()).column_edge()
    assert flags(edge, "w_scale", [(0x7BFF, 1), (0x7C00, 0), (0x7C00, 1), (0x3C00, 1)]) == [0, 0, 1, 0]


def test_description():
    pe = DequantElement(scheme=Dequant())
    assert (pe.group, pe.beats(0), pe.macs_per_cycle(0), pe.edge_latency) == (128, 128, 1, 5)
    assert {o.name: (o.width, o.cadence.value) for o in pe.operands} == {
        "a_code": (16, "beat"), "w_code": (4, "beat"), "w_scale": (16, "group")}
