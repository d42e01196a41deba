"""``gemmsmith demo``: a language model writes on generated hardware, and the hardware is measured meanwhile."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gemmsmith_cli.console import print_json, working
from gemmsmith_cli.errors import CheckError, InputError
from gemmsmith_cli.options import Json, Seed, example

if TYPE_CHECKING:
    from gemmsmith.emit import BuildConfig
    from gemmsmith_cli.demo_report import Results, Writing

EXAMPLE = example("demo", "demo -o demo --tokens 64 --seed 1")

SCHEME = "anda-m6"
ARRAY = {"rows": "2", "cols": "4", "tail_share": "4", "axi_data_width": "128", "buffer_k": "512", "m_max": "8"}
TARGET, SEEDS = "ecp5", 3
HELDOUT_TOKENS = 32_768


def command(
    output: Annotated[Path, typer.Option("--output", "-o", help="Directory for Verilog and report; an older demo is replaced.")] = Path("demo"),
    prompt: Annotated[str, typer.Option(help="Text to continue.")] = "ROMEO:\n",
    tokens: Annotated[int, typer.Option(min=2, help="Tokens to write.")] = 64,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Let a language model write on generated hardware.

    Generates a co-processor, compiles it with Verilator, and computes every linear layer of a small Llama on it, each output
    compared with the golden model bit for bit; measures accuracy and, in the background, the size and speed on an ECP5.
    Takes some minutes the first time, about one later.
    """
    from gemmsmith.emit import BuildConfig
    from gemmsmith_cli.demo_report import Results, markdown, summary, to_dict
    from gemmsmith_cli.files import write_file

    out = sys.stderr if as_json else sys.stdout

    def tell(text: str = "") -> None:
        print(text, file=out, flush=True)

    _check_directory(output)
    start = time.monotonic()
    config = BuildConfig.resolve(SCHEME, {**ARRAY, "name": "anda_m6"})
    element = BuildConfig.resolve(SCHEME, {"level": "pe", "m_max": ARRAY["m_max"], "name": "anda_m6_pe"})
    results = Results(config, element, output, prompt)
    tell(f"gemmsmith demo: {config.rows} × {config.cols} array of {SCHEME} processing elements behind {config.axi_data_width}-bit "
         "AXI4\n\n1. Verilog")
    verilog = _build(config, output / "coprocessor")
    _build(element, output / "pe")
    tell(f"   {output / 'coprocessor'} (whole co-processor, {len(verilog) // 1000} kB), {output / 'pe'} (one processing element)")
    with _measuring(output) as measuring:
        tell("2. Synthesis for Lattice ECP5 has begun in the background; its figures come last.\n"
             "3. Compiling the Verilog with Verilator: up to a minute, unless it is kept from an earlier run")
        results.writing = _write(config, verilog, results, tokens, seed, out, tell)
        tell("5. Accuracy on held-out text")
        results.accuracies = _accuracies()
        with working("waiting for synthesis, place and route (the first time the tools are compiled, about a minute each)"):
            measuring.wait()
    results.cached_synthesis = _measure(results)
    results.seconds = time.monotonic() - start
    write_file(output / "report.md", markdown(results))
    if as_json:
        print_json(to_dict(results))
    tell(summary(results))


def _check_directory(output: Path) -> None:
    """Raises ``InputError`` if ``output`` holds something else than an earlier demo."""
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


def _measuring(output: Path) -> Any:
    from gemmsmith_cli.background import Background
    from gemmsmith_sim.cache import cache_dir

    return Background(("synth", str(output / "pe"), "--target", TARGET, "--pnr", "--seeds", str(SEEDS)),
                      ("synth", str(output / "coprocessor"), "--target", TARGET), log=cache_dir("logs") / "demo-synth.log")


def _write(config: BuildConfig, verilog: str, results: Results, tokens: int, seed: int, out: Any, tell: Any) -> Writing:
    """The model writes, its linear layers on the RTL. Raises ``CheckError`` if an output differs from golden."""
    from gemmsmith_cli.demo_report import Writing
    from gemmsmith_cli.run import hardware
    from gemmsmith_cli.session import open_rtl
    from gemmsmith_sim.llm import checkpoint, tokenizer
    from gemmsmith_sim.llm.generate import generate
    from gemmsmith_sim.llm.model import Llama
    from gemmsmith_sim.llm.quantized import RtlLinear

    loaded = checkpoint.load()
    words = tokenizer.load_tokenizer(loaded)
    with open_rtl(config, verilog=verilog) as (driver, _):
        linear = RtlLinear(driver)
        model = Llama(loaded, linear)
        layers = sum(len(layer.linear) for layer in loaded.layers)
        tell(f"4. The model writes. The {layers} linear layers of its {len(loaded.layers)} blocks are computed by the RTL over its AXI "
             "ports;\n   embedding, norms, attention and the classifier by the host.\n" + "─" * 72)
        marks = []

        def marked() -> Any:
            for token in generate(model, words.encode(results.prompt), count=tokens, seed=seed):
                marks.append((driver.total, linear.macs))
                yield token

        start = time.monotonic()
        print(results.prompt, end="", file=out, flush=True)
        for piece in words.stream(marked()):
            results.text += piece
            print(piece, end="", file=out, flush=True)
        seconds = time.monotonic() - start
        tell("\n" + "─" * 72)
        hardware(linear)
        if not linear.outputs or len(marks) < 2:
            raise CheckError("the hardware computed nothing")
        return Writing.between(marks, outputs=linear.outputs, seconds=seconds, device=driver.device)


def _accuracies() -> list[Any]:
    from gemmsmith.schemes import parse
    from gemmsmith_cli.accuracy import measure_accuracy
    from gemmsmith_sim.llm import checkpoint
    from gemmsmith_sim.llm.model import FloatLinear
    from gemmsmith_sim.llm.quantized import GoldenLinear, WeightOnlyLinear

    loaded, scheme = checkpoint.load(), parse(SCHEME)
    cases = (("float32", FloatLinear, "float"),
             ("INT4 weights, FP16 activations", lambda: WeightOnlyLinear(scheme), f"weights of {scheme.name}"),
             (f"{SCHEME}, as the hardware computes it", lambda: GoldenLinear(scheme), scheme.name))
    return [measure_accuracy(name, loaded, make, arithmetic=arithmetic, tokens=HELDOUT_TOKENS) for name, make, arithmetic in cases]


def _measure(results: Results) -> bool:
    """Takes in the figures that the background has measured; returns whether they were known before."""
    import json

    from gemmsmith.emit import load_build
    from gemmsmith_cli.synth import measure

    known = []
    for part, title, seeds in (("coprocessor", "co-processor", ()), ("pe", "processing element", range(1, SEEDS + 1))):
        config, sources = load_build(results.directory / part)
        results.measurements.append(measure(config, sources, TARGET, dsp=None, seeds=seeds, name=title))
        report = json.loads((results.directory / part / "report" / f"synth-{TARGET}.json").read_text())
        known += [report[step]["cached"] for step in ("synth", "pnr") if report[step]]
    return all(known)
