import numpy as np
import pytest
from pe_bench import Bench, bits, block_of

from gemmsmith.pe import for_scheme as element_for
from gemmsmith.pe.ant import AntElement
from gemmsmith.schemes import Ant, Axis
from gemmsmith_sim.golden import Encoded, for_scheme

PAIRS = [("int", "int"), ("flint", "flint"), ("pot", "pot"), ("float", "pot"), ("flint", "int"), ("int", "float")]


def encoded(scheme, axis, codes, scales):
    return Encoded(scheme, axis, codes.shape, {"codes": np.uint8(codes), "scales": np.float32(scales)})


def run_and_compare(pe, products, *, share, idle=0.0):
    """Runs (activations, weights) pairs as blocks back to back; compares sums and outputs."""
    golden = for_scheme(pe.scheme)
    blocks = [block_of(pe, golden, a, w, pe.mode) for a, w in products]
    run = Bench(pe, share=share, mode=pe.mode, idle=idle, seed=len(products)).run(blocks)
    for (a, w), results, outputs in zip(products, run.results, run.outputs, strict=True):
        sums = golden.numbers(w).astype(np.int64) @ golden.numbers(a)[0].astype(np.int64)
        assert results == [[int(s) & 0xFFFFFFFF for s in sums]]
        assert [outputs] == bits(golden.matmul(a, w))
    return run


@pytest.mark.parametrize(("a", "w"), PAIRS)
@pytest.mark.parametrize(("lanes", "share", "idle", "out", "wide"), [(4, 2, 0.3, "fp16", 0), (16, 1, 0.0, "fp32", 8)])
def test_random_blocks(a, w, lanes, share, idle, out, wide):
    rng, scheme = np.random.default_rng(lanes), Ant(a=a, w=w, out=out)
    products = []
    for k in (1, lanes, 70):
        scales = 2.0 ** rng.uniform(-18, 2, share + 1)
        products.append((encoded(scheme, Axis.ROW, rng.integers(0, 16, (1, k)), scales[:1]),
                         encoded(scheme, Axis.COLUMN, rng.integers(0, 16, (share, k)), scales[1:])))
    run_and_compare(AntElement(scheme=scheme, lanes=lanes, bits=wide), products, share=share, idle=idle)


CHAIN = [("int", "float"), ("float", "flint"), ("flint", "pot"), ("pot", "int")]
"""Each type on both sides."""


@pytest.mark.parametrize(("a", "w"), CHAIN + [
    pytest.param(a, w, marks=pytest.mark.slow) for a in Ant.types() for w in Ant.types() if (a, w) not in CHAIN])
def test_every_code_times_every_code(a, w):
    """One product to a block: a lane of its own, in the widest build."""
    scheme = Ant(a=a, w=w)
    columns = encoded(scheme, Axis.COLUMN, np.arange(16)[:, None], np.ones(16))
    products = [(encoded(scheme, Axis.ROW, np.full((1, 1), code), [1.0]), columns) for code in range(16)]
    run = run_and_compare(AntElement(scheme=scheme, lanes=1, bits=8), products, share=16)
    assert len({result for block in run.results for result in block[0]}) > 10


def test_description():
    pe = element_for(Ant(), lanes=4)
    assert isinstance(pe, AntElement)
    assert (pe.group, pe.macs_per_cycle(0), pe.beats(0), pe.mode, pe.modes, pe.bits) == (4, 4, 1, 8, range(9), 6)
    assert (element_for(Ant(a="int", w="int")).bits, element_for(Ant(w="pot")).bits) == (4, 8)
    assert element_for(Ant(), bits=8).mode == 10
    assert {o.name: o.width for o in pe.operands} == {"a_codes": 16, "w_codes": 16, "a_scale": 32, "w_scale": 32}


@pytest.mark.parametrize(("options", "message"), [
    ({"lanes": 3}, "lanes must be a power of two from 1 to 64, not 3"),
    ({"bits": 4}, "bits must be 0, or 6, 8 for a=flint w=flint, not 4"),
    ({"bits": 7}, "bits must be 0, or 6, 8 for a=flint w=flint, not 7")])
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        AntElement(scheme=Ant(), **options)
