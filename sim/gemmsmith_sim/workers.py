"""Worker processes of this machine, as an executor that ends at once when it is interrupted."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

__all__ = ["local_executor"]


_LAST_SECOND = 1.0
"""What a worker that is ended has to end its tools."""
_BLAS_THREADS = "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"


@contextmanager
def local_executor(workers: int | None = None, *, start: Callable[..., None] | None = None,
                   arguments: tuple[Any, ...] = ()) -> Iterator[Executor]:
    """An executor with ``workers`` processes (default: one per core), each of which first calls ``start(*arguments)``.

    A process has one BLAS thread: they are as many as cores, and one thread adds in one order. Leaving the executor by
    an exception, Ctrl-C included, ends them and the tools they run, without waiting.

    Raises ``ValueError`` if ``workers`` is below 1.
    """
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = count if workers is None else workers
    if workers < 1:
        raise ValueError(f"workers must be at least 1, not {workers!r}")
    # Not forked: the parent may have threads (progress bars), and a fork in one of them can hang.
    executor = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin,
                                   initargs=(start, arguments))
    with _one_blas_thread():
        try:
            yield executor
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise
        executor.shutdown()


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """For the processes started meanwhile."""
    before = {name: os.environ.get(name) for name in _BLAS_THREADS}
    os.environ.update(dict.fromkeys(_BLAS_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _begin(start: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    """In a worker: be ended by a signal as by an exception, so that tools under way are killed, and say nothing.

    To a pool an exception is a task's failure, behind which it begins the next one: so an alarm ends the process.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    if start is not None:
        start(*arguments)


def _leave(number: int, frame: object) -> None:
    signal.setitimer(signal.ITIMER_REAL, _LAST_SECOND)
    raise SystemExit(128 + number)
