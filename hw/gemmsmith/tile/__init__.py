"""The array of processing elements."""

from gemmsmith.tile.drain import output_layout
from gemmsmith.tile.feeder import GROUPS_WIDTH, block_layout
from gemmsmith.tile.tile import Tile

__all__ = ["GROUPS_WIDTH", "Tile", "block_layout", "output_layout"]
