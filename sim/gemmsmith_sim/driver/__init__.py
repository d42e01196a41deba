"""The host driver: the same code on every simulator and on a board."""

from gemmsmith_sim.driver.driver import Counters, Driver, DriverError, Placed, utilisation

__all__ = ["Counters", "Driver", "DriverError", "Placed", "utilisation"]
