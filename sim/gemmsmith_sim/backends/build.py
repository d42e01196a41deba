"""Compiles Verilog, the harness and Verilator's run-time to one shared library."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from .axi_memory import BEATS_AHEAD
from .base import RESET_CYCLES, Rule
from .memory import Channel, Response
from .ports import BURST_INCR, INPUTS, OUTPUTS, Ports
from .toolchain import cached, compile_library, verilate

PREFIX = "Vdut"
"""Name of the class that Verilator makes."""

HERE = Path(__file__).parent
HARNESS = ("harness.cpp", "bus_model.h")


def build_library(verilog: str, top: str) -> Path:
    """The shared library of the module ``top`` in ``verilog``, from the cache or compiled now.

    Raises
    ------
    MissingToolError
        Verilator or a C++ compiler is missing.
    ValueError
        The Verilog is faulty, or the module's ports are not a co-processor's.
    """
    sources = [(HERE / name).read_text() for name in (*HARNESS, "build.py", "base.py", "ports.py")]
    inputs = (verilog, top, *sources)
    return cached("harness.so", inputs, lambda scratch: _compile_library(verilog, top, scratch))


def _compile_library(verilog: str, top: str, scratch: Path) -> Path:
    verilate(verilog, top, scratch, prefix=PREFIX)
    ports = read_ports((scratch / f"{PREFIX}.h").read_text())
    (scratch / "generated.h").write_text(harness_header(ports))
    for name in HARNESS:
        shutil.copy(HERE / name, scratch)
    return compile_library(scratch, PREFIX, "harness.so")


def read_ports(header: str) -> Ports:
    """The ports of a model, from the class that Verilator declares for it."""
    found: dict[str, dict[str, int]] = {"IN": {}, "OUT": {}}
    for direction, name, msb in re.findall(r"VL_(IN|OUT)\w*\(&(\w+),(\d+),0", header):
        found[direction][name] = int(msb) + 1
    for name in ("aclk", "aresetn"):
        if found["IN"].pop(name, None) != 1:
            raise ValueError(f"the device lacks the port {name}")
    return Ports(inputs=found["IN"], outputs=found["OUT"])


def harness_header(ports: Ports) -> str:
    """The header that fits the harness to a model: constants, and accessors for all ports, present or not."""
    numbers = {"DATA_BYTES": ports.data_bytes, "FULL_SIZE": ports.data_bytes.bit_length() - 1,
               "BURST_INCR": BURST_INCR, "BEATS_AHEAD": BEATS_AHEAD, "RESET_CYCLES": RESET_CYCLES,
               "CHANNELS": len(Channel)}
    for enum in (Channel, Rule, Response):
        numbers |= {member.name: int(member) for member in enum}
    lines = ["#pragma once", "#include <cstdint>", f'#include "{PREFIX}.h"']
    lines += [f"constexpr uint32_t {name} = {value};" for name, value in numbers.items()]
    wide = {"m_axi_rdata", "m_axi_wdata"}
    for name in OUTPUTS:
        if name not in wide:
            value = f"dut.{name}" if name in ports.outputs else ports.defaults[name]
            lines.append(f"inline uint64_t get_{name}(const {PREFIX} &dut) {{ return {value}; }}")
    for name in INPUTS:
        if name not in wide:
            body = f"dut.{name} = value;" if name in ports.inputs else ""
            lines.append(f"inline void set_{name}({PREFIX} &dut, uint64_t value) {{ {body} }}")
    return "\n".join(lines) + "\n"
