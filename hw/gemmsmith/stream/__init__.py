"""Stream stages: `Elastic` cuts combinational paths, `Register` pipelines, `Fifo` stores."""

from .elastic import Elastic
from .fifo import Fifo
from .register import Register

__all__ = ["Elastic", "Fifo", "Register"]
