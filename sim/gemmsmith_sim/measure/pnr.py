"""Place and route with nextpnr: clock frequency and utilisation of a synthesised design.

The frequency of a placed design scatters with the placer's seed, by a tenth and more, so a figure is the
median over several seeds and is given with its spread.
"""

import json
import re
import shutil
import statistics
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..cache import atomic_dir, atomic_write, cache_dir, digest
from .flat import FlatModule
from .frame import UNIT, frame, top_module
from .routers import ROUTERS, Router
from .targets import get_target
from .tools import ToolError, run, version

__all__ = ["PathStep", "PnrResult", "place_and_route"]

Notify = Callable[[str], None]


@dataclass(frozen=True)
class PathStep:
    """One step of a critical path."""

    kind: str
    """``clk-to-q``, ``logic``, ``routing`` or ``setup``."""
    cell: str
    """The cell at which the step ends."""
    delay_ns: float
    name: str = ""
    """What the cell is in the design: the net that it drives, such as ``tail.add.sum[3]``, or that it computes a part
    of; ``"(frame)"`` for a register of the frame."""


@dataclass(frozen=True, kw_only=True)
class PnrResult:
    """A placed and routed design; tuples run parallel to ``seeds``."""

    target: str
    device: str
    package: str
    seeds: tuple[int, ...]
    fmax: tuple[float, ...]
    """MHz of the slowest clock, per seed."""
    clock: str
    """The slowest clock of the median seed."""
    utilization: Mapping[str, tuple[int, int]]
    """Kind of site → (used, available), of the median seed; sites that are not used at all are left out."""
    critical_path: tuple[PathStep, ...]
    """Of the median seed (the lower middle one of an even number)."""
    seconds: float
    """Run time, summed over the seeds."""
    versions: Mapping[str, str]
    script: str
    """The command line, with ``SEED`` for the seed."""
    framed: bool
    """Whether the unit stood in a frame of registers (`frame`); then paths from and to its ports count too, and
    ``utilization`` is with the frame."""
    limits: tuple[str, ...]
    """Where the slowest path ran, per seed: ``"unit"``, between two registers of the unit; ``"port"``, between one of
    them and a register of the frame; ``"frame"``, outside the unit: then the unit may be faster than ``fmax``."""
    cached: bool

    @property
    def median(self) -> float:
        """Median frequency over the seeds, MHz."""
        return statistics.median(self.fmax)

    @property
    def spread(self) -> tuple[float, float]:
        """Lowest and highest frequency over the seeds, MHz."""
        return min(self.fmax), max(self.fmax)

    @property
    def quartiles(self) -> tuple[float, float]:
        """First and third quartile over the seeds, MHz: linear between the sorted values, both included."""
        if len(self.fmax) == 1:
            return self.fmax[0], self.fmax[0]
        first, _, third = statistics.quantiles(self.fmax, n=4, method="inclusive")
        return first, third

    def to_dict(self) -> dict[str, Any]:
        """All fields, ``median`` and the quartiles ``q1`` and ``q3``, as JSON values."""
        return {**asdict(self), "median": self.median, "q1": self.quartiles[0], "q3": self.quartiles[1]}


def place_and_route(
    netlist: Path,
    target: str,
    *,
    seeds: Sequence[int] = (1, 2, 3),
    device: str | None = None,
    frequency: float | None = None,
    workers: int = 2,
    fresh: bool = False,
    timeout: float = 7200,
    notify: Notify | None = None,
) -> PnrResult:
    """Place and route a netlist once per seed, and read the frequency it reaches.

    Parameters
    ----------
    netlist
        ``SynthResult.netlist``: Yosys JSON for the same target, without pads.
    target
        A family of `ROUTERS`. There is no open place and route for ``"xcup"``.
    seeds
        Seeds of the placer. Each is measured and kept by itself; all count, none is retried.
    device
        One of the family's in `ROUTERS`, such as ``"45k"`` for ECP5; default: one large part, not the smallest that
        fits, so that figures can be compared.
    frequency
        MHz that the placer aims at; default: the family's ``Router.aim``, out of reach on purpose.
    workers
        Seeds that run at the same time.
    fresh, timeout, notify
        As in `synthesize`; ``timeout`` is for each seed.

    Where the router gives every port a pin, the unit is put into a frame of registers (`frame`).

    Raises
    ------
    ValueError
        For arguments that are not as described.
    ToolError
        If nextpnr is missing or fails (the design may not fit), or if no path joins two registers.
    """
    family = get_target(target)
    if target not in ROUTERS:
        raise ValueError(f"there is no open place and route for {target!r}; its cell counts are all there is")
    router = ROUTERS[target]
    device = device or router.device
    if device not in router.packages:
        raise ValueError(f"device must be one of {', '.join(router.packages)}, not {device!r}")
    if not seeds or len(set(seeds)) != len(seeds):
        raise ValueError(f"seeds must be distinct integers, at least one, not {seeds!r}")
    frequency = router.aim if frequency is None else frequency
    if not frequency > 0:
        raise ValueError(f"frequency must be positive, not {frequency!r}")
    version(router.tool)  # before anything is run for it
    pins = None
    placed = netlist
    if router.framed:
        framed = frame(netlist, family, timeout=timeout, notify=notify)
        placed, pins = framed.netlist, router.pins_file(framed.ports)
    job = _Job(router, router.command(device, frequency), placed, pins, timeout, notify)
    runs = _in_parallel(job, seeds, workers, fresh=fresh)
    median = sorted(runs, key=lambda one: one["fmax"])[(len(runs) - 1) // 2]
    return PnrResult(
        target=target,
        device=device,
        package=router.packages[device],
        seeds=tuple(seeds),
        fmax=tuple(one["fmax"] for one in runs),
        clock=median["clock"],
        utilization={site: (used, available) for site, (used, available) in median["utilization"].items()},
        critical_path=_named(median["critical_path"], netlist, framed=router.framed),
        seconds=round(sum(one["seconds"] for one in runs), 2),
        versions={router.tool: version(router.tool)},
        script=f"{router.tool} {job.arguments}",
        framed=router.framed,
        limits=tuple(one["limit"] for one in runs),
        cached=all(one["cached"] for one in runs),
    )


def _in_parallel(job: "_Job", seeds: Sequence[int], workers: int, *, fresh: bool) -> list[dict[str, Any]]:
    """One run a seed, in their order. The first failure, or Ctrl-C, ends them all at once."""
    with ThreadPoolExecutor(workers) as pool:
        runs = [pool.submit(job.measure, seed, fresh=fresh) for seed in seeds]
        try:
            done, _ = wait(runs, return_when=FIRST_EXCEPTION)
            if failed := next((one.exception() for one in done if one.exception()), None):
                raise failed
            return [one.result() for one in runs]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            job.cancel.set()
            raise


@dataclass(frozen=True)
class _Job:
    """Everything about a measurement but the seed."""

    router: Router
    arguments: str
    placed: Path
    """The netlist that is placed: the unit's, or that of the frame with the unit."""
    pins: str | None
    timeout: float
    notify: Notify | None
    cancel: threading.Event = field(default_factory=threading.Event)

    def measure(self, seed: int, *, fresh: bool) -> dict[str, Any]:
        """Place and route with one seed, or fetch the result from the cache."""
        tool = self.router.tool
        key = digest("pnr 3", tool, version(tool), self.arguments, str(seed), self.pins or "", self.placed)
        directory = cache_dir("pnr") / key
        if fresh:
            shutil.rmtree(directory, ignore_errors=True)
        if directory.is_dir():
            return {**json.loads((directory / "result.json").read_text()), "cached": True}
        log = cache_dir("logs") / f"pnr-{key[:16]}.log"
        with atomic_dir(directory) as work:
            shutil.copyfile(self.placed, work / "netlist.json")
            if self.pins is not None:
                (work / "pins.txt").write_text(self.pins)
            words = self.arguments.replace("SEED", str(seed)).split()
            seconds = run(tool, words, cwd=work, log=log, timeout=self.timeout, notify=self.notify, cancel=self.cancel)
            report = json.loads((work / "report.json").read_text())
            if not report["fmax"]:
                raise ToolError(tool, "no path joins two registers: there is no frequency", log)
            result = {**self._parse(report), "seconds": round(seconds, 2)}
            for file in list(work.iterdir()):
                file.unlink()
            atomic_write(work / "result.json", json.dumps(result))
        return {**result, "cached": False}

    def _parse(self, report: dict[str, Any]) -> dict[str, Any]:
        """What we keep of nextpnr's report."""
        clock, slowest = min(report["fmax"].items(), key=lambda item: item[1]["achieved"])
        edge = f"posedge {clock}"
        paths = [path["path"] for path in report["critical_paths"] if path["from"] == path["to"] == edge]
        path = (paths or [[]])[0]
        return {
            "clock": clock,
            "fmax": round(slowest["achieved"], 2),
            "utilization": {
                site: (count["used"], count["available"])
                for site, count in report["utilization"].items()
                if count["used"]
            },
            "critical_path": [(step["type"], step["to"]["cell"], round(step["delay"], 3)) for step in path],
            "limit": self._limit([step[end]["cell"] for step in path for end in ("from", "to")]),
        }

    def _limit(self, cells: list[str]) -> str:
        """Where a path through ``cells`` runs, as in `PnrResult.limits`."""
        inside = [cell.startswith(f"{UNIT}.") for cell in cells]
        if not self.router.framed or all(inside):
            return "unit"
        return "port" if any(inside) else "frame"


def _named(path: Sequence[tuple[str, str, float]], unit: Path, *, framed: bool) -> tuple[PathStep, ...]:
    """A path of (kind, cell, delay) with the names that its cells have in the netlist of the unit."""
    names = FlatModule(top_module(json.loads(unit.read_text()))[1])
    inside = f"{UNIT}." if framed else ""
    steps = []
    for kind, cell, delay in path:
        own = _known(cell.removeprefix(inside), names.cells) if cell.startswith(inside) else None
        name = names.label(own) if own else "" if cell.startswith(inside) else "(frame)"
        steps.append(PathStep(kind, cell.removeprefix(inside), delay, name))
    return tuple(steps)


def _known(cell: str, cells: Mapping[str, Any]) -> str | None:
    """The cell of the netlist that nextpnr made ``cell`` of, to whose name it has added its own, such as ``_LC``."""
    while cell and cell not in cells:
        cell = re.sub(r"[$_]?[^$_]*$", "", cell)
    return cell or None
