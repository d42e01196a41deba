"""``gemmsmith build``: Verilog of a scheme, in a directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gemmsmith_cli.console import print_json, working
from gemmsmith_cli.errors import InputError
from gemmsmith_cli.options import Json, Precision, Seed, example, parse_choices

if TYPE_CHECKING:
    from gemmsmith.emit import BuildConfig

EXAMPLE = example("build anda-m6 rows=4 cols=8 axi_data_width=128 name=my_core -o build/my_core",
                  "build int8 level=pe -o build/int8_pe",
                  "build --precision precision.json rows=4 cols=8 -o build/tuned")

Arguments = Annotated[list[str] | None, typer.Argument(
    metavar="SCHEME KEY=VALUE…", show_default=False,
    help="Short or canonical name (gemmsmith list), then choices of the scheme, its processing element or the build.")]


def command(
    arguments: Arguments = None,
    precision: Precision = None,
    output: Annotated[Path, typer.Option(
        "--output", "-o", help="Directory; an older build there is replaced.")] = Path("build"),
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Write Verilog, register map and test bench of a scheme.

    The whole co-processor, or with level=tile|pe|core a part of it. Other choices are rows, cols, axi_data_width,
    target, name; gemmsmith describe lists all.
    """
    from gemmsmith.emit import BuildConfig, check_writable, write_build
    from gemmsmith_cli.verilog import emit

    config = BuildConfig.resolve(*_chosen(list(arguments or ()), precision))
    check_writable(output)
    with working(f"writing Verilog of {config.name}") as reporter:
        emitted = emit(config, reporter)
        manifest = write_build(config, output, emitted=emitted, extra=_testbench(config, seed), seed=seed)
    if as_json:
        print_json({"directory": str(output), "config": config.model_dump(), "manifest": manifest})
        return
    print(f"{output}: {config.level} {config.name} of {config.scheme}")
    for path in sorted(["manifest.json", *manifest["sha256"]]):
        print(f"  {path}")


def _chosen(arguments: list[str], precision: Path | None) -> tuple[str, dict[str, str]]:
    """Scheme and choices. With ``precision``: of one build that computes every module."""
    scheme = arguments.pop(0) if arguments and "=" not in arguments[0] else None
    if (scheme is None) == (precision is None):
        raise InputError("build takes a SCHEME (gemmsmith list) or --precision" + (", not both" if scheme else ""))
    if precision is None:
        return scheme or "", parse_choices(arguments)
    from gemmsmith_sim.search.assignment import PrecisionMap

    precisions = PrecisionMap.load(precision, modules=None)
    return precisions.base.name, {**precisions.build_choices, **parse_choices(arguments)}


def _testbench(config: BuildConfig, seed: int) -> dict[str, str]:
    from gemmsmith_sim.testbench import testbench_files

    return testbench_files(config, seed=seed)
