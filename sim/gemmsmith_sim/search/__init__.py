"""Which precision each module of a model needs: the search, its measure, and the file that holds the answer."""

from gemmsmith_sim.search.adapt import Adapted, Candidates, Step, adapt
from gemmsmith_sim.search.assignment import MODULES, PrecisionError, PrecisionMap
from gemmsmith_sim.search.search import Evaluation, Found, search
from gemmsmith_sim.search.tune import Tuned, tune

__all__ = ["MODULES", "Adapted", "Candidates", "Evaluation", "Found", "PrecisionError", "PrecisionMap", "Step", "Tuned",
           "adapt", "search", "tune"]
