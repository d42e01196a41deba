"""``gemmsmith list``: schemes and number formats by name."""

from __future__ import annotations

import dataclasses
from typing import Any

from gemmsmith_cli.console import make_table, print_json, print_table
from gemmsmith_cli.options import Json, example

EXAMPLE = example("list", "list --json")


def command(as_json: Json = False) -> None:
    """List the schemes that can be built, and number formats."""
    from gemmsmith.formats import CATALOG
    from gemmsmith.schemes import Scheme, catalog
    from gemmsmith_cli.number_formats import bits, to_dict

    schemes = catalog()
    if as_json:
        formats = [{key: value for key, value in to_dict(name).items() if key != "values"} for name in CATALOG]
        print_json({"schemes": [_scheme(scheme) for scheme in schemes.values()], "formats": formats})
        return
    families: dict[str, list[Scheme]] = {}
    for scheme in schemes.values():
        families.setdefault(scheme.family, []).append(scheme)
    print_table(make_table("Schemes", ("name", "what is computed", "choices", "source"), [
        (_span([scheme.short for scheme in members]), members[0].summary, _choices(members[0]), members[0].source)
        for members in families.values()]))
    print_table(make_table("Number formats", ("name", "bits", "canonical name", "source"), [
        (name, f"{float(bits(entry)):g}", entry.format.name, entry.source) for name, entry in CATALOG.items()],
        right=("bits",)))
    print("gemmsmith describe NAME says more of a scheme or a format.")


def _scheme(scheme: Any) -> dict[str, Any]:
    return {"name": scheme.short, "canonical": scheme.name, "family": scheme.family, "summary": scheme.summary,
            "source": scheme.source, "choices": dataclasses.asdict(scheme)}


def _span(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} … {names[-1]}"


def _choices(scheme: Any) -> str:
    """Choices and their defaults, without those that the name makes."""
    return ", ".join(f"{key}={value}" for key, value in dataclasses.asdict(scheme).items()
                     if f"{key}{value}" not in scheme.short)
