import numpy as np
import pytest
from prealigned_bench import extreme_products, random_product, run_and_compare

from gemmsmith.pe import for_scheme as element_for
from gemmsmith.pe.figna import FignaElement
from gemmsmith.schemes import Figna


@pytest.mark.parametrize(("m", "lanes", "pipelined", "tail_loop"), [
    (13, 16, 1, 4), (11, 4, 1, 8), (8, 8, 1, 8), (16, 1, 1, 4), (1, 2, 1, 4),
    (13, 8, 0, 8), (8, 4, 0, 4), (16, 2, 0, 4), (1, 1, 0, 4)])
def test_random_blocks(m, lanes, pipelined, tail_loop):
    rng, scheme = np.random.default_rng(m), Figna(m=m, weight_group=64 << m % 4, out=("fp32", "fp16")[lanes % 16 == 8])
    products = [random_product(rng, scheme, k=k, columns=2) for k in (64, 200, 5)]
    pe = FignaElement(scheme=scheme, lanes=lanes, pipelined=pipelined, tail_loop=tail_loop)
    run_and_compare(pe, products, share=2, idle=0.2 * (m % 2))


@pytest.mark.parametrize("pipelined", [0, 1])
def test_extremes(pipelined):
    scheme = Figna(m=8)
    run_and_compare(FignaElement(scheme=scheme, pipelined=pipelined), extreme_products(scheme), share=2)


@pytest.mark.parametrize(("lanes", "share", "tail_loop", "beats"), [(16, 4, 4, 4), (32, 1, 4, 4), (8, 8, 8, 8)])
def test_groups_follow_each_other_as_scheduled(lanes, share, tail_loop, beats):
    rng, scheme = np.random.default_rng(0), Figna(m=8)
    products = [random_product(rng, scheme, k=4 * 64, columns=share) for _ in range(2)]
    pe = FignaElement(scheme=scheme, lanes=lanes, tail_loop=tail_loop)
    run = run_and_compare(pe, products, share=share)
    assert 2 * pe.schedule(groups=4, mode=0, share=share).block == 8 * beats
    assert run.cycles == 8 * beats - (beats - 64 // lanes)  # the first group need not wait


@pytest.mark.parametrize(("options", "message"), [
    ({"lanes": 3}, "lanes must be a power of two from 1 to 64, not 3"),
    ({"pipelined": 2}, "pipelined must be 0 or 1, not 2"),
    ({"tail_loop": 5}, "tail_loop must be one of 2, 3, 4, 8, not 5")])
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        FignaElement(scheme=Figna(), **options)


def test_description():
    pe = element_for(Figna(m=11), lanes=8)
    assert isinstance(pe, FignaElement)
    assert (pe.group, pe.mode, pe.beats(0), pe.macs_per_cycle(0), pe.warmup) == (64, 0, 8, 8, 0)
    assert {o.name: o.width for o in pe.operands} == {"a_codes": 96, "a_exponent": 5, "w_codes": 32, "w_scale": 16}
    assert pe.key == FignaElement(scheme=Figna(m=11), lanes=8).key
    assert pe.key != FignaElement(scheme=Figna(m=11), lanes=8, pipelined=0).key
