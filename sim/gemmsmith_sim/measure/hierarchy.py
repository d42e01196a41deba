"""What a design costs by module, also where synthesis has made one module of all."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .flat import FlatModule
from .synth import SynthResult
from .targets import Target, get_target

__all__ = ["FlatModule", "Module", "module_tree", "synth_tree"]


@dataclass(frozen=True, kw_only=True)
class Module:
    """One instance of a module in a resource tree; the unit of the costs is that of the cells put in."""

    name: str
    """Of the module (type); the top's name at the root."""
    instance: str
    """Name within the parent; empty at the root."""
    own: float
    """Cost of its own cells, children left out."""
    children: tuple["Module", ...]
    named: float = 1.0
    """Share of ``own`` whose names say that it belongs here; the rest is here because no name says more."""

    @property
    def total(self) -> float:
        """Cost with the children."""
        return self.own + sum(child.total for child in self.children)

    @property
    def attributed(self) -> float:
        """Share of ``total`` that was attributed by name; 1 for an empty tree."""
        return self._known / self.total if self.total else 1.0

    @property
    def _known(self) -> float:
        return self.own * self.named + sum(child._known for child in self.children)

    def to_dict(self) -> dict[str, Any]:
        """As JSON: ``name``, ``instance``, ``cells`` (its own cost), ``total``, ``attributed``, ``children``."""
        return {"name": self.name, "instance": self.instance, "cells": self.own, "total": self.total,
                "attributed": round(self.attributed, 4),
                "children": [child.to_dict() for child in self.children]}  # fmt: skip


def module_tree(
    cells: Iterable[tuple[str | None, float]], *, top: str = "top", types: Mapping[str, str] | None = None
) -> Module:
    """Add up cells by the module that they stand in.

    Parameters
    ----------
    cells
        Path of the module instance, such as ``"core.sum"``, and cost; ``""`` is the top, ``None`` unknown, which is
        counted to the top as not attributed.
    types
        Path → name of the module; a module that has none is called by its instance's name. Its paths stand in the tree
        even where they hold no cell.

    The root's ``total`` is the sum of all costs. Children are sorted by ``total``, largest first.
    """
    types = types or {}
    own: dict[str, float] = defaultdict(float)
    unknown = 0.0
    for path, cost in cells:
        own[path or ""] += cost
        unknown += cost if path is None else 0
    children: dict[str, set[str]] = defaultdict(set)
    for path in {*own, *types}:
        while path:
            parent = path.rpartition(".")[0]
            children[parent].add(path)
            path = parent

    def build(path: str) -> Module:
        parts = sorted((build(child) for child in children[path]), key=lambda part: (-part.total, part.instance))
        instance = path.rpartition(".")[2]
        named = 1 - unknown / own[""] if not path and own[""] else 1.0
        return Module(name=types.get(path, instance) if path else top, instance=instance, own=own[path],
                      children=tuple(parts), named=named)  # fmt: skip

    return build("")


def synth_tree(result: SynthResult) -> Module:
    """What a synthesised unit costs by module.

    Costs are LUT sites: ``SynthResult.eq`` where the family has it, else LUTs and LUTs used as memory; flip-flops, DSP
    blocks and block RAMs cost nothing. The root's ``total`` equals the count of the whole netlist.
    """
    family = get_target(result.target)
    netlist = json.loads(result.netlist.read_text())
    types: dict[str, str] = {}
    cells: list[tuple[str | None, float]] = []

    def visit(name: str, prefix: str) -> None:
        flat = FlatModule(netlist["modules"][name])
        types.update({_join(prefix, path): kind for path, kind in flat.scopes.items()})
        for cell, content in flat.cells.items():
            scope = flat.scope(cell)
            below = netlist["modules"].get(content["type"])
            if below is not None and below["cells"] and not _is_library(below):  # not flattened
                path = _join(prefix, cell)
                types[path] = content["type"]
                visit(content["type"], path)
            elif cost := _lut_sites(family, content["type"]):
                cells.append((_join(prefix, scope) if scope or prefix else scope, cost))

    visit(result.top, "")
    return module_tree(cells, top=result.top, types=types)


def _is_library(module: dict[str, Any]) -> bool:
    return "blackbox" in module["attributes"] or "whitebox" in module["attributes"]


def _join(*parts: str | None) -> str:
    return ".".join(part for part in parts if part)


def _lut_sites(family: Target, cell: str) -> int:
    kind = family.kind(cell)
    if kind == "luts":
        return family.luts_per_cell.get(cell, 1)
    if kind == "carries":
        return family.luts_per_carry or 0
    return family.lutram_luts.get(cell, 0)
