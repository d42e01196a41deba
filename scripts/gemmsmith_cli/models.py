"""Models with their matrix products on a chosen backend, for ``run``, ``perplexity`` and ``perceive``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemmsmith.schemes import Scheme, parse
from gemmsmith_cli.console import working
from gemmsmith_cli.errors import InputError
from gemmsmith_cli.options import Backend, QuantiserName, parse_choices
from gemmsmith_sim.llm.checkpoint import CALIBRATION_TEXT, Checkpoint
from gemmsmith_sim.llm.model import FloatLinear, LinearBackend, Llama
from gemmsmith_sim.llm.perplexity import perplexity
from gemmsmith_sim.llm.quantized import AnyQuantiser, GoldenLinear, SchemeOf, WeightOnlyLinear
from gemmsmith_sim.llm.tokenizer import load_tokenizer
from gemmsmith_sim.perception.measure import calibration_scenes, score
from gemmsmith_sim.perception.network import Network, Trained
from gemmsmith_sim.quantise import QUANTISERS, ErrorFeedback, Recorder
from gemmsmith_sim.search.assignment import MODULES, Modules, PrecisionMap

SERVES = {QuantiserName.CLIP: ("mixpe", "w4a8"), QuantiserName.TENSOR: ("xrnpe", "xrnpe-posit8"),
          QuantiserName.FEEDBACK: ("xrnpe", "xrnpe-posit8")}
"""Families of the quantisers that do not serve all, and an example."""
CALIBRATION_TOKENS, CALIBRATION_PICTURES = 2048, 500
"""Of the built-in text, or the pictures of a search, read for the quantiser ``feedback``."""


def split_arguments(arguments: Sequence[str] | None) -> tuple[Path | None, dict[str, str]]:
    """``[MODEL] [key=value]…``: the first argument is the model if it is a folder or no choice."""
    rest = list(arguments or ())
    model = Path(rest.pop(0)) if rest and ("=" not in rest[0] or Path(rest[0]).exists()) else None
    return model, parse_choices(rest)


@dataclass(frozen=True)
class Arithmetic:
    """What a user asked the linear layers to be computed with.

    Parameters
    ----------
    backend: what computes. scheme: its name, if one holds for all layers. precisions: a scheme per module instead.
    choices: of the scheme or the build. quantiser: of float weights, if one was named. Neither scheme nor precisions:
        floats.
    """

    backend: Backend
    scheme: str | None
    precisions: PrecisionMap | None
    choices: dict[str, str]
    quantiser: QuantiserName | None = None

    @classmethod
    def chosen(cls, backend: Backend | None, scheme: str | None, precision: Path | None, choices: dict[str, str],
               quantiser: QuantiserName | None = None, modules: Modules = MODULES) -> Arithmetic:
        """From options, for a model with ``modules``.

        Raises ``InputError`` where they do not fit each other, ``PrecisionError`` for a bad file.
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
        if quantiser in SERVES and (base is None or base.family != SERVES[quantiser][0]):
            family, like = SERVES[quantiser]
            raise InputError(f"--quantiser {quantiser.value} serves the {family} schemes ({like} …), not "
                             f"{base.short if base else 'other backends'}")
        return cls(backend, scheme, precisions, choices, quantiser)

    @contextmanager
    def linear(self, model: Checkpoint | Trained) -> Iterator[LinearBackend]:
        """What computes the matrix products of ``model``; a simulator is open meanwhile."""
        if self.precisions:
            self.precisions.check_model(model)
        if self.quantiser and isinstance(model, Checkpoint) and model.config.quantization_config:
            raise InputError(f"{model.folder}: is quantised already; it takes no --quantiser {self.quantiser.value}")
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
        named = {"quantiser": self.quantiser.value} if self.quantiser else {}
        if self.precisions is None:
            return {"backend": self.backend.value, "scheme": self.scheme, **named}
        return {"backend": self.backend.value, "scheme": self.precisions.base.name, **named,
                "modules": {module: scheme.name for module, scheme in self.precisions.schemes.items()}}

    def __str__(self) -> str:
        scheme = self.scheme
        if self.precisions:
            scheme = ", ".join(f"{module} {scheme.short}" for module, scheme in self.precisions.schemes.items())
        return " ".join(filter(None, (self.backend.value, scheme, self.quantiser and self.quantiser.value)))

    def _quantiser(self, model: Checkpoint | Trained) -> AnyQuantiser:
        if self.quantiser is QuantiserName.FEEDBACK:
            with working("reading calibration data"):
                return ErrorFeedback(_moments(model))
        return QUANTISERS[(self.quantiser or QuantiserName.NEAREST).value]

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


def _moments(model: Checkpoint | Trained) -> Mapping[str, NDArray[np.float64]]:
    """Of each layer's inputs, on calibration data."""
    recorder = Recorder()
    if isinstance(model, Trained):
        score(Network(model.parameters, recorder), calibration_scenes()[:CALIBRATION_PICTURES])
    else:
        ids = load_tokenizer(model).encode(CALIBRATION_TEXT.read_text())[:CALIBRATION_TOKENS + 1]
        perplexity(Llama(model, recorder), ids, window=min(128, model.config.max_position_embeddings))
    return recorder.moments
