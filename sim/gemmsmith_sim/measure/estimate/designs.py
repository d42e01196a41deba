"""The designs that the model is calibrated on and judged by, in the order in which they are measured."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass

from gemmsmith.emit.config import BuildConfig

__all__ = ["WHOLE", "Design", "designs", "held_back"]

WHOLE = "whole"
"""The kind of a design that is a build; others are one part of it, synthesised alone."""


@dataclass(frozen=True)
class Design:
    """A build (``kind`` is ``WHOLE``) or one of its parts, as ``gemmsmith build`` would be told of it.

    ``choices`` is what would be typed: ``"level=tile rows=2"``.
    """

    kind: str
    scheme: str
    choices: str = ""

    @property
    def key(self) -> str:
        """One line that names the design."""
        return f"{self.kind} {self.scheme} {self.choices}".rstrip()

    @functools.cached_property
    def config(self) -> BuildConfig:
        """The build."""
        return BuildConfig.resolve(self.scheme, dict(choice.split("=") for choice in self.choices.split()))


def held_back(key: str) -> bool:
    """Whether the design ``key`` only judges the model. Two of five whole designs do, chosen by a digest of the
    name, so that nobody picks them; parts never do."""
    return key.startswith(WHOLE + " ") and int(hashlib.sha256(key.encode()).hexdigest()[:8], 16) % 5 < 2


def designs(*, dsp: bool = True) -> list[Design]:
    """What is measured: parts, then whole builds, small ones first. Without DSP blocks parts only, since most whole
    builds have no multiplication and serve both variants."""
    parts = [Design(kind, scheme, choices) for kind, builds in _PARTS.items() for scheme, choices in builds]
    return parts + [Design(WHOLE, scheme, choices) for scheme, choices in _WHOLE if dsp]


_CORES = [("fp16", ""), *(("int8", f"lanes={lanes}") for lanes in (1, 4, 16, 32)),
          *(("anda-m4", f"m_max={m_max}") for m_max in (4, 8, 16))]
_EDGES = [("fp16", ""), ("int8", "lanes=1"), ("int8", "lanes=16"), ("anda-m4", "")]
_BUSES = [("int8", "lanes=4 rows=1 cols=1 axi_data_width=64"), ("int8", "lanes=16 rows=2 cols=4"),
          ("fp16", "rows=4 cols=4 axi_data_width=256"), ("anda-m4", "rows=2 cols=2")]
_PARTS = {
    "core": _CORES,
    "row_edge": _EDGES,
    "column_edge": _EDGES,
    "tail": [("fp16", ""), ("fp16", "out=fp16"), ("int8", "tail_share=1"), ("int8", "tail_share=4"),
             ("int8", "tail_share=4 out=fp16"), ("anda-m4", "m_max=16 tail_share=4"),
             ("anda-m4", "m_max=4 tail_share=1"), ("anda-m4", "m_max=8 tail_share=4 out=fp16")],
    "feeder": [("fp16", ""), ("int8", ""), ("anda-m4", ""), ("int8", "tail_share=1")],
    "drain": [("fp16", "rows=1 cols=1"), ("int8", "rows=4 cols=4"), ("anda-m4", "rows=2 cols=4 out=fp16"),
              ("int8", "rows=8 cols=8")],
    "buffers": [*_BUSES, ("int8", "lanes=1 rows=2 cols=2 axi_data_width=64 buffer_k=256"),
                ("fp16", "rows=2 cols=2 axi_data_width=128 buffer_k=256"),
                ("anda-m4", "rows=1 cols=2 m_max=4 buffer_k=512")],
    "loader": [*_BUSES, ("fp16", "rows=3 cols=3 axi_data_width=64")],
    "storer": [*_BUSES, ("int8", "rows=2 cols=2 axi_data_width=64 out=fp16")],
    "reader": _BUSES,
    "writer": _BUSES,
    "registers": [("fp16", ""), ("int8", ""), ("anda-m4", ""), ("fp16", "axi_addr_width=48")],
}  # fmt: skip
"""Parts measured alone: kind → builds that they are taken from."""

_WHOLE = [
    ("fp16", "level=tile rows=1 cols=1"),
    ("int8", "level=tile rows=2 cols=2 lanes=4"),
    ("anda-m4", "level=tile rows=1 cols=2"),
    ("fp16", "rows=1 cols=1 axi_data_width=64 buffer_k=256"),
    ("int8", "rows=1 cols=1 lanes=4 axi_data_width=64 buffer_k=256"),
    ("anda-m4", "rows=1 cols=1 m_max=8 buffer_k=256"),
    ("int8", "rows=2 cols=2 lanes=16"),
    ("anda-m6", "rows=2 cols=2"),
    ("fp16", "rows=2 cols=2"),
    ("int8", "rows=2 cols=4 lanes=1 axi_data_width=64"),
    ("anda-m4", "level=tile rows=2 cols=4 m_max=4 tail_share=2"),
    ("fp16", "level=tile rows=2 cols=4 tail_share=2"),
    ("anda-m4", "level=pe m_max=4 out=fp16"),
    ("int8", "level=pe lanes=32"),
    ("int8", "level=pe lanes=2"),
    ("fp16", "level=pe out=fp16"),
    ("int8", "level=tile rows=1 cols=4 lanes=2"),
    ("fp16", "rows=2 cols=1 buffer_k=512 out=fp16"),
    ("int8", "rows=1 cols=2 lanes=2 axi_data_width=32 buffer_k=128"),
    ("anda-m10", "level=tile rows=2 cols=1"),
    ("fp16", "rows=1 cols=4 axi_data_width=64 buffer_k=512"),
    ("fp16", "rows=2 cols=2 out=fp16 axi_data_width=256 buffer_k=512"),
    ("fp16", "level=tile rows=1 cols=2"),
    ("int8", "level=pe lanes=8 out=fp16"),
    ("int8", "rows=4 cols=4 lanes=4 axi_data_width=64 buffer_k=512"),
    ("anda-m6", "level=tile rows=1 cols=1 m_max=8"),
    ("int8", "level=tile rows=2 cols=1 lanes=1"),
    ("anda-m8", "rows=1 cols=2 m_max=8 axi_data_width=64 buffer_k=512"),
    ("anda-m12", "level=pe"),
    ("fp16", "level=tile rows=2 cols=1 out=fp16"),
    ("anda-m4", "level=tile rows=1 cols=2 m_max=4 tail_share=1"),
]  # fmt: skip
"""Whole builds, small ones first."""
