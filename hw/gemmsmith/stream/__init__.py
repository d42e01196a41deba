"""Stream stages: `Elastic` cuts combinational paths, `Fifo` stores."""

from .elastic import Elastic
from .fifo import Fifo

__all__ = ["Elastic", "Fifo"]
