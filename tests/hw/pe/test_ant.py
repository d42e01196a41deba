import numpy as np
import pytest
from beat_bench import sums
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
@pytest.mark.parametrize(("lanes", "share", "idle", "out", "wide"), [(4, 2, 0.3, "fp16", 0), (2, 1, 0.0, "fp32", 8)])
def test_random_blocks(a, w, lanes, share, idle, out, wide):
    rng, scheme = np.random.default_rng(lanes), Ant(a=a, w=w, out=out)
    products = []
    for k in (1, lanes, 70):
        scales = 2.0 ** rng.uniform(-18, 2, share + 1)
        products.append((encoded(scheme, Axis.ROW, rng.integers(0, 16, (1, k)), scales[:1]),
                         encoded(scheme, Axis.COLUMN, rng.integers(0, 16, (share, k)), scales[1:])))
    run_and_compare(AntElement(scheme=scheme, lanes=lanes, bits=wide), products, share=share, idle=idle)


def number(code, kind):
    """What a code means, by the tables of the paper."""
    if kind == "int":
        return code - 16 * (code > 7)
    half = {"float": "0 1 2 3 4 6 8 12", "flint": "0 1 2 3 16 8 4 6", "pot": "0 1 2 4 8 16 32 64"}[kind].split()
    return int(half[code % 8]) * (-1) ** (code > 7)


@pytest.mark.parametrize(("a", "w"), [(a, w) for a in Ant.types() for w in Ant.types()])
@pytest.mark.parametrize("pipelined", [0, 1])
def test_every_code_times_every_code(a, w, pipelined):
    pe = AntElement(scheme=Ant(a=a, w=w), lanes=1, pipelined=pipelined)
    pairs = [(x, y) for x in range(16) for y in range(16)]
    found = sums(pe, pairs)
    assert found == [number(x, a) * number(y, w) & 0xFFFFFFFF for x, y in pairs]


@pytest.mark.parametrize(("a", "w"), [
    ("flint", "float"), pytest.param("pot", "pot", marks=pytest.mark.slow)])
@pytest.mark.parametrize(("target", "pipelined"), [("generic", 1), ("asic", 0)])
def test_full_words_of_four_lanes(a, w, target, pipelined):
    rng = np.random.default_rng(16)
    pe = AntElement(scheme=Ant(a=a, w=w), lanes=4, pipelined=pipelined)
    codes = rng.integers(0, 16, (20, 2, 4))
    codes[:3] = np.array([4, 12, 15])[:, None, None]
    beats = [tuple(sum(int(code) << 4 * lane for lane, code in enumerate(word)) for word in beat) for beat in codes]
    wanted = [sum(number(x, a) * number(y, w) for x, y in zip(*beat, strict=True)) for beat in codes.tolist()]
    assert sums(pe, beats, target=target) == [total & 0xFFFFFFFF for total in wanted]


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
    ({"pipelined": 2}, "pipelined must be 0 or 1, not 2"),
    ({"bits": 7}, "bits must be 0, or 6, 8 for a=flint w=flint, not 7")])
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        AntElement(scheme=Ant(), **options)
