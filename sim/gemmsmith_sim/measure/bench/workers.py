"""Worker processes of this machine, as an executor that ends at once when it is interrupted."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager

__all__ = ["local_executor"]


@contextmanager
def local_executor(workers: int | None = None) -> Iterator[Executor]:
    """An executor with ``workers`` processes (default: one per core). Leaving it by an exception, Ctrl-C included,
    ends them and the tools they run, without waiting.

    Raises ``ValueError`` if ``workers`` is below 1.
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = count if workers is None else workers
    if workers < 1:
        raise ValueError(f"workers must be at least 1, not {workers!r}")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as many processes as cores: threads would only fight
    # Not forked: the parent may have threads (progress bars), and a fork in one of them can hang.
    executor = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_quiet)
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    executor.shutdown()


def _quiet() -> None:
    """In a worker: be ended by a signal as by an exception, so that tools under way are killed, and say nothing."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)


def _leave(number: int, frame: object) -> None:
    raise SystemExit(128 + number)
