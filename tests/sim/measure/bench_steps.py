"""Steps for tests of the job runner: importable, so that worker processes find them."""

import os
import time
from pathlib import Path

from gemmsmith_sim.measure import ToolError


def number(value: int, log: str) -> int:
    """``value``; leaves a line in ``log``, so that a test can count how often it ran."""
    with Path(log).open("a") as file:
        file.write(f"number {value} {os.getpid()}\n")
    return value


def total(values: list[int], log: str) -> int:
    with Path(log).open("a") as file:
        file.write("total\n")
    return sum(values)


def refuse(value: int) -> int:
    raise ToolError("cutter", f"cannot cut {value}")


def stumble(value: int) -> int:
    raise RuntimeError("a fault of ours")


def leave_file(path: str) -> dict[str, str]:
    Path(path).write_text("x")
    return {"file": path}


def linger(seconds: float) -> float:
    time.sleep(seconds)
    return seconds
