"""Leaf structures that a technology may do better than inference.

A *leaf* is a function that adds logic to a module and returns its output; ``portable`` holds one plain description of
each, which is its contract: a variant takes the same arguments and gives the same output with the same latency. The
rest of ``arith`` and processing elements ask for a leaf by name; the build's target decides which variant they get:

    with targeting("generic"):     # around elaboration
        ...
    total = leaf("accumulate")(m, kept, clear, x)

Resolution happens during elaboration, so the block must enclose it.
"""

from gemmsmith.arith.tech import asic, ecp5, ice40, portable, xilinx  # importing them registers their leaves
from gemmsmith.arith.tech.registry import TARGETS, leaf, targeting, variant

__all__ = ["TARGETS", "asic", "ecp5", "ice40", "leaf", "portable", "targeting", "variant", "xilinx"]
