"""``gemmsmith build``: Verilog of a scheme, in a directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gemmsmith_cli.console import print_json, working
from gemmsmith_cli.options import Choices, Json, SchemeName, Seed, example, parse_choices

if TYPE_CHECKING:
    from gemmsmith.emit import BuildConfig

EXAMPLE = example("build anda-m6 rows=4 cols=8 axi_data_width=128 name=my_core -o build/my_core",
                  "build int8 level=pe -o build/int8_pe")


def command(
    scheme: SchemeName,
    choices: Choices = None,
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

    config = BuildConfig.resolve(scheme, parse_choices(choices))
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


def _testbench(config: BuildConfig, seed: int) -> dict[str, str]:
    from gemmsmith_sim.testbench import testbench_files

    return testbench_files(config, seed=seed)
