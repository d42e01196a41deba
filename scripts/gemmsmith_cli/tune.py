"""``gemmsmith tune``: the shortest precision of each module that keeps a model's accuracy."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gemmsmith_cli import tune_shapes
from gemmsmith_cli.console import print_json, working
from gemmsmith_cli.errors import InputError
from gemmsmith_cli.options import Json, QuantiserOption, example
from gemmsmith_cli.run import ModelAndChoices

if TYPE_CHECKING:
    from gemmsmith.schemes import Scheme
    from gemmsmith_sim.llm.checkpoint import Checkpoint
    from gemmsmith_sim.search import Tuned

EXAMPLE = example("tune --loss 1% -o precision.json",
                  "tune path/to/llama --loss 0.1% --text some.txt --heldout other.txt",
                  "tune --loss 1% round=nearest --json",
                  "tune shapes --scheme xrnpe --loss 1% -o shapes.json")
TOKENS = 16_385
"""Of the text of the search, at most."""
HELDOUT_SHARE = 4
"""One part in this many of a text is held out if it is the only one given."""


def command(
    arguments: ModelAndChoices = None,
    scheme: Annotated[str, typer.Option(help="Family, or scheme, whose precisions are searched.")] = "anda",
    loss: Annotated[str, typer.Option(help="Loss of accuracy (1 / perplexity) that is allowed, as 1% or 0.01.")] = "1%",
    quantiser: QuantiserOption = None,
    iterations: Annotated[int, typer.Option(min=1, help="Evaluations of the search, at most.")] = 32,
    text: Annotated[Path | None, typer.Option(help="Text of the search (default: of the built-in model).",
                                              show_default=False)] = None,
    heldout: Annotated[Path | None, typer.Option(
        help="Text of the final figures (default: text that the built-in model has not seen; with --text alone, "
             "its rest).", show_default=False)] = None,
    tokens: Annotated[int | None, typer.Option(
        min=2, help=f"Tokens of the text that the search reads, at most (default: {TOKENS}).",
        show_default=False)] = None,
    window: Annotated[int | None, typer.Option(min=1, help="Tokens per window (default: 128, or the context).",
                                               show_default=False)] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes (default: one per processor).",
                                                show_default=False)] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Precision file.")] = Path("precision.json"),
    as_json: Json = False,
) -> None:
    """Search the shortest precision of each module that keeps a model's accuracy.

    The search of Anda (HPCA 2025): a scheme for each of attention inputs (qkv), attention output (o), feed-forward up
    and gate (u) and feed-forward down (d), such that the bit operations are fewest and the accuracy is at most --loss
    below that of FP16 activations with the same weights. run, perplexity and build take the result with --precision.

    The MODEL shapes is the image network of gemmsmith perceive: a scheme for each layer, accuracy is the share of
    pictures that are right; perceive and build take the result.
    """
    from gemmsmith_cli.files import check_output
    from gemmsmith_cli.models import check_unpacked, split_arguments
    from gemmsmith_sim.cache import atomic_write
    from gemmsmith_sim.llm import checkpoint
    from gemmsmith_sim.search import tune

    model_path, choices = split_arguments(arguments)
    parsed, allowed = _family(scheme).replace(**choices), _fraction(loss)
    check_output(output)
    if str(model_path) == tune_shapes.NAME:
        _refuse({"--text": text, "--heldout": heldout, "--tokens": tokens, "--window": window, "--workers": workers})
        tune_shapes.run(parsed, loss=allowed, iterations=iterations, quantiser=quantiser,
                        output=output, as_json=as_json)
        return
    loaded = checkpoint.load(model_path)
    check_unpacked(loaded, quantiser)
    calibration, final = _texts(loaded, text, heldout, tokens or TOKENS, quantiser)
    window = window or min(128, loaded.config.max_position_embeddings)
    for name, ids in (("the text of the search", calibration), ("the held-out text", final)):
        if len(ids) <= window:
            raise InputError(f"{name} holds {len(ids)} tokens; a window of {window} needs {window + 1}")
    start = time.monotonic()
    with working(f"searching precisions of {loaded.folder.name}") as reporter:
        tuned = tune(loaded, parsed, loss=allowed, calibration=calibration, heldout=final, iterations=iterations,
                     window=window, workers=workers, quantiser=quantiser, progress=reporter.update)
    atomic_write(output, tuned.precisions.to_json())
    report = _report(tuned, model=str(loaded.folder), loss=allowed, window=window, output=str(output),
                     seconds=round(time.monotonic() - start, 3))
    if as_json:
        print_json(report)
    else:
        _show(tuned, report)


def _family(name: str) -> Scheme:
    from gemmsmith.schemes import FAMILIES, parse

    families = {family.family: family for family in FAMILIES}
    return families[name]() if name in families else parse(name)


def _refuse(options: dict[str, Any]) -> None:
    """Options that texts alone have."""
    for option, value in options.items():
        if value is not None:
            raise InputError(f"{tune_shapes.NAME} is no language model; it takes no {option}")


def _fraction(text: str) -> float:
    """``1%`` or ``0.01``."""
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise InputError(f"--loss must be a share such as 1% or 0.01, not {text!r}") from None
    if not 0 <= value < 1:
        raise InputError(f"--loss must be at least 0 and below 100%, not {text}")
    return value


def _texts(model: Checkpoint, text: Path | None, heldout: Path | None, tokens: int,
           quantiser: str | None) -> tuple[list[int], list[int]]:
    """Tokens of the search and of the final figures, which do not overlap in one file.

    Of the built-in text, the search leaves out what ``feedback`` reads.
    """
    from gemmsmith_sim.llm import calibrate
    from gemmsmith_sim.llm.checkpoint import CALIBRATION_TEXT, HELDOUT_TEXT
    from gemmsmith_sim.llm.tokenizer import load_tokenizer
    from gemmsmith_sim.quantise import FEEDBACK

    words = load_tokenizer(model)

    def read(path: Path) -> list[int]:
        return words.encode(path.read_bytes().decode("utf-8", errors="surrogateescape"))

    if text is None:
        start = calibrate.TOKENS if quantiser == FEEDBACK else 0
        return read(CALIBRATION_TEXT)[start:][:tokens], read(heldout or HELDOUT_TEXT)
    ids = read(text)
    if heldout is not None:
        return ids[:tokens], read(heldout)
    cut = min(tokens, len(ids) - len(ids) // HELDOUT_SHARE)
    return ids[:cut], ids[cut:]


def _report(tuned: Tuned, **more: Any) -> dict[str, Any]:
    def pair(chosen: Any, reference: Any) -> dict[str, Any]:
        return {"tokens": chosen.tokens, "perplexity": chosen.value, "reference_perplexity": reference.value}

    return {
        **more, **tune_shapes.scheme_of(tuned), "modules": dict(tuned.precisions.choices),
        "bit_operations_reduction": tuned.reduction, "exhausted": tuned.exhausted, "measured": tuned.measured,
        "calibration": pair(tuned.calibration, tuned.calibration_reference),
        "heldout": pair(tuned.heldout, tuned.heldout_reference),
        **{name: [{"modules": {module: scheme.name for module, scheme in trial.schemes.items()},
                   "bit_operations": trial.bit_operations, "perplexity": trial.perplexity, "accepted": trial.accepted}
                  for trial in trials] for name, trials in (("alternatives", tuned.alternatives),
                                                            ("trace", tuned.trace))}}


def _show(tuned: Tuned, report: dict[str, Any]) -> None:
    reference = tuned.calibration_reference.value
    tune_shapes.show_trials(("perplexity", "perplexity"), [
        ([scheme.short for scheme in trial.schemes.values()], trial.bit_operations, f"{trial.perplexity:.4f}",
         f"{1 - reference / trial.perplexity:+.3%}", trial.accepted) for trial in (*tuned.alternatives, *tuned.trace)],
        modules=list(tuned.precisions.schemes), alternatives=len(tuned.alternatives))
    if not tuned.exhausted:
        print("The evaluations ran out; more --iterations may find a cheaper assignment.")
    tune_shapes.show_assignment(report["output"], tuned)
    for name, chosen, due in (("text of the search", tuned.calibration, tuned.calibration_reference),
                              ("held-out text", tuned.heldout, tuned.heldout_reference)):
        print(f"  perplexity on the {name} ({chosen.tokens} tokens): {chosen.value:.4f}; the reference "
              f"{due.value:.4f}; loss {1 - due.value / chosen.value:+.3%}")
