"""Language models with their linear layers on a chosen backend, for ``run`` and ``perplexity``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gemmsmith_cli.errors import InputError
from gemmsmith_cli.options import Backend, parse_choices
from gemmsmith_sim.llm.model import FloatLinear, LinearBackend
from gemmsmith_sim.llm.quantized import GoldenLinear, WeightOnlyLinear


def split_arguments(arguments: Sequence[str] | None) -> tuple[Path | None, dict[str, str]]:
    """``[MODEL] [key=value]…``: the first argument is the model if it is a folder or no choice."""
    rest = list(arguments or ())
    model = Path(rest.pop(0)) if rest and ("=" not in rest[0] or Path(rest[0]).exists()) else None
    return model, parse_choices(rest)


def choose_backend(backend: Backend | None, scheme: str | None) -> Backend:
    """The backend asked for, or the one that goes with a scheme. Raises ``InputError`` where the two do not fit."""
    if backend is None:
        return Backend.GOLDEN if scheme else Backend.FLOAT
    if (backend is Backend.FLOAT) == bool(scheme):
        raise InputError(f"the {backend.value} backend " + ("takes no --scheme" if scheme else "needs a --scheme"))
    return backend


@contextmanager
def linear_backend(backend: Backend, scheme: str | None, choices: dict[str, str]) -> Iterator[LinearBackend]:
    """What computes the linear layers; a simulator is open meanwhile."""
    if scheme is None:
        if choices:
            raise InputError(f"the float backend has no choice {next(iter(choices))!r}")
        yield FloatLinear()
        return
    if backend is Backend.RTL:
        from gemmsmith_cli.session import open_rtl, resolve_rtl
        from gemmsmith_sim.llm.quantized import RtlLinear

        with open_rtl(resolve_rtl(scheme, choices)) as (driver, _):
            yield RtlLinear(driver)
        return
    from gemmsmith.schemes import parse

    parsed = parse(scheme, **choices)
    yield (GoldenLinear if backend is Backend.GOLDEN else WeightOnlyLinear)(parsed)
