"""Text of test benches: templates and hexadecimal files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Bench:
    """What a kind of bench adds to the files of all.

    Parameters
    ----------
    template: file of the bench's Verilog. values: for its placeholders and those of the other templates.
    vectors: name → text of a ``.hex`` file. docs: name → what that file holds.
    what: Markdown that says what the bench does.
    """

    template: str
    values: Mapping[str, str]
    vectors: Mapping[str, str]
    docs: Mapping[str, str]
    what: str


def fill(template: str, values: Mapping[str, str]) -> str:
    """The text of ``template`` with every ``@KEY@`` replaced."""
    text = files("gemmsmith_sim.testbench").joinpath("templates", template).read_text(encoding="utf-8")
    return re.sub(r"@([A-Z_]+)@", lambda match: values[match[1]], text)


def hex_lines(words: Iterable[int], width: int) -> str:
    """A line per word of ``width`` bits, for ``$readmemh``."""
    digits = -(-width // 4)
    return "".join(f"{word:0{digits}x}\n" for word in words)


def hex_bytes(words: NDArray[np.uint8]) -> str:
    """A line per row of little-endian bytes (words, bytes of a word)."""
    return "".join(word[::-1].tobytes().hex() + "\n" for word in words)


def hex_memory(memory: NDArray[np.uint8], word_bytes: int, fill_byte: int) -> str:
    """The words of ``memory`` for ``$readmemh``, with addresses; words of nothing but ``fill_byte`` are left out."""
    lines, expected = [], -1
    for index, word in enumerate(memory.reshape(-1, word_bytes)):
        if (word == fill_byte).all():
            continue
        if index != expected:
            lines.append(f"@{index:x}\n")
        lines.append(hex_bytes(word[None]))
        expected = index + 1
    return "".join(lines)


def noise(rng: np.random.Generator) -> str:
    """A state for the benches' xorshift generator: hexadecimal, not zero."""
    return f"{int(rng.integers(1, 1 << 32)):08x}"
