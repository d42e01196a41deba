"""Which variant of a leaf a build gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from amaranth.hdl import Value

Leaf = Callable[..., Value]

TARGETS = ("generic", "asic", "ecp5", "ice40", "xcup")
"""Technologies that may have variants of their own (``asic``: standard cells); ``generic`` is the portable
description of every leaf, which stands in where a technology has no variant."""

_target: ContextVar[str] = ContextVar("target", default="generic")
_leaves: dict[tuple[str, str], Leaf] = {}


def _checked(target: str) -> str:
    if target not in TARGETS:
        raise ValueError(f"target must be one of {', '.join(TARGETS)}, not {target!r}")
    return target


@contextmanager
def targeting(target: str) -> Iterator[None]:
    """While active, ``leaf`` prefers the variants of ``target``. Raises ``ValueError`` for an unknown target."""
    token = _target.set(_checked(target))
    try:
        yield
    finally:
        _target.reset(token)


def variant(name: str, target: str = "generic") -> Callable[[Leaf], Leaf]:
    """Decorator: makes a function the leaf ``name`` of ``target``. Raises ``ValueError`` if there is one already."""
    key = (name, _checked(target))

    def register(function: Leaf) -> Leaf:
        if key in _leaves:
            raise ValueError(f"leaf {name!r} already has a variant for {target}")
        _leaves[key] = function
        return function

    return register


def leaf(name: str, target: str | None = None) -> Leaf:
    """The leaf ``name`` for ``target`` (None: the one of the enclosing ``targeting``), or else the portable one.

    Raises ``ValueError`` if there is no such leaf or target.
    """
    target = _target.get() if target is None else _checked(target)
    try:
        return _leaves.get((name, target)) or _leaves[name, "generic"]
    except KeyError:
        known = ", ".join(sorted(n for n, t in _leaves if t == "generic"))
        raise ValueError(f"no leaf is called {name!r}; there are {known}") from None
