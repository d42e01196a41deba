"""Arguments that several verbs share."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gemmsmith_cli.errors import InputError

SchemeName = Annotated[str, typer.Argument(metavar="SCHEME", help="Short or canonical name (gemmsmith list).")]
Choices = Annotated[list[str] | None, typer.Argument(
    metavar="KEY=VALUE", help="Choices of the scheme, its processing element or the build.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON alone on standard output.")]
Precision = Annotated[Path | None, typer.Option(
    "--precision", help="A scheme per module, from gemmsmith tune, in the place of a scheme.", show_default=False)]
Seed = Annotated[int, typer.Option(min=0, help="Seed of what is drawn at random.")]


class Backend(StrEnum):
    """What computes the products of a model."""

    FLOAT = "float"
    WEIGHTS = "weights"
    GOLDEN = "golden"
    RTL = "rtl"


QuantiserOption = Annotated[str | None, typer.Option(
    "--quantiser", metavar="NAME", show_default=False,
    help="nearest (default): each row or group by itself; clip: ranges of least squared error (mixpe); tensor: one "
         "scale for all rows; feedback: rounding errors made up for, by calibration data (both xrnpe).")]


def example(*lines: str) -> str:
    """Text below the help of a verb."""
    return "\b\nExample:\n" + "\n".join(f"  gemmsmith {line}" for line in lines)


def parse_choices(pairs: Sequence[str] | None) -> dict[str, str]:
    """``key=value`` arguments as a dictionary. Raises ``InputError``."""
    choices: dict[str, str] = {}
    for pair in pairs or ():
        key, equals, value = pair.partition("=")
        if not (key and equals and value):
            raise InputError(f"choices are written key=value, not {pair!r}")
        if key in choices:
            raise InputError(f"{key} is chosen twice: {choices[key]} and {value}")
        choices[key] = value
    return choices
