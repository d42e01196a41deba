"""A scheme for each module of a model, and the file that keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError

from gemmsmith.schemes import Scheme, SchemeError, parse
from gemmsmith_sim.llm.checkpoint import Checkpoint

__all__ = ["MODULES", "PrecisionError", "PrecisionMap"]

MODULES: Mapping[str, tuple[str, ...]] = {
    "qkv": ("q", "k", "v"),
    "o": ("o",),
    "u": ("gate", "up"),
    "d": ("down",),
}
"""The modules that have a precision of their own, as in Anda (HPCA 2025), and the linear layers of each: attention
inputs, attention output, feed-forward up and gate, feed-forward down. All blocks of a model share them."""

SCHEMA = "gemmsmith.precision/1"
_MODULE_OF = {layer: module for module, layers in MODULES.items() for layer in layers}
_Choices = Mapping[str, int | str]


class PrecisionError(ValueError):
    """A precision file that cannot be used. The message is one line: which file, what is wrong."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    schema_: Literal["gemmsmith.precision/1"] = Field(alias="schema")
    model: StrictStr | None = None
    scheme: StrictStr
    modules: dict[str, dict[str, StrictInt | StrictStr]]
    tuning: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class PrecisionMap:
    """The scheme of each module: ``base`` with the module's ``choices`` replaced.

    Called with a layer's name (``layers.<index>.<q|k|v|o|gate|up|down>``) it gives the layer's scheme, so it is what
    the linear backends take.

    Parameters
    ----------
    base: scheme of all modules.
    choices: of each module, all of ``MODULES``: field of the scheme → value, such as ``{"m": 7}``.
    model: digest of the checkpoint that it is meant for (``Checkpoint.digest``); None: any.
    tuning: how it was found, for the reader; not interpreted.

    Raises ``SchemeError`` for a choice that the scheme does not have, ``ValueError`` for other modules.
    """

    base: Scheme
    choices: Mapping[str, _Choices]
    model: str | None = None
    tuning: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if set(self.choices) != set(MODULES):
            raise ValueError(f"modules must be {', '.join(MODULES)}, not {', '.join(self.choices) or 'none'}")
        object.__setattr__(self, "schemes", {
            module: self.base.replace(**self.choices[module]) for module in MODULES})

    schemes: Mapping[str, Scheme] = field(init=False)
    """Module → scheme, in the order of ``MODULES``."""

    def __call__(self, layer: str) -> Scheme:
        return self.schemes[_MODULE_OF[layer.rpartition(".")[2]]]

    @property
    def build_choices(self) -> dict[str, str]:
        """Choices, with ``base``, of a build that computes every module. Raises ``SchemeError`` if there is none."""
        choices = type(self.base).build_choices(list(self.schemes.values()))
        return {key: str(value) for key, value in choices.items()}

    def check_model(self, checkpoint: Checkpoint) -> None:
        """Raise ``PrecisionError`` if the map was made for another model."""
        if self.model not in (None, checkpoint.digest):
            raise PrecisionError(f"{checkpoint.folder}: is not the model that the precisions were chosen for; "
                                 f"its digest is {checkpoint.digest[:12]}…, not {str(self.model)[:12]}…")

    def to_json(self) -> str:
        """Text of the file."""
        return json.dumps({"schema": SCHEMA, "model": self.model, "scheme": self.base.name,
                           "modules": {module: dict(self.choices[module]) for module in MODULES},
                           "tuning": dict(self.tuning)}, indent=2) + "\n"

    @classmethod
    def load(cls, path: Path) -> PrecisionMap:
        """Read a file. Raises ``PrecisionError`` for one that is damaged or names what does not exist."""
        try:
            read = _File.model_validate_json(path.read_bytes())
            return cls(parse(read.scheme), read.modules, read.model, read.tuning)
        except OSError as error:
            raise PrecisionError(f"{path}: cannot be read: {error.strerror}") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise PrecisionError(f"{path}: {where + ': ' if where else ''}{first['msg']}") from None
        except (SchemeError, ValueError) as error:
            raise PrecisionError(f"{path}: {error}") from None
