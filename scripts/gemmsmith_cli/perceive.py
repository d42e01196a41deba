"""``gemmsmith perceive``: what a format costs an image network, on the golden model or on the hardware."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gemmsmith_cli.console import make_table, print_json, print_table, working
from gemmsmith_cli.options import Backend, Choices, Json, Precision, QuantiserOption, example, parse_choices
from gemmsmith_cli.run import BackendOption, SchemeOption, hardware

if TYPE_CHECKING:
    from gemmsmith_cli.models import Arithmetic
    from gemmsmith_sim.perception import Scenes

EXAMPLE = example("perceive", "perceive --scheme xrnpe-posit8",
                  "perceive --scheme xrnpe-fp4 --backend rtl --pictures 5 rows=2 cols=4",
                  "perceive --precision precision.json --backend rtl --json")
COMPARED = ("fp16", "int8", "xrnpe-posit16", "xrnpe-posit8", "xrnpe-posit4", "xrnpe-fp4")
"""Schemes of the table, behind float32."""
ON_RTL, RTL_BATCH = 20, 1
"""Pictures by default, and those computed together, in simulation."""


def command(
    choices: Choices = None,
    scheme: SchemeOption = None,
    backend: BackendOption = None,
    precision: Precision = None,
    quantiser: QuantiserOption = None,
    pictures: Annotated[int | None, typer.Option(min=1, show_default=False,
                                                 help="How many (default: 2000, all; with rtl 20).")] = None,
    as_json: Json = False,
) -> None:
    """Classify pictures by a small network of convolutions, and count what is right.

    Without --scheme, --precision and --backend: a table of formats.
    """
    from gemmsmith_cli.models import Arithmetic
    from gemmsmith_sim.perception import MODULES
    from gemmsmith_sim.perception.measure import HELDOUT, heldout_scenes

    chosen = parse_choices(choices)
    compare = not (scheme or precision or backend or quantiser or chosen)
    asked = [Arithmetic.chosen(None, name, None, {}) for name in (None, *COMPARED)] if compare else [
        Arithmetic.chosen(backend, scheme, precision, chosen, quantiser, MODULES)]
    scenes = heldout_scenes(pictures or (ON_RTL if asked[0].backend is Backend.RTL else HELDOUT))
    reports = [_measure(arithmetic, scenes) for arithmetic in asked]
    if as_json:
        print_json(reports if compare else reports[0])
    elif compare:
        print_table(make_table(
            f"{len(scenes)} pictures of {reports[0]['classes']} kinds", ("format", "right", "cross entropy (nats)"),
            [(report["scheme"] or "float32", f"{report['accuracy']:.2%}", f"{report['nats']:.4f}")
             for report in reports], right=("right", "cross entropy (nats)")))
    else:
        _show(asked[0], reports[0])


def _measure(arithmetic: Arithmetic, scenes: Scenes) -> dict[str, Any]:
    from gemmsmith_sim.perception import CLASSES, Network, load, score
    from gemmsmith_sim.perception.measure import BATCH

    model, start = load(), time.monotonic()
    batch = RTL_BATCH if arithmetic.backend is Backend.RTL else BATCH
    with arithmetic.linear(model) as linear, working(f"looking at {len(scenes)} pictures ({arithmetic})") as reporter:
        result = score(Network(model.parameters, linear), scenes, batch=batch, progress=reporter.update)
        return {**arithmetic.describe(), "pictures": result.pictures, "classes": len(CLASSES),
                "correct": result.correct, "accuracy": result.accuracy, "nats": result.nats,
                "seconds": round(time.monotonic() - start, 3), **hardware(linear)}


def _show(arithmetic: Arithmetic, report: dict[str, Any]) -> None:
    print(f"{report['accuracy']:.2%} right ({report['correct']} of {report['pictures']} pictures of "
          f"{report['classes']} kinds, {report['nats']:.4f} nats, {arithmetic})")
    if "compared" in report:
        print(f"  RTL equals golden bit for bit in {report['compared']} outputs; {report['cycles']} cycles in all")
