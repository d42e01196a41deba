"""An engine (edges and core) as compiled code: a word of each operand in, a result out, a million in seconds."""

from __future__ import annotations

import ctypes

import numpy as np

from gemmsmith.emit import BuildConfig, emit_build
from gemmsmith_sim.backends.toolchain import cached, compile_library, verilate

VALID, FIRST, LAST = 1, 2, 4
HARNESS = """
#include "Vdut.h"
#include "verilated.h"
extern "C" __attribute__((visibility("default")))
void run(const uint64_t *a, const uint64_t *w, const uint8_t *controls, const uint8_t *modes,
         uint32_t *results, size_t count, size_t latency) {
    Vdut dut;
    dut.aresetn = 1;
    for (size_t n = 0; n < count + latency; n++) {
        dut.mode = modes[n < count ? n : count - 1];
        dut.ctl = n < count ? controls[n] : 0;
        dut.a_codes = n < count ? a[n] : 0;
        dut.w_codes = n < count ? w[n] : 0;
        dut.aclk = 0; dut.eval();
        if (n >= latency)
            for (int k = 0; k < RESULT_WORDS; k++) results[(n - latency) * RESULT_WORDS + k] = dut.o[k];
        dut.aclk = 1; dut.eval();
    }
}
"""


class NativeEngine:
    """The engine of a scheme whose operands have up to 64 bits a beat.

    Parameters
    ----------
    scheme, choices: the build.
    """

    def __init__(self, scheme: str, **choices: str):
        self.config = BuildConfig.resolve(scheme, {**choices, "level": "engine"})
        self.pe = self.config.element()
        self.result_words = -(-self.pe.result_width * self.pe.result_words // 32)
        self.latency = 1 + self.pe.edge_latency + self.pe.core_latency  # as declared, and the top's registers
        verilog, harness = emit_build(self.config).verilog, HARNESS.replace("RESULT_WORDS", str(self.result_words))

        def build(scratch):
            verilate(verilog, self.config.name, scratch, prefix="Vdut")
            (scratch / "harness.cpp").write_text(harness)
            return compile_library(scratch, "Vdut", "engine.so")

        self._run = ctypes.CDLL(str(cached("engine.so", (verilog, harness), build))).run

    def results(self, a, w, controls, *, mode):
        """The core's result after each beat: uint32 (beats, words), the least significant first. ``controls``, of all
        beats or of each, are sums of ``VALID``, ``FIRST`` and ``LAST``. ``mode``, likewise, must not change while words
        are under way."""
        a, w = (np.ascontiguousarray(words, np.uint64) for words in (a, w))
        controls, modes = (np.ascontiguousarray(np.broadcast_to(np.asarray(values, np.uint8), a.shape))
                           for values in (controls, mode))
        results = np.empty((len(a), self.result_words), np.uint32)
        self._run(*(array.ctypes for array in (a, w, controls, modes, results)), ctypes.c_size_t(len(a)),
                  ctypes.c_size_t(self.latency))
        return results
