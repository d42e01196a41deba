"""Processing elements. ``for_scheme(scheme, **options)`` makes the one of the scheme's family."""

from __future__ import annotations

from importlib import import_module

from gemmsmith.pe.base import (
    Control,
    Core,
    Edge,
    Engine,
    HeldEdge,
    ProcessingElement,
    Schedule,
    Tail,
    TailControl,
)
from gemmsmith.schemes import FAMILIES, Scheme

__all__ = ["Control", "Core", "Edge", "Engine", "HeldEdge", "ProcessingElement", "Schedule", "Tail", "TailControl",
           "element_class", "for_scheme"]


def element_class(family: str) -> type[ProcessingElement]:
    """Processing element of a family: registered by its definition, or found in the file of that name."""
    if family not in ProcessingElement._registry and family in {f.family for f in FAMILIES}:
        import_module(f"gemmsmith.pe.{family}")
    try:
        return ProcessingElement._registry[family]
    except KeyError:
        raise ValueError(f"no processing element of family {family!r} is defined") from None


def for_scheme(scheme: Scheme, **options: int) -> ProcessingElement:
    """The processing element that computes ``scheme``. Raises ``ValueError`` for an option it does not
    have."""
    cls = element_class(scheme.family)
    for option in options:
        if option not in cls.options:
            known = ", ".join(cls.options) or "none"
            raise ValueError(f"the {scheme.family} processing element has no option {option!r}; its options: {known}")
    return cls(scheme=scheme, **options)  # type: ignore[call-arg]
