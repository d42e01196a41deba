"""Published comparisons, measured again: a table of units and a table of workloads, beside the figures of a paper.

A suite is a data file of this folder (`Suite` says what is in it). Its units are built as a row of an array, every part
mapped by itself, so that each can be counted as often as it stands in the whole array (`share`); the workloads are
linear layers of language models in the precision that was chosen for each (`system`).
"""

from .assemble import assemble
from .equal_area import equal_area_rows, largest_array
from .plan import SuitePlan
from .record import EqualAreaRow, PeRow, SuiteRecord, SystemRow
from .share import PARTS, ArrayShare, array_share
from .suite import ModelShape, Suite, load_suite, suite_names
from .system import system_rows
from .tables import markdown, tables
from .workload import Workload, published_workloads, tuned_workload

__all__ = [
    "PARTS", "ArrayShare", "EqualAreaRow", "ModelShape", "PeRow", "Suite", "SuitePlan", "SuiteRecord", "SystemRow",
    "Workload", "array_share", "assemble", "equal_area_rows", "largest_array", "load_suite", "markdown",
    "published_workloads", "suite_names", "system_rows", "tables", "tuned_workload",
]  # fmt: skip
