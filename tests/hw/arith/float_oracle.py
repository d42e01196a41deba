"""What the floating-point leaves must compute, by numpy alone: nothing here looks at the hardware."""

import numpy as np

SMALLEST = 2.0**-126
NAN = 0x7FC00000


def fp32_code(values):
    """Codes of FP32 values under our conventions: subnormals and zeros are +0, there is one NaN."""
    values = np.asarray(values, np.float32)
    codes = np.where(np.abs(values) < np.float32(SMALLEST), 0, values.view(np.uint32))
    return np.where(np.isnan(values), NAN, codes)


def round_exact(values):
    """Codes of exact float64 values: rounded to 24 bits as if exponents had no bound, then flushed or overflown."""
    significand, exponent = np.frexp(np.asarray(values, np.float64))
    rounded = np.ldexp(np.rint(np.ldexp(significand, 24)), exponent - 24)
    with np.errstate(over="ignore"):
        return fp32_code(np.where(np.abs(rounded) < SMALLEST, 0, rounded))


def fp32_value(codes):
    return np.asarray(codes, np.uint32).view(np.float32)


def fp16_value(codes):
    """Values of FP16 codes, those with exponent 31 as ±65504."""
    codes = np.asarray(codes, np.uint16)
    finite = np.where(codes & 0x7C00 == 0x7C00, codes & 0x8000 | 0x7BFF, codes)
    return finite.astype(np.uint16).view(np.float16)


def random_fp32(rng, count, *, low=1, high=254):
    """Codes with biased exponents from ``low`` to ``high``; fractions half random, half runs of ones and zeros."""
    runs = ((1 << rng.integers(0, 24, count)) - 1) ^ ((1 << rng.integers(0, 24, count)) - 1)
    fractions = np.where(rng.random(count) < 0.5, rng.integers(0, 1 << 23, count), runs & 0x7FFFFF)
    return rng.integers(0, 2, count) << 31 | rng.integers(low, high + 1, count) << 23 | fractions


def pairs(values):
    """All ordered pairs, as two arrays."""
    a, b = np.meshgrid(values, values)
    return a.ravel(), b.ravel()


def vectors(**inputs):
    """Dicts member → int, one a cycle."""
    names = list(inputs)
    return [dict(zip(names, row, strict=True)) for row in zip(*(np.asarray(v).tolist() for v in inputs.values()),
                                                              strict=True)]


def assert_equal(got, expected, **inputs):
    """Fails with the first few inputs that differ, in hexadecimal."""
    got, expected = np.asarray(got, np.int64), np.asarray(expected, np.int64)
    assert len(got) == len(expected) > 0
    wrong = np.flatnonzero(got != expected)[:5]
    told = [{name: hex(int(v[i])) for name, v in {**inputs, "got": got, "expected": expected}.items()} for i in wrong]
    assert not told, f"{np.count_nonzero(got != expected)} of {len(got)} differ: {told}"
