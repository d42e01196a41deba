"""Jobs that depend on each other, on any executor, with results that are kept by content.

A job is a *step* (a function of this package's modules with JSON values in and out) and its arguments. What it
returns is stored under a digest of the step, the arguments, the results it builds on and the versions of everything
that could change it: an interrupted run continues where it stopped, and a second run reads.

The executor may be distributed: steps are importable functions, arguments and results are JSON. Steps leave files in
the cache directory and pass their paths on, so that workers on several machines must share it (``GEMMSMITH_CACHE``).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...cache import atomic_write, cache_dir, digest, fingerprint
from ..tools import ToolError, version

__all__ = ["Job", "Outcome", "Step", "run_jobs"]

Json = Any


@dataclass(frozen=True)
class Step:
    """A kind of job.

    Parameters
    ----------
    function: a module's function; its arguments and its result are JSON values. It may raise ``ToolError`` or
        ``ValueError``: then the job has failed, others go on.
    sources: modules and packages of ours whose text the result depends on.
    tools: tools whose version the result depends on.
    """

    function: Callable[..., Json]
    sources: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.function.__name__

    def key(self, arguments: Mapping[str, Json]) -> str:
        """Name of the result in the store. Raises ``MissingToolError`` if a tool is not installed."""
        return digest("job 1", self.name, json.dumps(arguments, sort_keys=True),
                      *map(fingerprint, self.sources),
                      *(f"{tool} {version(tool)}" for tool in self.tools))


@dataclass(frozen=True)
class Job:
    """One thing to do. ``needs`` maps arguments of the step to jobs whose results they are (or to several: a list)."""

    name: str
    step: Step
    arguments: Mapping[str, Json] = field(default_factory=dict)
    needs: Mapping[str, str | Sequence[str]] = field(default_factory=dict)

    def predecessors(self) -> Iterator[str]:
        for need in self.needs.values():
            yield from [need] if isinstance(need, str) else need


@dataclass(frozen=True)
class Outcome:
    """What became of a job: its ``value``, or why there is none."""

    value: Json = None
    failure: str | None = None
    cached: bool = False
    seconds: float = 0.0


def run_jobs(
    jobs: Sequence[Job],
    executor: Executor,
    *,
    fresh: bool = False,
    progress: Callable[[int, str], None] | None = None,
) -> dict[str, Outcome]:
    """Run jobs as soon as what they need is there, and return what became of each, by name.

    Parameters
    ----------
    jobs: names are distinct, needs are among them. Jobs with the same content run once.
    executor: where steps run.
    fresh: run also what the store has.
    progress: called in this thread, with the number of jobs done and the name of the last one.

    Raises
    ------
    ValueError
        If a need is not among the jobs, or jobs need each other in a circle.
    Exception
        What a step raises besides ``ToolError`` and ``ValueError``: a fault of ours. Jobs not begun are cancelled.
    """
    waiting = {job.name: job for job in jobs}
    _check(jobs, waiting)
    done: dict[str, Outcome] = {}
    running: dict[Future[Outcome], str] = {}
    names: dict[str, list[str]] = {}  # key → jobs that share it

    def settle(name: str, outcome: Outcome) -> None:
        done[name] = outcome
        if progress is not None:
            progress(len(done), name)

    try:
        while waiting or running:
            ready = [job for job in waiting.values() if all(name in done for name in job.predecessors())]
            for job in ready:
                del waiting[job.name]
                prepared = _prepare(job, done, fresh)
                if isinstance(prepared, Outcome):
                    settle(job.name, prepared)
                elif prepared.key in names:
                    names[prepared.key].append(job.name)
                else:
                    names[prepared.key] = [job.name]
                    running[executor.submit(_execute, prepared)] = prepared.key
            if not ready:
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    for name in names.pop(running.pop(future)):
                        settle(name, future.result())
    except BaseException:
        for future in running:
            future.cancel()
        raise
    return done


@dataclass(frozen=True)
class _Prepared:
    """A job whose arguments are complete."""

    function: Callable[..., Json]
    arguments: dict[str, Json]
    key: str


def _check(jobs: Sequence[Job], by_name: Mapping[str, Job]) -> None:
    if len(by_name) != len(jobs):
        raise ValueError("jobs must have distinct names")
    for job in jobs:
        if missing := [name for name in job.predecessors() if name not in by_name]:
            raise ValueError(f"{job.name!r} needs {missing[0]!r}, which is not among the jobs")
    settled: set[str] = set()
    while len(settled) < len(jobs):
        ready = {job.name for job in jobs if settled.issuperset(job.predecessors())}
        if ready == settled:
            raise ValueError(f"jobs need each other in a circle: {', '.join(sorted(by_name.keys() - settled))}")
        settled = ready


def _prepare(job: Job, done: Mapping[str, Outcome], fresh: bool) -> _Prepared | Outcome:
    """The job with its arguments; or its outcome, if it is known."""
    if failed := [name for name in job.predecessors() if done[name].failure is not None]:
        return Outcome(failure=done[failed[0]].failure)
    arguments = dict(job.arguments)
    for argument, need in job.needs.items():
        arguments[argument] = done[need].value if isinstance(need, str) else [done[name].value for name in need]
    try:
        key = job.step.key(arguments)
    except ToolError as error:
        return Outcome(failure=str(error))
    stored = _stored(key)
    if stored.is_file() and not fresh:
        value = json.loads(stored.read_text())
        if all(Path(path).exists() for path in _paths(value)):
            return Outcome(value=value, cached=True)
    return _Prepared(job.step.function, arguments, key)


def _execute(prepared: _Prepared) -> Outcome:
    """Run a step where the executor wants it, and keep the result."""
    start = time.monotonic()
    try:
        value = prepared.function(**prepared.arguments)
    except (ToolError, ValueError) as error:
        return Outcome(failure=str(error), seconds=time.monotonic() - start)
    text = json.dumps(value)
    atomic_write(_stored(prepared.key), text)
    return Outcome(value=json.loads(text), seconds=time.monotonic() - start)  # the same whether read or made


def _stored(key: str) -> Path:
    return cache_dir("bench") / f"{key}.json"


def _paths(value: Json) -> Iterator[str]:
    """Files in the cache that a result refers to; they may have been deleted since."""
    if isinstance(value, str):
        if value.startswith(str(cache_dir("bench").parent)):
            yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _paths(item)
