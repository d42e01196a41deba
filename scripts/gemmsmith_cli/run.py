"""``gemmsmith run``: a language model writes, its linear layers on floats, the golden model, or the hardware."""

from __future__ import annotations

import sys
import time
from typing import Annotated, Any

import typer

from gemmsmith_cli.console import print_json, say
from gemmsmith_cli.errors import CheckError, InputError
from gemmsmith_cli.options import Backend, Json, Precision, QuantiserOption, Seed, example

EXAMPLE = example('run --scheme anda-m6 --prompt "ROMEO:" --tokens 100',
                  "run path/to/llama --scheme int8 --backend rtl rows=2 cols=8 --tokens 8 --json",
                  "run --precision precision.json --backend rtl --tokens 8")

ModelAndChoices = Annotated[list[str] | None, typer.Argument(
    metavar="MODEL | KEY=VALUE", show_default=False,
    help="Folder of a Llama checkpoint (default: the small one that comes along), then choices of the build.")]
SchemeOption = Annotated[str | None, typer.Option(
    "--scheme", help="Arithmetic of the linear layers.", show_default=False)]
BackendOption = Annotated[Backend | None, typer.Option(
    "--backend", show_default=False,
    help="float; weights: the scheme's weights only; golden (default with --scheme); rtl.")]


def command(
    arguments: ModelAndChoices = None,
    scheme: SchemeOption = None,
    backend: BackendOption = None,
    precision: Precision = None,
    quantiser: QuantiserOption = None,
    prompt: Annotated[str, typer.Option(help="Text to continue.")] = "ROMEO:\n",
    tokens: Annotated[int, typer.Option(min=1, help="Tokens to write.")] = 100,
    temperature: Annotated[float, typer.Option(min=0, help="0: always the likeliest token.")] = 0.8,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Continue a text, token by token. With --json the text also streams, to standard error."""
    from gemmsmith_cli.models import Arithmetic, split_arguments
    from gemmsmith_sim.llm import checkpoint, tokenizer
    from gemmsmith_sim.llm.generate import generate
    from gemmsmith_sim.llm.model import Llama

    model_path, choices = split_arguments(arguments)
    arithmetic = Arithmetic.chosen(backend, scheme, precision, choices, quantiser)
    loaded = checkpoint.load(model_path)
    words = tokenizer.load_tokenizer(loaded)
    ids = words.encode(prompt)
    if not ids:
        raise InputError("--prompt must hold at least one token")
    stream = sys.stderr if as_json else sys.stdout
    with arithmetic.linear(loaded) as linear:
        model = Llama(loaded, linear)
        generated: list[int] = []

        def counted() -> Any:
            for token in generate(model, ids, count=tokens, temperature=temperature, seed=seed,
                                  stop=loaded.config.stop_tokens):
                generated.append(token)
                yield token

        start = time.monotonic()
        text = write(stream, prompt, words.stream(counted()))
        seconds = time.monotonic() - start
        report = {"model": str(loaded.folder), **arithmetic.describe(), "prompt": prompt, "text": text,
                  "tokens": len(generated), "seconds": round(seconds, 3), **hardware(linear)}
    if as_json:
        print_json(report)
    else:
        say(f"{len(generated)} tokens in {seconds:.1f} s, linear layers on {arithmetic}")
        if "cycles" in report:
            say(f"RTL equals golden bit for bit in {report['compared']} outputs; {report['cycles']} cycles in all")


def write(stream: Any, prompt: str, pieces: Any) -> str:
    """Prints the prompt and then each piece as it comes; returns the pieces."""
    print(prompt, end="", file=stream, flush=True)
    text = []
    for piece in pieces:
        text.append(piece)
        print(piece, end="", file=stream, flush=True)
    print(file=stream, flush=True)
    return "".join(text)


def hardware(linear: Any) -> dict[str, Any]:
    """What the hardware counted, if there was any. Raises ``CheckError`` if an output differed from golden."""
    from dataclasses import asdict

    from gemmsmith_sim.llm.quantized import RtlLinear

    if not isinstance(linear, RtlLinear):
        return {}
    if linear.mismatches:
        raise CheckError(f"{linear.mismatches} of {linear.outputs} outputs of the RTL differ from the golden model, "
                         f"the first in {linear.first_mismatch}")
    return {"compared": linear.outputs, **asdict(linear.driver.total)}
