"""Bit operations of a model: what the search minimises.

A multiply-accumulate of an a-bit activation and a w-bit weight counts a · w (Anda, HPCA 2025): 64 for FP16 × INT4,
4 · M for Anda's mantissas of M bits.
"""

from __future__ import annotations

from collections.abc import Mapping

from gemmsmith.schemes import Scheme
from gemmsmith_sim.llm.checkpoint import Checkpoint
from gemmsmith_sim.search.assignment import MODULES

__all__ = ["bit_operations", "full_bit_operations", "multiplications"]

FP16_BITS = 16


def multiplications(checkpoint: Checkpoint) -> dict[str, int]:
    """Multiply-accumulates of each module for one token, all blocks together: a weight is used once."""
    return {module: sum(block.linear[layer].size for block in checkpoint.layers for layer in layers)
            for module, layers in MODULES.items()}


def bit_operations(macs: Mapping[str, int], schemes: Mapping[str, Scheme]) -> int:
    """Bit operations for ``macs`` multiply-accumulates of each module in the module's scheme."""
    total = 0
    for module, count in macs.items():
        activation, weight = schemes[module].operand_bits
        total += count * activation * weight
    return total


def full_bit_operations(macs: Mapping[str, int], schemes: Mapping[str, Scheme]) -> int:
    """The same with FP16 activations: those of the model whose accuracy the search keeps."""
    return sum(count * FP16_BITS * schemes[module].operand_bits[1] for module, count in macs.items())
