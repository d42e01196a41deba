import numpy as np
import pytest
from prealigned_bench import extreme_products, random_product, run_and_compare

from gemmsmith.pe import for_scheme as element_for
from gemmsmith.pe.ifpu import IfpuElement
from gemmsmith.schemes import Ifpu


@pytest.mark.parametrize(("m", "stages", "tail_loop"), [(15, 6, 4), (16, 3, 8), (1, 0, 4), (8, 2, 4)])
def test_random_blocks(m, stages, tail_loop):
    rng, scheme = np.random.default_rng(m), Ifpu(m=m, weight_group=64 << m % 4, out=("fp32", "fp16")[m % 2])
    products = [random_product(rng, scheme, k=k, columns=2) for k in (64, 200, 5)]
    pe = IfpuElement(scheme=scheme, stages=stages, tail_loop=tail_loop)
    run_and_compare(pe, products, share=2, idle=0.15 * (stages % 4))


def test_extremes():
    scheme = Ifpu()
    run_and_compare(IfpuElement(scheme=scheme), extreme_products(scheme), share=2)


@pytest.mark.parametrize(("share", "tail_loop", "beats"), [(4, 4, 4), (1, 8, 8)])
def test_groups_follow_each_other_as_scheduled(share, tail_loop, beats):
    rng, scheme = np.random.default_rng(0), Ifpu(m=8)
    products = [random_product(rng, scheme, k=4 * 64, columns=share) for _ in range(2)]
    pe = IfpuElement(scheme=scheme, tail_loop=tail_loop)
    run = run_and_compare(pe, products, share=share)
    assert 2 * pe.schedule(groups=4, mode=0, share=share).block == 8 * beats
    assert run.cycles == 8 * beats - (beats - 4)  # the first group need not wait


@pytest.mark.parametrize(("options", "message"), [
    ({"stages": 7}, "stages must be 0..6, not 7"), ({"tail_loop": 5}, "tail_loop must be one of 2, 3, 4, 8, not 5")])
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        IfpuElement(scheme=Ifpu(), **options)


def test_description():
    pe = element_for(Ifpu(m=15), stages=3)
    assert isinstance(pe, IfpuElement)
    assert (pe.group, pe.mode, pe.beats(0), pe.macs_per_cycle(0), pe.warmup, pe.core_latency) == (64, 0, 4, 16, 0, 4)
    assert {o.name: o.width for o in pe.operands} == {"a_codes": 1024, "a_exponent": 5, "w_plane": 64, "w_scale": 16}
    assert pe.key == IfpuElement(scheme=Ifpu(m=15), stages=3).key != IfpuElement(scheme=Ifpu(m=15)).key
