"""Golden models: numpy, bit-exact, one file per scheme family; ``for_scheme`` gives a scheme's model.

A golden model shares schemes and formats with the hardware and nothing else, so a common mistake cannot hide.
"""

from gemmsmith_sim.golden import (  # noqa: F401  (importing a family registers it)
    anda,
    ant,
    bitfusion,
    dequant,
    figna,
    floatmac,
    fp4,
    fp16,
    fp16dot,
    fpint,
    ifpu,
    int8,
    mixpe,
    positfma,
    w4a16,
    xrnpe,
)
from gemmsmith_sim.golden.base import Encoded, EncodeError, Golden, for_scheme

__all__ = ["EncodeError", "Encoded", "Golden", "for_scheme"]
