"""``gemmsmith convert``: checkpoints of other programs as folders that run, perplexity and tune take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gemmsmith_cli.options import example

EXAMPLE = example("convert stories260K.bin --tokenizer tok512.bin -o stories260K", "run stories260K --prompt Once")


def command(
    model: Annotated[Path, typer.Argument(metavar="MODEL.bin", help="Checkpoint of llama2.c, version 0.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder; must not be there.")],
    tokenizer: Annotated[Path | None, typer.Option(help="The model's tokenizer, a .bin of llama2.c.",
                                                   show_default=False)] = None,
) -> None:
    """Convert a llama2.c checkpoint to a folder in the Hugging Face layout."""
    from gemmsmith_sim.llm.llama2c import convert

    convert(model, output, tokenizer=tokenizer)
    print(f"{output}: {', '.join(sorted(path.name for path in output.iterdir()))}")
