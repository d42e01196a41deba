"""A compressor's Verilog, or its netlist, compiled by Verilator: for millions of elements."""

import ctypes
from pathlib import Path

import numpy as np
from compressor_bench import GROUP, Groups

from gemmsmith.emit.verilog import emit
from gemmsmith.units import Compressor
from gemmsmith_sim.backends.toolchain import cached, compile_library, verilate

_HARNESS = r"""
#include <cstdint>
#include <cstring>
#include "Vunit.h"
static uint32_t state;
static bool chance(uint32_t of_256) { state = state * 1664525u + 1013904223u; return (state >> 24) < of_256; }
extern "C" __attribute__((visibility("default")))
uint64_t compress(const uint8_t *in, uint64_t beats, uint64_t in_bytes, uint8_t *out, uint64_t outs, uint64_t out_bytes,
                  uint32_t m, uint32_t nearest, uint32_t in_rate, uint32_t out_rate, uint64_t limit) {
    VerilatedContext context;
    Vunit dut(&context);
    if (sizeof dut.i___05Fpayload > in_bytes || sizeof dut.o___05Fpayload > out_bytes) return 0;
    uint64_t sent = 0, got = 0, cycle = 0;
    bool offered = false;
    state = 1;
    dut.m = m; dut.nearest = nearest; dut.clear = 0; dut.rst = 1;
    dut.clk = 0; dut.eval(); dut.clk = 1; dut.eval(); dut.rst = 0;
    for (; got < outs && cycle < limit; cycle++) {
        offered = offered || (sent < beats && chance(in_rate));
        dut.i___05Fvalid = offered;
        if (offered) std::memcpy(&dut.i___05Fpayload, in + sent * in_bytes, sizeof dut.i___05Fpayload);
        dut.o___05Fready = chance(out_rate);
        dut.clk = 0; dut.eval();
        if (offered && dut.i___05Fready) { sent++; offered = false; }
        if (dut.o___05Fvalid && dut.o___05Fready)
            std::memcpy(out + got++ * out_bytes, &dut.o___05Fpayload, sizeof dut.o___05Fpayload);
        dut.clk = 1; dut.eval();
    }
    return got == outs && sent == beats ? cycle : 0;
}
"""


class CompiledCompressor:
    """Verilog with the ports of ``Compressor(elements=..., m_max=...)``, module ``unit``."""

    def __init__(self, *, elements: int, m_max: int, verilog: str | None = None):
        self.shape = Compressor(elements=elements, m_max=m_max)
        text = verilog or emit(self.shape, name="unit").verilog
        self._library = ctypes.CDLL(str(cached("compressor.so", (text, _HARNESS), lambda work: _build(text, work))))
        self._library.compress.restype = ctypes.c_uint64

    def compress(self, rows, *, m, nearest=False, in_rate=1.0, out_rate=1.0) -> tuple[Groups, int]:
        """What the hardware makes of rows of FP16 codes (each a whole number of beats), and the cycles it took."""
        lanes, elements = self.shape.lanes, self.shape.elements
        counts = [-(-len(row) // GROUP) for row in rows]
        batches = [min(lanes, count - k) for count in counts for k in range(0, count, lanes)]
        sent = np.concatenate([_beats(np.asarray(row, np.uint16), elements) for row in rows])
        taken = np.zeros((len(batches) * m, 8 * -(-len(self.shape.o.payload.as_value()) // 64)), np.uint8)
        cycles = self._library.compress(
            sent.ctypes.data_as(ctypes.c_void_p), ctypes.c_uint64(len(sent)), ctypes.c_uint64(sent.shape[1]),
            taken.ctypes.data_as(ctypes.c_void_p), ctypes.c_uint64(len(taken)), ctypes.c_uint64(taken.shape[1]),
            m, int(nearest), round(256 * in_rate), round(256 * out_rate),
            ctypes.c_uint64(1000 + 20 * (len(sent) + len(taken))))
        assert cycles, "the compressor did not finish"
        return self._groups(taken.reshape(len(batches), m, -1), batches), cycles

    def _groups(self, taken, batches) -> Groups:
        """Batches taken apart, as ``compressor_bench.Groups``."""
        lanes = self.shape.lanes
        words = taken[..., :16 * lanes].copy().view("<u8")  # planes, then signs
        bits = np.unpackbits(taken[:, :, 16 * lanes:], axis=2, bitorder="little")
        exponents = (bits[:, 0, :5 * lanes].reshape(-1, lanes, 5) << np.arange(5)).sum(axis=2)
        width = len(self.shape.o.payload.count)
        count = (bits[:, 0, 5 * lanes:5 * lanes + width] << np.arange(width)).sum(axis=1)
        first, last, row_last = (bits[:, :, 5 * lanes + width + k] for k in range(3))
        assert list(count) == batches
        assert first[:, 0].all()
        assert last[:, -1].all()
        assert first.sum() == last.sum() == len(batches)
        there = np.arange(lanes) < count[:, None]
        return Groups(exponents[there], words[:, 0, lanes:][there], words[:, :, :lanes].swapaxes(1, 2)[there],
                      np.cumsum(count)[row_last[:, 0] == 1])


def _beats(codes, elements):
    """Beats with their mark ``last``, in whole words of 64 bits."""
    padded = np.pad(codes, (0, -len(codes) % elements)).reshape(-1, elements)
    beats = np.zeros((len(padded), 8 * -(-(16 * elements + 1) // 64)), np.uint8)
    beats[:, :2 * elements] = padded.astype("<u2").view(np.uint8)
    beats[-1, 2 * elements] = 1
    return beats


def _build(verilog: str, work: Path) -> Path:
    verilate(verilog, "unit", work, prefix="Vunit")
    (work / "harness.cpp").write_text(_HARNESS)
    return compile_library(work, "Vunit", "compressor.so")
