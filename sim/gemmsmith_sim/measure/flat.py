"""What the names in a flattened netlist say of its cells: which module each belongs to, and what it computes.

Flattening keeps the names of nets (``core.sum.total``), and synthesis names a cell after a net beside it
(``core.sum.total_LUT4_Z_3``). Where Yosys knows the source lines of a cell they decide between the names that one
net has in several modules. What is shared between modules belongs to the lowest module that holds them all.
"""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

__all__ = ["APART", "FlatModule"]

APART = "gemmsmith_apart"
"""Attribute of a module whose parts were mapped each by itself: names of cells begin with the part's path."""

_Net = tuple[str, int | None]
"""Name of a net, and which bit of it if it has several."""


@dataclass(frozen=True)
class FlatModule:
    """One module of a netlist in Yosys' JSON, read for what its names say. ``content`` is that JSON."""

    content: dict[str, Any]
    cells: dict[str, dict[str, Any]] = field(init=False)
    """Name → cell, without the marks of flattened modules."""
    scopes: dict[str, str] = field(init=False)
    """Path of a module that was flattened into this one → its name."""

    def __post_init__(self) -> None:
        marks = {name: cell for name, cell in self.content["cells"].items() if cell["type"] == "$scopeinfo"}
        modules = {_plain(name): mark["attributes"] for name, mark in marks.items()
                   if mark["parameters"].get("TYPE") == "module"}  # fmt: skip
        object.__setattr__(self, "cells", {k: v for k, v in self.content["cells"].items() if k not in marks})
        object.__setattr__(self, "scopes", {path: _plain(mark["module"]) for path, mark in modules.items()})

    def scope(self, cell: str) -> str | None:
        """Path of the module that a cell belongs to; ``""``: the top; ``None``: no name tells."""
        if APART in self.content["attributes"]:
            path = _plain(cell).replace("$flatten", "").replace("\\", "")
            while path and path not in self.scopes:
                path = path.rpartition(".")[0]
            return path
        nets, kinds = self._evidence(cell)
        named = {self._scope_of(net) for net, _ in nets}
        made = {path for path, kind in {**self.scopes, "": ""}.items() if kind in kinds}
        if both := named & made:
            return _lowest(both)
        # Where the module's own name for the net was optimised away, another module's tells where to look for it; but
        # a name that the cell only has from a cell behind it may be of a module far away.
        within = {path for path in made if not named or any(_holds(scope, path) for scope in named)}
        if not within and not self._drives_named(cell):
            within = made
        if within:
            return _lowest(within if len(within) == 1 else self._feeding(cell, within) or within)
        if not named:
            return None
        around = [path for path in made if _holds(path, _lowest(named))]
        return max(around, key=len, default=_lowest(named))

    def label(self, cell: str) -> str:
        """What a cell is, as a hardware description would name it: the net that it drives, such as ``core.sum[3]``, or
        that it computes a part of, such as ``core.sum``."""
        scope = self.scope(cell)
        nets, _ = self._evidence(cell)
        if not nets:
            return _plain(self._mapped.split(cell)[0])
        net, bit = min((named for named in nets if self._scope_of(named[0]) == scope),
                       key=lambda named: (len(named[0]), named), default=max(nets))  # fmt: skip
        name = _plain(net)
        if unnamed := re.fullmatch(r"(.+)\.(\[\d+\])?", name):  # the module's must do
            return unnamed[1]
        return name + ("" if bit is None else f"[{bit}]")

    def _evidence(self, cell: str) -> tuple[list[_Net], set[str]]:
        """Names of what a cell drives, or else of what it is named after, and the modules whose source made it."""
        nets = [named for bit in self._bits(cell, "output") for named in self._nets.get(bit, ())]
        kinds = self._source_modules(cell)
        if nets:
            return nets, kinds
        match = self._mapped.search(cell)
        base = self.content["netnames"].get(cell[: match.start()] if match else cell)
        if base is None:
            return [], kinds
        bits = set(base["bits"])
        kinds = kinds or {kind for bit in bits & self._drivers.keys()
                          for kind in self._source_modules(self._drivers[bit])}  # fmt: skip
        return sorted({(net, None) for bit in bits for net, _ in self._nets.get(bit, ())}), kinds

    def _drives_named(self, cell: str) -> bool:
        return any(bit in self._nets for bit in self._bits(cell, "output"))

    def _feeding(self, cell: str, scopes: set[str]) -> set[str]:
        """Those of ``scopes`` that most nets are of where one first meets any, walking back from a cell."""
        front, seen = {cell}, {cell}
        while front and scopes:
            bits = {bit for one in front for bit in self._data(one)}
            near = ({self._scope_of(net) for net, _ in self._nets.get(bit, ())} for bit in bits)
            met = Counter(scope for those in near for scope in those & scopes)
            if met:
                return {scope for scope, count in met.items() if count == max(met.values())}
            front = {self._drivers[bit] for bit in bits if bit in self._drivers and bit not in self._nets} - seen
            seen |= front
        return set()

    def _data(self, cell: str) -> list[Any]:
        """Bits at the inputs of a cell; of a flip-flop without its clock, reset and enable, which go everywhere."""
        pins = self.cells[cell]["connections"]
        register = any(pin.startswith("Q") for pin in pins)
        data = next((pins[pin] for pin in ("D", "DI") if register and pin in pins), None)
        return self._bits(cell, "input") if data is None else data

    def _bits(self, cell: str, way: str) -> list[Any]:
        """Bits at the inputs or outputs of a cell."""
        content = self.cells[cell]
        return [bit for pin, bits in content["connections"].items()
                if content["port_directions"].get(pin) == way for bit in bits]  # fmt: skip

    @cached_property
    def _drivers(self) -> dict[Any, str]:
        return {bit: cell for cell in self.cells for bit in self._bits(cell, "output")}

    @cached_property
    def _mapped(self) -> re.Pattern[str]:
        """Begins what synthesis adds to a net's name, such as ``_LUT4_Z``."""
        kinds = "|".join(sorted({re.escape(cell["type"]) for cell in self.cells.values()}))
        return re.compile(rf"_(?:{kinds})_")

    @cached_property
    def _nets(self) -> dict[Any, list[_Net]]:
        nets: dict[Any, list[_Net]] = defaultdict(list)
        for name, net in self.content["netnames"].items():
            if name.startswith("$") or self._mapped.search(name):
                continue
            for index, bit in enumerate(net["bits"]):
                nets[bit].append((name, index if len(net["bits"]) > 1 else None))
        for constant in ("0", "1", "x", "z"):
            nets.pop(constant, None)
        return nets

    def _scope_of(self, net: str) -> str:
        path = net.rpartition(".")[0]
        while path and path not in self.scopes:
            path = path.rpartition(".")[0]
        return path

    @cached_property
    def _lines(self) -> list[tuple[str, int, int, str]]:
        """File, first line, last line and name of the modules that were flattened, and of this one as ``""``."""
        sources = {_plain(cell["attributes"]["module"]): cell["attributes"].get("module_src", "")
                   for cell in self.content["cells"].values() if cell["type"] == "$scopeinfo"
                   and "module" in cell["attributes"]}  # fmt: skip
        sources[""] = self.content["attributes"].get("src", "")
        found = ((name, re.fullmatch(r"(.*):(\d+)\.\d+-(\d+)\.\d+", source)) for name, source in sources.items())
        return [(match[1], int(match[2]), int(match[3]), name) for name, match in found if match]

    def _source_modules(self, cell: str) -> set[str]:
        """Names of the modules whose source made a cell; ``""`` is the top."""
        places = re.findall(r"([^|]*?):(\d+)\.", self.cells[cell]["attributes"].get("src", ""))
        return {name for file, line in places for source, first, last, name in self._lines
                if file == source and first <= int(line) <= last}  # fmt: skip


def _lowest(paths: set[str]) -> str:
    """The deepest of paths that lie in each other; of others the module that holds them all."""
    deepest = max(paths, key=lambda path: (path.count(".") + bool(path), path))
    if all(_holds(path, deepest) for path in paths):
        return deepest
    common = deepest
    while not all(_holds(common, path) for path in paths):
        common = common.rpartition(".")[0]
    return common


def _holds(outer: str, path: str) -> bool:
    return not outer or path == outer or path.startswith(f"{outer}.")


def _plain(name: str) -> str:
    """A name without Verilog's escape and without the serial numbers (``a$20``) that make it unique."""
    return re.sub(r"\$\d+(?=$|[.\[])", "", name.removeprefix("\\"))
