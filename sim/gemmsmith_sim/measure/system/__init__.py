"""What a product costs on a whole co-processor: cycles, traffic and energy, in milliseconds instead of a simulation.

For example::

    config = BuildConfig.resolve("anda-m6", {"rows": "8", "cols": "8"})
    spent = cost(config, m=1, n=4096, k=4096, memory=MemoryTiming(read_latency=60), energies=Energies(mac=12.0))
    print(spent.cycles, spent.utilisation, spent.bytes_read, spent.energy)
"""

from gemmsmith_sim.backends.memory import MemoryTiming

from .cost import SystemCost, cost
from .memories import DRAM, Energies, sram_energy
from .model import Layer, llama_layers, model_cost
from .traffic import BufferTraffic

__all__ = ["DRAM", "BufferTraffic", "Energies", "Layer", "MemoryTiming", "SystemCost", "cost", "llama_layers",
           "model_cost", "sram_energy"]
