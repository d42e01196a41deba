"""Placing shared components: elaborated in full for simulation, emitted once and instanced for Verilog.

Amaranth writes one module per *instance*, so an array of R × C equal cores costs time and text R × C times. A
component that stands many times is therefore added with ``place``. Outside a ``collect`` block ``place`` just
adds a submodule; inside, it adds an ``Instance`` and remembers the component, so that emission writes each
distinct component once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

from amaranth.hdl import ClockSignal, Instance, Module, ResetInserter, ResetSignal, Value
from amaranth.lib import wiring


class Shared(Protocol):
    """A component that may stand many times: equal ``module_key`` means equal hardware."""

    signature: wiring.Signature

    @property
    def module_key(self) -> tuple[Any, ...]: ...


@dataclass
class Library:
    """Components to be emitted once each: module name → component."""

    prefix: str
    modules: dict[str, Any] = field(default_factory=dict)
    _names: dict[tuple[Any, ...], str] = field(default_factory=dict)

    def module_name(self, component: Any) -> str:
        """Module that stands for ``component``; the same for every component of the same key."""
        key = (type(component), component.module_key)
        if key not in self._names:
            stem = f"{self.prefix}_{_snake(type(component).__name__)}"
            name, serial = stem, 1
            while name in self.modules:
                serial += 1
                name = f"{stem}_{serial}"
            self._names[key] = name
            self.modules[name] = component
        return self._names[key]


_library: ContextVar[Library | None] = ContextVar("library", default=None)


@contextmanager
def collect(prefix: str) -> Iterator[Library]:
    """While active, ``place`` makes instances of modules called ``<prefix>_<component>`` and collects
    them."""
    library = Library(prefix)
    token = _library.set(library)
    try:
        yield library
    finally:
        _library.reset(token)


def port_members(component: Any) -> Iterator[tuple[str, wiring.Flow, Value]]:
    """Flat ports of a component as (name, flow, value); nested members are joined with ``__``, as Amaranth
    does."""
    for path, member, value in component.signature.flatten(component):
        yield "__".join(map(str, path)), member.flow, Value.cast(value)


def place(m: Module, name: str, component: Any, *, reset: Value | None = None, clocked: bool = True,
          **inputs: Any) -> None:
    """Add ``component`` to ``m`` as submodule ``name``, with ``inputs`` (member name → value) connected.

    ``reset`` additionally resets it, synchronously; a component without registers is not ``clocked``. Other members are
    for the caller to connect. Wide inputs should be given here: an instance takes the value as it is, without a signal
    for each of the array's thousands of bits.

    Raises ``ValueError`` if a value is not as wide as its member, which an instance would not mend.
    """
    for member, value in inputs.items():
        if (width := len(Value.cast(getattr(component, member)))) != len(Value.cast(value)):
            raise ValueError(f"{member} of {name} must have {width} bits, not {len(Value.cast(value))}")
    library = _library.get()
    if library is None:
        m.submodules[name] = component if reset is None else ResetInserter(reset)(component)
        m.d.comb += [getattr(component, member).eq(value) for member, value in inputs.items()]
        return
    ports: dict[str, Any] = {}
    if clocked:
        ports |= {"i_clk": ClockSignal(), "i_rst": ResetSignal() if reset is None else ResetSignal() | reset}
    for port, flow, value in port_members(component):
        ports[f"{'i' if flow is wiring.In else 'o'}_{port}"] = Value.cast(inputs[port]) if port in inputs else value
    m.submodules[name] = Instance(library.module_name(component), **ports)
    component._MustUse__silence = True  # it stands for the module; an equal one is elaborated


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))
