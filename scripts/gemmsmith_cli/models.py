"""Models with their matrix products on a chosen backend, for ``run``, ``perplexity`` and ``perceive``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gemmsmith.schemes import Scheme, parse
from gemmsmith_cli.console import working
from gemmsmith_cli.errors import InputError
from gemmsmith_cli.options import Backend, parse_choices
from gemmsmith_sim.llm import calibrate
from gemmsmith_sim.llm.checkpoint import Checkpoint
from gemmsmith_sim.llm.model import FloatLinear, LinearBackend
from gemmsmith_sim.llm.quantized import GoldenLinear, SchemeOf, WeightOnlyLinear
from gemmsmith_sim.perception.measure import layer_moments
from gemmsmith_sim.perception.network import Trained
from gemmsmith_sim.quantise import AnyQuantiser, Moments, check_quantiser, make_quantiser
from gemmsmith_sim.search.assignment import MODULES, Modules, PrecisionMap


def split_arguments(arguments: Sequence[str] | None) -> tuple[Path | None, dict[str, str]]:
    """``[MODEL] [key=value]…``: the first argument is the model if it is a folder or no choice."""
    rest = list(arguments or ())
    model = Path(rest.pop(0)) if rest and ("=" not in rest[0] or Path(rest[0]).exists()) else None
    return model, parse_choices(rest)


def check_unpacked(model: Checkpoint | Trained, quantiser: str | None) -> None:
    """Raise ``InputError`` if a quantiser was named for weights that are codes already."""
    if quantiser and isinstance(model, Checkpoint) and model.config.quantization_config:
        raise InputError(f"{model.folder}: is quantised already; it takes no quantiser, such as {quantiser}")


@dataclass(frozen=True)
class Arithmetic:
    """What a user asked the linear layers to be computed with.

    Parameters
    ----------
    backend: what computes. scheme: its name, if one holds for all layers. precisions: a scheme per module instead.
    choices: of the scheme or the build. quantiser: of float weights, if one was named, here or in the file of the
        precisions. Neither scheme nor precisions: floats.
    """

    backend: Backend
    scheme: str | None
    precisions: PrecisionMap | None
    choices: dict[str, str]
    quantiser: str | None = None

    @classmethod
    def chosen(cls, backend: Backend | None, scheme: str | None, precision: Path | None, choices: dict[str, str],
               quantiser: str | None = None, modules: Modules = MODULES) -> Arithmetic:
        """From options, for a model with ``modules``.

        Raises ``ValueError`` where they do not fit each other, ``PrecisionError`` for a bad file.
        """
        if scheme and precision:
            raise InputError(f"--scheme {scheme} and --precision exclude each other: the file names the scheme")
        given = bool(scheme or precision)
        backend = backend or (Backend.GOLDEN if given else Backend.FLOAT)
        if (backend is Backend.FLOAT) == given:
            wanted = "takes no --scheme" if given else "needs a --scheme or --precision"
            raise InputError(f"the {backend.value} backend {wanted}")
        if choices and not (scheme or backend is Backend.RTL):
            what = f"the {backend.value} backend" if precision is None else f"with --precision, {backend.value}"
            raise InputError(f"{what} has no choice {next(iter(choices))!r}")
        precisions = PrecisionMap.load(precision, modules) if precision else None
        base = precisions.base if precisions else parse(scheme) if scheme else None
        if quantiser is not None:
            if base is None:
                raise InputError(f"the {backend.value} backend takes no --quantiser {quantiser}")
            check_quantiser(quantiser, base)
        elif precisions:
            quantiser = precisions.quantiser
        return cls(backend, scheme, precisions, choices, quantiser)

    @contextmanager
    def linear(self, model: Checkpoint | Trained) -> Iterator[LinearBackend]:
        """What computes the matrix products of ``model``; a simulator is open meanwhile."""
        if self.precisions:
            self.precisions.check_model(model)
        check_unpacked(model, self.quantiser)
        if self.backend is Backend.RTL:
            with self._rtl(self._quantiser(model)) as linear:
                yield linear
        elif self.backend is Backend.FLOAT:
            yield FloatLinear()
        else:
            kind = GoldenLinear if self.backend is Backend.GOLDEN else WeightOnlyLinear
            yield kind(self._scheme_of(), self._quantiser(model))

    def describe(self) -> dict[str, Any]:
        """For a report: backend and scheme, and the scheme of each module if they differ."""
        named = {"quantiser": self.quantiser} if self.quantiser else {}
        if self.precisions is None:
            return {"backend": self.backend.value, "scheme": self.scheme, **named}
        return {"backend": self.backend.value, "scheme": self.precisions.base.name, **named,
                "modules": {module: scheme.name for module, scheme in self.precisions.schemes.items()}}

    def __str__(self) -> str:
        scheme = self.scheme
        if self.precisions:
            scheme = ", ".join(f"{module} {scheme.short}" for module, scheme in self.precisions.schemes.items())
        return " ".join(filter(None, (self.backend.value, scheme, self.quantiser)))

    def _quantiser(self, model: Checkpoint | Trained) -> AnyQuantiser:
        def moments() -> Moments:
            with working("reading calibration data"):
                return layer_moments(model) if isinstance(model, Trained) else calibrate.layer_moments(model)

        return make_quantiser(self.quantiser, moments)

    def _scheme_of(self) -> Scheme | SchemeOf:
        return self.precisions or parse(self.scheme or "", **self.choices)

    @contextmanager
    def _rtl(self, quantiser: AnyQuantiser) -> Iterator[LinearBackend]:
        from gemmsmith_cli.session import open_rtl, resolve_rtl
        from gemmsmith_sim.llm.quantized import RtlLinear

        if self.precisions is None:
            config = resolve_rtl(self.scheme or "", self.choices)
        else:
            config = resolve_rtl(self.precisions.base.name, {**self.precisions.build_choices, **self.choices})
        with open_rtl(config) as (driver, _):
            yield RtlLinear(driver, self.precisions, quantiser)
