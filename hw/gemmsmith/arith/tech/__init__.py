"""Leaf structures that a technology may do better than inference.

A *leaf* is a function that adds logic to a module and returns its output; ``portable`` holds one plain description of each,
which is its contract: a variant has the same ports, widths and latency. Processing elements and the rest of ``arith`` ask for
a leaf by name; the build's target decides which variant they get:

    with targeting("generic"):     # around elaboration
        ...
    total = leaf("tree_sum")(m, terms)

Resolution happens during elaboration, so the block must enclose it.
"""

from gemmsmith.arith.tech.registry import TARGETS, leaf, targeting, variant

from gemmsmith.arith.tech import portable  # isort: skip  (registers the portable leaves)

__all__ = ["TARGETS", "leaf", "portable", "targeting", "variant"]
