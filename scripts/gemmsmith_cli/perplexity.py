"""``gemmsmith perplexity``: what a scheme costs in accuracy, on a real text."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from gemmsmith_cli.console import print_json, working
from gemmsmith_cli.errors import InputError
from gemmsmith_cli.options import Json, Precision, QuantiserOption, example
from gemmsmith_cli.run import BackendOption, ModelAndChoices, SchemeOption, hardware

EXAMPLE = example("perplexity", "perplexity --scheme anda-m6",
                  "perplexity --scheme anda-m6 --backend weights weight_group=64",
                  "perplexity --precision precision.json")


def command(
    arguments: ModelAndChoices = None,
    scheme: SchemeOption = None,
    backend: BackendOption = None,
    precision: Precision = None,
    quantiser: QuantiserOption = None,
    text: Annotated[Path | None, typer.Option(help="Text file (default: held-out text of the built-in model).",
                                              show_default=False)] = None,
    window: Annotated[int | None, typer.Option(min=1, help="Tokens per window (default: 128, or the context).",
                                               show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Measure a model's perplexity on a text.

    The exponential of the mean loss per token; lower is better.
    """
    from gemmsmith_cli.models import Arithmetic, split_arguments
    from gemmsmith_sim.llm import checkpoint, tokenizer
    from gemmsmith_sim.llm.model import Llama
    from gemmsmith_sim.llm.perplexity import perplexity

    model_path, choices = split_arguments(arguments)
    arithmetic = Arithmetic.chosen(backend, scheme, precision, choices, quantiser)
    loaded = checkpoint.load(model_path)
    path = text or checkpoint.HELDOUT_TEXT
    ids = tokenizer.load_tokenizer(loaded).encode(path.read_bytes().decode("utf-8", errors="surrogateescape"))
    window = window or min(128, loaded.config.max_position_embeddings)
    if len(ids) <= window:
        raise InputError(f"{path}: holds {len(ids)} tokens; a window of {window} needs {window + 1}")
    start = time.monotonic()
    with arithmetic.linear(loaded) as linear:
        with working(f"reading {path.name} ({arithmetic})") as reporter:
            result = perplexity(Llama(loaded, linear), ids, window=window, progress=reporter.update)
        report = {"model": str(loaded.folder), **arithmetic.describe(), "text": str(path),
                  "window": window, "tokens": result.tokens, "nats": result.nats, "perplexity": result.value,
                  "seconds": round(time.monotonic() - start, 3), **hardware(linear)}
    if as_json:
        print_json(report)
    else:
        print(f"perplexity {result.value:.4f} ({result.nats:.5f} nats per token, {result.tokens} tokens of {path}, "
              f"{arithmetic})")
