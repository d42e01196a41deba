"""What is to be built: every choice of a build, resolved and checked."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gemmsmith.arith.tech import TARGETS
from gemmsmith.coprocessor import Coprocessor
from gemmsmith.emit.top import CoprocessorTop, PartTop, TileTop
from gemmsmith.emit.verilog import check_name
from gemmsmith.pe import Engine, ProcessingElement, element_class, for_scheme
from gemmsmith.schemes import Scheme, parse
from gemmsmith.tile import Tile

Level = Literal["coprocessor", "tile", "pe", "engine", "core", "tail"]


class ConfigError(ValueError):
    """A choice that does not exist or does not fit. The message is one line that says what would be right."""


class BuildConfig(BaseModel):
    """Every choice of a build. ``resolve`` makes one from what a user types; JSON of it is
    ``config.resolved.json``.

    Raises ``ConfigError`` (from ``resolve`` and ``load``) for anything that cannot be built.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    scheme: str = Field(description="canonical name of the scheme")
    level: Level = Field("coprocessor",
                         description="coprocessor (AXI4 and AXI4-Lite), tile or pe (AXI4-Stream), engine (edges and "
                                     "core), core or tail (bare)")
    name: str = Field("", description="name of the top module, prefix of all others")
    target: str = Field("generic", description="technology whose leaf structures are used")
    rows: int = Field(4, ge=1, le=255, description="rows of the array (outputs along M)")
    cols: int = Field(4, ge=1, le=255, description="columns of the array (outputs along N)")
    tail_share: int = Field(0, ge=0,
                            description="cores of a row behind one tail, a power of two that divides cols; 0: up to 4")
    axi_data_width: int = Field(128, description="bits of the memory bus: 32, 64, 128, 256 or 512")
    axi_addr_width: int = Field(32, description="bits of a memory address, 16..64")
    buffer_k: int = Field(1024, ge=1, description="elements along K in each half of an operand buffer")
    max_burst: int = Field(16, description="longest burst in bus words, a power of two up to 256")
    outstanding: int = Field(8, ge=2, le=64, description="bursts under way at once")
    compress: int = Field(0, description="longest mantissa to which fp16 outputs can be compressed, 1..16; 0: none")
    options: dict[str, int] = Field(default_factory=dict, description="build options of the processing element")

    @classmethod
    def resolve(cls, scheme: str, choices: dict[str, str] | None = None) -> Self:
        """The build of a scheme (short or canonical name) with choices as typed: of the build, of the scheme,
        or of its processing element."""
        choices = dict(choices or {})
        try:
            base = parse(scheme)
            element = element_class(base.family)
            own = set(cls.model_fields) - {"scheme", "options"}
            of_scheme = {field.name for field in dataclasses.fields(base)}
            if unknown := [key for key in choices if key not in own | of_scheme | set(element.options)]:
                known = ", ".join([*sorted(own), *sorted(of_scheme), *sorted(element.options)])
                raise ConfigError(f"{base.family} builds have no choice {unknown[0]!r}; there are {known}")
            full = base.replace(**{k: v for k, v in choices.items() if k in of_scheme})
            options = {k: _whole(k, v) for k, v in choices.items() if k in element.options}
            values = {k: v if cls.model_fields[k].annotation in (str, Level) else _whole(k, v)
                      for k, v in choices.items() if k in own}
        except ConfigError:
            raise
        except ValueError as error:
            raise ConfigError(str(error)) from None
        return cls._checked({"scheme": full.name, "options": options, **values})

    @classmethod
    def load(cls, text: str) -> Self:
        """The build that ``config.resolved.json`` describes."""
        try:
            values = json.loads(text)
            if not isinstance(values, dict):
                raise ConfigError("the configuration must be a JSON object")
            return cls._checked(values)
        except json.JSONDecodeError as error:
            raise ConfigError(f"the configuration is not JSON: {error}") from None

    @classmethod
    def _checked(cls, values: dict[str, Any]) -> Self:
        try:
            config = cls(**values)
            config = config.model_copy(update=config._defaults())
            with _errors_as(ConfigError):
                if config.target not in TARGETS:
                    raise ValueError(f"target must be one of {', '.join(TARGETS)}, not {config.target!r}")
                check_name(config.name)
                config.top()
            return config
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise ConfigError(f"{where}: {first['msg'][0].lower()}{first['msg'][1:]}, not {first['input']!r}") from None

    def _defaults(self) -> dict[str, Any]:
        """Choices that follow from others."""
        with _errors_as(ConfigError):
            pe = for_scheme(parse(self.scheme), **self.options)
        updates: dict[str, Any] = {"options": {option: getattr(pe, option) for option in pe.options}}
        if not self.name:
            updates["name"] = f"{parse(self.scheme).short.replace('-', '_')}_{self.level}"
        if self.level in ("pe", "engine", "core"):
            updates |= {"rows": 1, "cols": 1, "tail_share": 1}
        elif self.level == "tail":
            updates |= {"rows": 1, "cols": self.tail_share or 4, "tail_share": self.tail_share or 4}
        elif self.tail_share == 0:
            updates["tail_share"] = max(share for share in (1, 2, 4) if self.cols % share == 0)
        return updates

    def parsed_scheme(self) -> Scheme:
        """The scheme."""
        return parse(self.scheme)

    def element(self) -> ProcessingElement:
        """The processing element."""
        return for_scheme(self.parsed_scheme(), **self.options)

    def tile(self) -> Tile:
        """The array."""
        return Tile(self.element(), rows=self.rows, cols=self.cols, share=self.tail_share)

    def coprocessor(self) -> Coprocessor:
        """The co-processor; also describes the device to the driver."""
        return Coprocessor(
            self.element(), rows=self.rows, cols=self.cols, share=self.tail_share, axi_data_width=self.axi_data_width,
            axi_addr_width=self.axi_addr_width, buffer_k=self.buffer_k, max_burst=self.max_burst,
            outstanding=self.outstanding, compress=self.compress)

    def top(self) -> CoprocessorTop | TileTop | PartTop:
        """The top-level component with the ports that Verilog will have."""
        if self.level == "coprocessor":
            return CoprocessorTop(self.coprocessor())
        if self.level == "engine":
            return PartTop(Engine(self.element()))
        if self.level == "core":
            return PartTop(self.element().core())
        if self.level == "tail":
            return PartTop(self.element().tail(self.tail_share))
        return TileTop(self.tile())

    def to_json(self) -> str:
        """JSON text; equal configurations give equal text."""
        return json.dumps(self.model_dump(), indent=2) + "\n"


class _errors_as:
    """Turns ``ValueError`` of a block into another error of the same message."""

    def __init__(self, kind: type[Exception]):
        self._kind = kind

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: Any) -> None:
        if isinstance(error, ValueError) and not isinstance(error, ValidationError | self._kind):
            raise self._kind(str(error)) from None


def _whole(key: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise ConfigError(f"{key} must be a whole number, not {value!r}") from None
