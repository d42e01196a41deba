"""``gemmsmith synth``: what a build costs on an FPGA, with open tools."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gemmsmith_cli.console import make_table, print_json, print_table, working
from gemmsmith_cli.errors import InputError
from gemmsmith_cli.options import Json, example

if TYPE_CHECKING:
    from gemmsmith.emit import BuildConfig
    from gemmsmith_sim.measure import Measurement

EXAMPLE = example("synth build/my_core --target ecp5",
                  "synth build/int8_pe --target gowin --no-dsp --pnr --seeds 3 --json")


class Family(StrEnum):
    """Targets of the measurement."""

    ECP5 = "ecp5"
    ICE40 = "ice40"
    NEXUS = "nexus"
    GOWIN = "gowin"
    XCUP = "xcup"


def command(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A build (gemmsmith build).")],
    target: Annotated[Family, typer.Option(help="Lattice ECP5, iCE40 or Nexus, Gowin GW2A, or Xilinx UltraScale+.")],
    pnr: Annotated[bool, typer.Option("--pnr", help="Place and route too, for the frequency.")] = False,
    seeds: Annotated[int, typer.Option(min=1, help="Placer seeds 1..N; the median counts.")] = 3,
    no_dsp: Annotated[bool, typer.Option("--no-dsp", help="Multipliers in LUTs.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Measure again even if the result is known.")] = False,
    as_json: Json = False,
) -> None:
    """Synthesise a build, with place and route if asked.

    Writes the figures to DIR/report/synth-TARGET.json.
    """
    from gemmsmith.emit import load_build
    from gemmsmith_cli.files import check_output
    from gemmsmith_sim.cache import atomic_write
    from gemmsmith_sim.measure import to_dict

    config, sources = load_build(directory)
    if config.target not in ("generic", target.value):
        raise InputError(f"{directory} was built for {config.target}; synthesise it for that, or build it again "
                         f"with target={target.value} or generic")
    if pnr and target is Family.XCUP:
        raise InputError("there is no open place and route for xcup; leave --pnr away")
    path = directory / "report" / f"synth-{target.value}.json"
    path.parent.mkdir(exist_ok=True)
    check_output(path)
    measured = measure(config, sources, target.value, dsp=False if no_dsp else None, seeds=seeds if pnr else 0,
                       fresh=fresh)
    report = {"config": config.model_dump(), **to_dict(measured)}
    atomic_write(path, json.dumps(report, indent=1, default=str) + "\n")
    if as_json:
        print_json(report)
    else:
        _show(measured)
        print(f"written to {path}")


def measure(config: BuildConfig, sources: list[Path], target: str, *, dsp: bool | None = None, seeds: int = 0,
            fresh: bool = False, name: str | None = None) -> Measurement:
    """Synthesis of a build's Verilog; place and route with the seeds 1..``seeds`` if there are any."""
    from gemmsmith_sim.measure import Measurement, place_and_route, synthesize

    pe = config.element()
    with working(f"synthesising {config.name} for {target}") as reporter:
        synthesis = synthesize(sources, config.name, target, dsp=dsp, fresh=fresh, notify=reporter.note)
    placed = None
    if seeds:
        with working(f"placing and routing {config.name}, seeds 1 to {seeds}") as reporter:
            placed = place_and_route(synthesis.netlist, target, seeds=range(1, seeds + 1), fresh=fresh,
                                     notify=reporter.note)
    macs = pe.macs_per_cycle(pe.mode) * config.rows * config.cols
    return Measurement(name or config.name, synthesis, placed, macs_per_cycle=macs)


def _show(measured: Measurement) -> None:
    from gemmsmith_sim.measure import table

    print_table(table([measured]))
    cells = sorted(measured.synth.cells.items(), key=lambda item: -item[1])
    print_table(make_table("Cells", ("cell", "count"), cells, right=("count",)))
    if placed := measured.pnr:
        used = [(site, used, f"{used / available:.1%}" if available else "")
                for site, (used, available) in placed.utilization.items()]
        frame = ", with the frame of registers around the ports" if placed.framed else ""
        print_table(make_table(f"Sites of the {placed.device}, {placed.package}{frame}",
                               ("site", "used", "of all"), used, right=("used", "of all")))
        ends = " to ".join(dict.fromkeys(placed.critical_path[end].name for end in (0, -1)))
        print(f"slowest path: {ends}")
        if "frame" in placed.limits:
            print("the frame limited some seeds: the unit may be faster than this")
