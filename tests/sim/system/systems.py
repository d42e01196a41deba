"""The co-processors of the schemes, as small as they can be and still tile, on every backend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np

from gemmsmith.emit import BuildConfig, emit_build
from gemmsmith.schemes import parse
from gemmsmith_sim.backends.base import Backend
from gemmsmith_sim.backends.cocotb import CocotbBackend
from gemmsmith_sim.backends.memory import MemoryTiming
from gemmsmith_sim.backends.pysim import PySimBackend
from gemmsmith_sim.backends.verilator import VerilatorBackend
from gemmsmith_sim.driver import Driver
from gemmsmith_sim.golden import for_scheme

MEMORY = 1 << 20
BUILDS = {
    "fp16": {"rows": "2", "cols": "2", "axi_data_width": "64", "buffer_k": "32", "tail_share": "2"},
    "fp16-dot4": {"rows": "2", "cols": "2", "axi_data_width": "64", "buffer_k": "32", "tail_share": "2"},
    "fp16-int4": {"rows": "2", "cols": "2", "axi_data_width": "64", "buffer_k": "128"},
    "int8": {"rows": "2", "cols": "4", "axi_data_width": "128", "buffer_k": "64", "lanes": "4"},
    "anda-m6": {"rows": "2", "cols": "2", "axi_data_width": "128", "buffer_k": "64", "m_max": "8",
                "axi_addr_width": "40"},
    "figna-m11": {"rows": "2", "cols": "2", "axi_data_width": "128", "buffer_k": "64", "lanes": "8"},
    "dequant-fp16": {"rows": "2", "cols": "2", "axi_data_width": "64", "buffer_k": "128"},
    "w4a16": {"rows": "2", "cols": "2", "axi_data_width": "128", "buffer_k": "128"},
    "ifpu": {"rows": "2", "cols": "2", "axi_data_width": "128", "buffer_k": "128", "tail_share": "2"},
    "w4a8": {"rows": "2", "cols": "4", "axi_data_width": "128", "buffer_k": "64", "lanes": "8", "group": "32",
             "zero": "zp"},
    "ternary-a8": {"rows": "2", "cols": "2", "axi_data_width": "64", "buffer_k": "64", "lanes": "8", "group": "64",
                   "scale": "pow2"},
    "bitfusion-a8w8": {"rows": "2", "cols": "2", "axi_data_width": "128", "buffer_k": "64", "units": "2"},
    "ant": {"rows": "2", "cols": "2", "axi_data_width": "64", "buffer_k": "64", "lanes": "8", "bits": "8"},
    "xrnpe-posit8": {"rows": "2", "cols": "4", "axi_data_width": "64", "buffer_k": "64"},
    "xrnpe-posit16": {"rows": "2", "cols": "2", "axi_data_width": "64", "buffer_k": "64", "units": "4"},
    "fp4": {"rows": "2", "cols": "2", "axi_data_width": "64", "buffer_k": "64", "lanes": "4", "tail_share": "2"},
    "fp8-e4m3": {"rows": "2", "cols": "2", "axi_data_width": "64", "buffer_k": "64", "tail_share": "2"},
    "posit16-fma": {"rows": "2", "cols": "2", "axi_data_width": "64", "buffer_k": "32", "tail_share": "2"},
    "bf16": {"rows": "2", "cols": "2", "axi_data_width": "64", "buffer_k": "32", "tail_share": "2"},
}
MODES = {"anda-m6": ("anda-m6", "anda-m1", "anda-m8", "anda-m3"),
         "bitfusion-a8w8": ("bitfusion-a8w8", "bitfusion-a2w2", "bitfusion-a4w4", "bitfusion-a8w4"),
         "ant": ("ant", "ant-int-int", "ant-float-pot"),
         "xrnpe-posit8": ("xrnpe-posit8", "xrnpe-fp4", "xrnpe-posit16", "xrnpe-posit4"),
         "xrnpe-posit16": ("xrnpe-posit16", "xrnpe-posit4", "xrnpe-posit8")}
"""Schemes that run on a build, if there are several."""


@cache
def config_of(build: str) -> BuildConfig:
    return BuildConfig.resolve(build, BUILDS[build])


def modes(build: str) -> tuple[str, ...]:
    """Schemes that run on a build."""
    return MODES.get(build, (config_of(build).scheme,))


@cache
def verilog_of(build: str) -> str:
    return emit_build(config_of(build)).verilog


def open_backend(backend: str, build: str, timing: MemoryTiming | None = None) -> Backend:
    if backend == "pysim":
        return PySimBackend(config_of(build).coprocessor(), memory_bytes=MEMORY, timing=timing)
    kind = {"verilator": VerilatorBackend, "cocotb": CocotbBackend}[backend]
    return kind(verilog_of(build), top=config_of(build).name, memory_bytes=MEMORY, timing=timing)


@contextmanager
def system(backend: str, build: str, timing: MemoryTiming | None = None, **arguments: int) -> Iterator[Driver]:
    """A driver connected to a co-processor in a simulator."""
    with open_backend(backend, build, timing) as transport:
        yield Driver(transport, config_of(build).coprocessor(), **arguments)


def operands(scheme_name: str, rng: np.random.Generator, m: int, n: int, k: int):
    """Encoded operands of a random product, magnitudes over many orders, zeros among them."""
    golden = for_scheme(parse(scheme_name))
    scale = np.exp2(rng.integers(-6, 7, (m, 1)))
    a = rng.normal(size=(m, k)) * scale * (rng.random((m, k)) > 0.1)
    w = rng.normal(size=(n, k)) * np.exp2(rng.integers(-6, 3, (n, 1)))
    return golden.encode_activations(a.astype(np.float32)), golden.encode_weights(w.astype(np.float32))


def bits(outputs: np.ndarray) -> np.ndarray:
    return outputs.view(np.uint32 if outputs.dtype == np.float32 else np.uint16)


def check_product(driver: Driver, scheme_name: str, rng: np.random.Generator, size: tuple[int, int, int],
                  **arguments: int) -> None:
    """Runs one random product and compares every bit with golden."""
    a, w = operands(scheme_name, rng, *size)
    before = driver.outputs
    np.testing.assert_array_equal(bits(driver.matmul(a, w, **arguments)), bits(for_scheme(a.scheme).matmul(a, w)))
    assert driver.outputs == before + size[0] * size[1]
