"""The report as one HTML page that needs nothing else: styles, scripts and figures are inside."""

from __future__ import annotations

import functools
from typing import Any

import altair as alt
import jinja2
import vl_convert

from ..record import Bench
from .charts import charts, sentences
from .groups import Group, groups, level_title
from .inside import modules, path_runs, path_shares, spent
from .ratios import glance_table, ratio_table
from .tables import accuracy_table, figures_table
from .text import figure
from .words import COLUMNS, failures

__all__ = ["html"]

_VEGA_LITE = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])


def html(bench: Bench) -> str:
    """The page. Equal records give equal pages, byte for byte; nothing in it reaches for the network."""
    members = groups(bench)
    return _environment().get_template("page.html.j2").render(
        bench=bench, explained=COLUMNS, failures=failures(bench),
        levels=[_level(bench, level, members) for level in dict.fromkeys(group.level for group in members)],
        groups=[_section(number, group) for number, group in enumerate(members, 1)],
        accuracy=accuracy_table(bench), bundle=_vega(), versions=_vega_versions())


def _level(bench: Bench, level: str, members: list[Group]) -> dict[str, Any]:
    own = [group for group in members if group.level == level]
    return {"title": level_title(level), "glance": glance_table(bench, own), "table": ratio_table(bench, own)}


def _section(number: int, group: Group) -> dict[str, Any]:
    inside = [{"row": row, "runs": path_runs(row), "delays": path_shares(row),
               "modules": modules(row.modules) if row.modules else [],
               "energy": spent(row.energy.by_module) if row.energy else []} for row in group.rows]
    return {"anchor": f"group-{number}", "title": group.title, "area_unit": group.area_unit,
            "table": figures_table(group), "charts": charts(group), "sentences": sentences(group),
            "inside": [unit for unit in inside if unit["runs"] or unit["modules"] or unit["energy"]]}


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "templates"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    environment.filters["figure"] = figure
    return environment


@functools.cache
def _vega() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    script: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=_VEGA_LITE)
    if "</script" in script.lower() or "<!--" in script:
        raise RuntimeError("the script of the charts cannot stand inside a page")
    return script


def _vega_versions() -> str:
    return (f"Vega {vl_convert.get_vega_version()}, Vega-Lite {_VEGA_LITE}, "
            f"Vega-Embed {vl_convert.get_vega_embed_version()}")
