import numpy as np
import pytest
from pe_bench import Bench, bits, block_of

from gemmsmith.pe import for_scheme as element_for
from gemmsmith.pe.anda import AndaElement
from gemmsmith.schemes import Anda, Axis
from gemmsmith_sim.golden import Encoded, for_scheme


def activations(scheme, codes, exponents):
    return Encoded(scheme, Axis.ROW, codes.shape,
                   {"codes": codes.astype(np.int32), "exponents": np.uint8(exponents).reshape(1, -1)})


def weights(scheme, codes, scales):
    return Encoded(scheme, Axis.COLUMN, codes.shape, {"codes": codes.astype(np.int8), "scales": np.float16(scales)})


def random_product(rng, scheme, *, k, columns):
    """One row of activations and some of weights; extremes and zeros are frequent."""
    largest = (1 << scheme.m) - 1
    a = rng.integers(-largest, largest + 1, (1, k))
    a = np.where(rng.random((1, k)) < 0.3, rng.choice([-largest, largest, 0, 1, -1], (1, k)), a)
    w = rng.integers(-8, 8, (columns, k))
    w = np.where(rng.random((columns, k)) < 0.3, rng.choice([-8, 7], (columns, k)), w)
    scales = 2.0 ** rng.uniform(-14, 15.9, (columns, -(-k // scheme.weight_group)))
    return activations(scheme, a, rng.integers(1, 31, -(-k // 64))), weights(scheme, w, scales)


def run_and_compare(scheme, products, *, share, idle=0.0, m_max=16, built_for=None, **options):
    """Runs (activations, weights) pairs as blocks back to back, on hardware built for the scheme (or another one);
    compares group sums and outputs."""
    pe, golden, mode = AndaElement(scheme=built_for or scheme, m_max=m_max, **options), for_scheme(scheme), scheme.m
    blocks = [block_of(pe, golden, a, w, mode) for a, w in products]
    run = Bench(pe, share=share, mode=mode, idle=idle, seed=mode).run(blocks)
    mask = (1 << pe.result_width) - 1
    for (a, w), results, outputs in zip(products, run.results, run.outputs, strict=True):
        pad = -a.shape[1] % 64
        x, y = (np.pad(e.arrays["codes"], ((0, 0), (0, pad))).astype(np.int64).reshape(len(e.arrays["codes"]), -1, 64)
                for e in (a, w))
        sums = np.einsum("gk,cgk->gc", x[0], y)
        assert results == [[int(s) << m_max - scheme.m & mask for s in group] for group in sums]
        assert [outputs] == bits(golden.matmul(a, w))
    return run


@pytest.mark.parametrize("m", range(1, 17))
def test_every_mantissa_length(m):
    rng, scheme = np.random.default_rng(m), Anda(m=m, weight_group=64 << m % 4, out=("fp32", "fp16")[m % 2])
    products = [random_product(rng, scheme, k=k, columns=2) for k in (64, 200, 5)]
    run_and_compare(scheme, products, share=2, idle=0.25 * (m % 3))


@pytest.mark.parametrize("m", [1, 8, 16])
def test_extremes(m):
    scheme, ones, largest = Anda(m=m), np.ones((1, 64)), (1 << m) - 1
    w = weights(scheme, np.concatenate([-8 * ones, 7 * ones]), [[65504.0], [2.0**-14]])
    products = [(activations(scheme, sign * value * ones, [e]), w)
                for sign in (1, -1) for value in {0, 1, largest} for e in (1, 30)]
    run_and_compare(scheme, products, share=2)


def test_a_negative_zero_is_zero():
    """Sign plane all ones, mantissa planes all zeros; then a group whose lowest set bits sit in every plane."""
    scheme = Anda(m=4, weight_group=64)
    pe, golden = AndaElement(scheme=scheme), for_scheme(scheme)
    codes = np.array([[-(1 << i % 4) for i in range(64)] * 2])
    a, w = activations(scheme, codes, [15, 15]), weights(scheme, np.full((1, 128), -8), [[1.0, 1.0]])
    block = block_of(pe, golden, a, w, 4)
    block.row["a_plane"][1:5] = [0, 0, 0, 0]
    run = Bench(pe, share=1, mode=4).run([block])
    assert run.results[0][0] == [0]
    assert run.results[0][1] == [-8 * int(codes[0, :64].sum()) << 12]


@pytest.mark.parametrize("share", [1, 3, 4])
def test_sharing_a_tail(share):
    rng, scheme = np.random.default_rng(share), Anda(m=5)
    products = [random_product(rng, scheme, k=k, columns=share) for k in (64, 320, 128)]
    run_and_compare(scheme, products, share=share, idle=0.1)


@pytest.mark.parametrize(("m", "share", "beats"), [(3, 4, 4), (7, 1, 8), (1, 2, 4), (1, 1, 4)])
def test_groups_follow_each_other_as_scheduled(m, share, beats):
    rng, scheme = np.random.default_rng(0), Anda(m=m)
    products = [random_product(rng, scheme, k=4 * 64, columns=share) for _ in range(2)]
    run = run_and_compare(scheme, products, share=share)
    pe = AndaElement(scheme=scheme)
    assert 2 * pe.schedule(groups=4, mode=m, share=share).block == 8 * beats
    assert run.cycles == 8 * beats - max(0, beats - (m + 1))  # the first group need not wait


@pytest.mark.parametrize("m", [1, 9, 16])
def test_mantissa_length_is_chosen_at_run_time(m):
    rng, scheme = np.random.default_rng(m), Anda(m=m)
    products = [random_product(rng, scheme, k=150, columns=2)]
    run_and_compare(scheme, products, share=2, built_for=Anda(m=4))


def test_shorter_accumulator():
    rng, scheme = np.random.default_rng(0), Anda(m=6)
    run_and_compare(scheme, [random_product(rng, scheme, k=300, columns=2)], share=2, m_max=8)


@pytest.mark.parametrize("m", range(1, 17))
def test_two_planes_per_cycle(m):
    rng, scheme = np.random.default_rng(m), Anda(m=m, weight_group=64 << m % 4, out=("fp32", "fp16")[m % 2])
    products = [random_product(rng, scheme, k=k, columns=2) for k in (64, 200)]
    m_max = (m, 16, 15)[m % 3] if m < 16 else 16
    run_and_compare(scheme, products, share=2, idle=0.25 * (m % 3), planes=2, tail_loop=2, stages=m % 4, m_max=m_max)


@pytest.mark.parametrize(("m", "beats"), [(1, 2), (2, 2), (3, 2), (7, 4), (8, 5), (16, 9)])
def test_groups_of_two_planes_per_cycle_follow_each_other(m, beats):
    rng, scheme = np.random.default_rng(0), Anda(m=m)
    products = [random_product(rng, scheme, k=4 * 64, columns=2) for _ in range(2)]
    run = run_and_compare(scheme, products, share=2, planes=2, tail_loop=2)
    pe = AndaElement(scheme=scheme, planes=2)
    assert pe.beats(m) == -(-(m + 1) // 2)
    assert run.cycles == 8 * beats - (beats - pe.beats(m))  # the first group need not wait


@pytest.mark.parametrize(("stages", "tail_loop", "share", "m"), [
    (0, 4, 2, 3), (3, 8, 4, 2), (2, 8, 8, 7), (0, 2, 2, 1), (1, 3, 3, 2)])
def test_other_pipelines(stages, tail_loop, share, m):
    rng, scheme = np.random.default_rng(stages), Anda(m=m)
    products = [random_product(rng, scheme, k=k, columns=share) for k in (64, 320, 128)]
    run = run_and_compare(scheme, products, share=share, stages=stages, tail_loop=tail_loop)
    pe = AndaElement(scheme=scheme, stages=stages, tail_loop=tail_loop)
    interval = max(m + 1, share, tail_loop)
    assert pe.schedule(groups=8, mode=m, share=share).block == 8 * interval
    assert run.cycles == 8 * interval - (interval - m - 1)  # the first group need not wait


def test_scale_with_exponent_31_is_the_largest_finite():
    scheme = Anda(m=4)
    pe, golden = AndaElement(scheme=scheme), for_scheme(scheme)
    a, w = activations(scheme, np.full((1, 64), 3), [15]), weights(scheme, np.full((2, 64), 5), [[65504.0]] * 2)
    block = block_of(pe, golden, a, w, 4)
    block.columns[0]["w_scale"], block.columns[1]["w_scale"] = [0x7C00], [0x7E01]
    run = Bench(pe, share=2, mode=4).run([block])
    assert [run.outputs[0]] == bits(golden.matmul(a, w))


@pytest.mark.parametrize(("options", "message"), [
    ({"stages": 7}, "stages must be 0..6, not 7"), ({"stages": -1}, "stages must be 0..6, not -1"),
    ({"tail_loop": 5}, "tail_loop must be one of 2, 3, 4, 8, not 5"), ({"planes": 3}, "planes must be 1 or 2, not 3")])
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        AndaElement(scheme=Anda(m=6), **options)


def test_description():
    pe = element_for(Anda(m=6), m_max=11)
    assert isinstance(pe, AndaElement)
    assert (pe.group, pe.mode, pe.beats(6), pe.max_beats, pe.warmup, pe.mode_width) == (64, 6, 7, 12, 0, 4)
    assert pe.macs_per_cycle(7) == 8
    assert pe.key == AndaElement(scheme=Anda(m=6), m_max=11).key != AndaElement(scheme=Anda(m=6), m_max=12).key


def test_mantissa_lengths_are_checked():
    for m_max in (0, 17):
        with pytest.raises(ValueError, match=f"m_max must be 1..16, not {m_max}"):
            AndaElement(scheme=Anda(m=1), m_max=m_max)
    with pytest.raises(ValueError, match="m_max must be at least the scheme's m = 9, not 8"):
        AndaElement(scheme=Anda(m=9), m_max=8)
