"""Simulation of mapped netlists, bit-parallel in numpy: what every net does, and what that costs.

For example, the transitions of a cycle::

    netlist = Netlist.load(Path("netlist.json"), library)
    simulator, activity = Simulator(netlist, lanes=64), Activity(netlist, 64)
    before = simulator.state.copy()
    simulator.clock()
    simulator.settle()
    activity.add(before, simulator.state)
"""

from .activity import Activity
from .delays import Delays, delays_of
from .glitch import GlitchSimulator
from .netlist import Flops, Gates, Netlist
from .power import Energies, PowerModel
from .simulate import Simulator
from .tables import MeanTables

__all__ = ["Activity", "Delays", "Energies", "Flops", "Gates", "GlitchSimulator", "MeanTables", "Netlist",
           "PowerModel", "Simulator", "delays_of"]
