"""``gemmsmith tune shapes``: the shortest precision of each layer of the image network."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemmsmith_cli.console import make_table, print_json, print_table, working

if TYPE_CHECKING:
    from gemmsmith.schemes import Scheme
    from gemmsmith_sim.perception.tune import Tuned

NAME = "shapes"
"""The network in the place of a language model."""


def run(scheme: Scheme, *, loss: float, iterations: int, quantiser: str | None, output: Path, as_json: bool) -> None:
    """Searches, writes the precision file ``output``, and shows what was found."""
    from gemmsmith_sim.cache import atomic_write
    from gemmsmith_sim.perception import load
    from gemmsmith_sim.perception.tune import tune

    start = time.monotonic()
    with working(f"searching precisions of {NAME}") as reporter:
        tuned = tune(load(), scheme, loss=loss, iterations=iterations, quantiser=quantiser, progress=reporter.update)
    atomic_write(output, tuned.precisions.to_json())
    if as_json:
        print_json(_report(tuned, model=NAME, loss=loss, output=str(output),
                           seconds=round(time.monotonic() - start, 3)))
    else:
        _show(tuned, output)


def show_trials(measures: tuple[str, str], trials: Sequence[tuple[Sequence[str], int, str, str, bool]], *,
                modules: Sequence[str], alternatives: int) -> None:
    """The evaluations as two tables: schemes of the modules, bit operations, a measure, loss, whether accepted.

    ``alternatives`` says how many of them, the first ones, chose among rungs of equal cost; ``measures`` what was
    measured for these and for the others.
    """
    parts = (("Rungs of equal cost, one module at a time", measures[0], trials[:alternatives], "chosen"),
             ("Evaluations, in the order of the search", measures[1], trials[alternatives:], "best"))
    for title, measure, part, accepted in parts:
        if part:
            print_table(make_table(title, (*modules, "bit operations", measure, "loss", ""),
                                   [(*names, f"{cost:,}", value, loss, accepted if chosen else "")
                                    for names, cost, value, loss, chosen in part],
                                   right=("bit operations", measure, "loss")))


def show_assignment(output: Path | str, tuned: Any) -> None:
    """What the file holds, and what it saves; ``tuned`` is of a language model or of the image network."""
    schemes, quantiser = tuned.precisions.schemes, tuned.precisions.quantiser
    print(f"{output}: " + ", ".join(f"{module} {scheme.short}" for module, scheme in schemes.items())
          + (f"; quantiser {quantiser}" if quantiser else ""))
    print(f"  bit operations: 1 / {tuned.reduction:.3f} of those of the reference: FP16 activations and the weights of "
          f"{tuned.precisions.base.ladder()[-1].short}")


def scheme_of(tuned: Any) -> dict[str, str]:
    """For a report: the base, and the quantiser if one was named; ``tuned`` as for ``show_assignment``."""
    quantiser = tuned.precisions.quantiser
    return {"scheme": tuned.precisions.base.name, **({"quantiser": quantiser} if quantiser else {})}


def _report(tuned: Tuned, **more: Any) -> dict[str, Any]:
    def pair(chosen: Any, reference: Any) -> dict[str, Any]:
        return {"pictures": chosen.pictures, "accuracy": chosen.accuracy, "reference_accuracy": reference.accuracy,
                "nats": chosen.nats, "reference_nats": reference.nats}

    def steps(trials: Any, measure: str) -> list[dict[str, Any]]:
        return [{"modules": {module: scheme.name for module, scheme in step.precisions.schemes.items()},
                 "bit_operations": step.bit_operations, measure: step.accuracy, "accepted": step.accepted}
                for step in trials]

    return {**more, **scheme_of(tuned), "modules": dict(tuned.precisions.choices),
            "bit_operations_reduction": tuned.reduction, "exhausted": tuned.adapted.exhausted,
            "calibration": pair(tuned.calibration, tuned.calibration_reference),
            "heldout": pair(tuned.heldout, tuned.heldout_reference),
            "alternatives": steps(tuned.adapted.alternatives, "minus_nats"),
            "trace": steps(tuned.adapted.trace, "accuracy")}


def _show(tuned: Tuned, output: Path) -> None:
    reference = tuned.calibration_reference
    alternatives = [([scheme.short for scheme in step.precisions.schemes.values()], step.bit_operations,
                     f"{-step.accuracy:.4f}", f"{-step.accuracy - reference.nats:+.4f}", step.accepted)
                    for step in tuned.adapted.alternatives]
    trace = [([scheme.short for scheme in step.precisions.schemes.values()], step.bit_operations,
              f"{step.accuracy:.2%}", f"{1 - step.accuracy / reference.accuracy:+.3%}", step.accepted)
             for step in tuned.adapted.trace]
    show_trials(("cross entropy (nats)", "right"), [*alternatives, *trace], modules=list(tuned.precisions.schemes),
                alternatives=len(alternatives))
    if not tuned.adapted.exhausted:
        print("The evaluations ran out; more --iterations may find a cheaper assignment.")
    show_assignment(output, tuned)
    for name, chosen, due in (("the pictures of the search", tuned.calibration, reference),
                              ("held-out pictures", tuned.heldout, tuned.heldout_reference)):
        print(f"  right of {name} ({chosen.pictures}): {chosen.accuracy:.2%}; the reference {due.accuracy:.2%}; "
              f"loss {1 - chosen.accuracy / due.accuracy:+.3%}")
