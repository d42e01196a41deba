"""The executor of worker processes."""

import multiprocessing
import time

import pytest

from gemmsmith_sim.workers import local_executor


def test_tasks_run_in_other_processes():
    with local_executor(2) as executor:
        assert sorted(executor.map(abs, [-3, 2, -1])) == [1, 2, 3]


def test_no_worker_is_refused():
    with pytest.raises(ValueError, match="workers must be at least 1, not 0"), local_executor(0):
        pass


def test_an_exception_ends_tasks_and_those_that_wait():
    before, started = set(multiprocessing.active_children()), set()

    def interrupted():
        with local_executor(1) as executor:
            for _ in range(4):
                executor.submit(time.sleep, 60)
            deadline = time.monotonic() + 60
            while not started and time.monotonic() < deadline:
                time.sleep(0.1)
                started.update(set(multiprocessing.active_children()) - before)
            time.sleep(1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert started
    for process in started:
        process.join(30)
        assert not process.is_alive()
