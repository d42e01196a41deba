"""What a build costs, in microseconds: a structural model calibrated on measured designs.

For example::

    result = estimate(BuildConfig.resolve("int8", {"rows": "4", "cols": "8"}), "ecp5", dsp=False)
    print(result.cells["lut"], result.band["lut"], result.outside)
"""

from .calibration import Estimate, estimate, shipped
from .devices import DEVICES, Device

__all__ = ["DEVICES", "Device", "Estimate", "estimate", "shipped"]
