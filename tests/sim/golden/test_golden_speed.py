"""Multiply-accumulates per second of CPU time on one core."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CONTRACT = {"fp16": 3e8, "int8": 2e9, "anda-m6": 2e9, "anda-m16": 2e9, "w4a8": 2e9}
MEASURE = """
import sys, time
import numpy as np
from gemmsmith.schemes import parse
from gemmsmith_sim.golden import for_scheme

m, n, k = 256, 1024, 1024
golden, rng = for_scheme(parse(sys.argv[1])), np.random.default_rng(0)
a, w = golden.encode_activations(rng.standard_normal((m, k))), golden.encode_weights(rng.standard_normal((n, k)))
seconds = []
for _ in range(5):
    start = time.process_time()
    golden.matmul(a, w)
    seconds.append(time.process_time() - start)
print(m * n * k / min(seconds))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", CONTRACT)
def test_speed(name: str) -> None:
    """The floor is half the contract: others share the machine's caches."""
    one_thread = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    speed = float(subprocess.check_output([sys.executable, "-c", MEASURE, name], env=one_thread, text=True))
    print(f"{name}: {speed / 1e9:.2f} GMAC/s")
    assert speed > CONTRACT[name] / 2
