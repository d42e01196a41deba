"""Test benches for engineers without Python: plain Verilog, with vectors from the golden model."""

from gemmsmith_sim.testbench.files import testbench_files

__all__ = ["testbench_files"]
