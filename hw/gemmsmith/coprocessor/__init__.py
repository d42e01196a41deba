"""The AXI co-processor around the array."""

from gemmsmith.coprocessor.coprocessor import Coprocessor
from gemmsmith.coprocessor.plan import Plan
from gemmsmith.coprocessor.registers import EVENTS, register_map

__all__ = ["EVENTS", "Coprocessor", "Plan", "register_map"]
