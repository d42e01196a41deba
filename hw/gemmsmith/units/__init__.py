"""Units that work beside an array."""

from gemmsmith.units.compressor import Compressor

__all__ = ["Compressor"]
