"""A scheme for each module of a model, and the file that keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError

from gemmsmith.schemes import Scheme, SchemeError, parse
from gemmsmith_sim.quantise import check_quantiser

__all__ = ["MODULES", "Modules", "PrecisionError", "PrecisionMap"]

Modules = Mapping[str, tuple[str, ...]]
"""The modules of a model that have a precision of their own, and the layers of each."""

MODULES: Modules = {
    "qkv": ("q", "k", "v"),
    "o": ("o",),
    "u": ("gate", "up"),
    "d": ("down",),
}
"""Those of a language model, as in Anda (HPCA 2025): attention inputs, attention output, feed-forward up and gate,
feed-forward down. All blocks of a model share them."""

SCHEMA = "gemmsmith.precision/1"
_Choices = Mapping[str, int | str]


class PrecisionError(ValueError):
    """A precision file that cannot be used. The message is one line: which file, what is wrong."""


class Identified(Protocol):
    """A model that was read from files."""

    @property
    def folder(self) -> Path:
        """Where it lies."""

    @property
    def digest(self) -> str:
        """SHA-256 of what was read."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    schema_: Literal["gemmsmith.precision/1"] = Field(alias="schema")
    model: StrictStr | None = None
    scheme: StrictStr
    quantiser: StrictStr | None = None
    modules: dict[str, dict[str, StrictInt | StrictStr]]
    tuning: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class PrecisionMap:
    """The scheme of each module: ``base`` with the module's ``choices`` replaced.

    Called with a layer's name (``layers.<index>.<q|k|v|o|gate|up|down>``: the part behind the last dot counts) it gives
    the layer's scheme, so it is what the linear backends take.

    Parameters
    ----------
    base: scheme of all modules.
    choices: of each module, all of ``modules``: field of the scheme → value, such as ``{"m": 7}``.
    model: digest of the model that it is meant for (such as ``Checkpoint.digest``); None: any.
    tuning: how it was found, for the reader; not interpreted.
    modules: of the model, and their layers.
    quantiser: name of what makes codes of float weights; None: ``nearest``.

    Raises ``SchemeError`` for a choice that the scheme does not have, ``ValueError`` for other modules or a quantiser
    that does not serve the scheme.
    """

    base: Scheme
    choices: Mapping[str, _Choices]
    model: str | None = None
    tuning: Mapping[str, Any] = field(default_factory=dict)
    modules: Modules = field(default_factory=lambda: MODULES)
    quantiser: str | None = None

    def __post_init__(self) -> None:
        if set(self.choices) != set(self.modules):
            raise ValueError(f"modules must be {', '.join(self.modules)}, not {', '.join(self.choices) or 'none'}")
        if self.quantiser is not None:
            check_quantiser(self.quantiser, self.base)
        object.__setattr__(self, "schemes", {
            module: self.base.replace(**self.choices[module]) for module in self.modules})
        object.__setattr__(self, "_of_layer", {
            layer: self.schemes[module] for module, layers in self.modules.items() for layer in layers})

    schemes: Mapping[str, Scheme] = field(init=False)
    """Module → scheme, in the order of ``modules``."""
    _of_layer: Mapping[str, Scheme] = field(init=False, repr=False, compare=False)

    def __call__(self, layer: str) -> Scheme:
        return self._of_layer[layer.rpartition(".")[2]]

    @property
    def build_choices(self) -> dict[str, str]:
        """Choices, with ``base``, of a build that computes every module. Raises ``SchemeError`` if there is none."""
        choices = type(self.base).build_choices(list(self.schemes.values()))
        return {key: str(value) for key, value in choices.items()}

    def check_model(self, model: Identified) -> None:
        """Raise ``PrecisionError`` if the map was made for another model."""
        if self.model not in (None, model.digest):
            raise PrecisionError(f"{model.folder}: is not the model that the precisions were chosen for; "
                                 f"its digest is {model.digest[:12]}…, not {str(self.model)[:12]}…")

    def to_json(self) -> str:
        """Text of the file."""
        named = {} if self.quantiser is None else {"quantiser": self.quantiser}
        return json.dumps({"schema": SCHEMA, "model": self.model, "scheme": self.base.name, **named,
                           "modules": {module: dict(self.choices[module]) for module in self.modules},
                           "tuning": dict(self.tuning)}, indent=2) + "\n"

    @classmethod
    def load(cls, path: Path, modules: Modules | None = MODULES) -> PrecisionMap:
        """Read a file for a model with ``modules``; None: for whatever model, each module one layer of its name.

        Raises ``PrecisionError`` for a file that is damaged or names what does not exist.
        """
        try:
            read = _File.model_validate_json(path.read_bytes())
            modules = {name: (name,) for name in read.modules} if modules is None else modules
            return cls(parse(read.scheme), read.modules, read.model, read.tuning, modules, read.quantiser)
        except OSError as error:
            raise PrecisionError(f"{path}: cannot be read: {error.strerror}") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise PrecisionError(f"{path}: {where + ': ' if where else ''}{first['msg']}") from None
        except (SchemeError, ValueError) as error:
            raise PrecisionError(f"{path}: {error}") from None
